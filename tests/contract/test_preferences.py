"""What a client says of the answer that it wants: Prefer and If-None-Match, by their grammars."""

from typing import Any

import pytest
from multidict import CIMultiDict

from tests.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


def tag(job: dict[str, Any]) -> str:
    return f'"{job["revision"]}"'


@pytest.mark.parametrize(
    ("pattern", "status"),
    [
        ("{}", 304),
        ("W/{}", 304),
        ('"x", {}', 304),
        ('"x",W/{} ,"y"', 304),
        ("*", 304),
        ('"*"', 200),
        ('"x"', 200),
        ('"x, {}', 200),
        ("", 200),
        ("junk", 200),
    ],
)
async def test_what_the_client_has_is_304(shared: Service, pattern: str, status: int) -> None:
    """If-None-Match: lists, weak tags and `*`; a tag that is not the job's is no match."""
    job = await shared.finished()
    plain = pattern.format(tag(job)) if pattern != '"x, {}' else '"x, ' + tag(job).strip('"')
    headers = {"If-None-Match": plain}
    async with shared.client.get(job["links"]["self"], headers=headers) as answer:
        assert answer.status == status
        assert answer.headers["ETag"] == tag(job)
        assert (await answer.read() == b"") == (status == 304)


async def test_tags_on_several_lines_are_one_list(shared: Service) -> None:
    """If-None-Match may be sent in pieces."""
    job = await shared.finished()
    headers = CIMultiDict([("If-None-Match", '"x"'), ("If-None-Match", tag(job))])
    async with shared.client.get(job["links"]["self"], headers=headers) as answer:
        assert answer.status == 304


PREFERENCES = [
    (["wait=5"], "wait=5"),
    (["WAIT=5"], "wait=5"),
    (["wait = 5"], "wait=5"),
    (['wait="5"'], "wait=5"),
    (["wait=5; foo=bar"], "wait=5"),
    (["respond-async, wait=5"], "wait=5"),
    (["respond-async", "wait=5"], "wait=5"),
    (["wait=5", "wait=9"], "wait=5"),
    (["wait=5, wait=9"], "wait=5"),
    ([", ,wait=5,"], "wait=5"),
    (['foo="a, wait=9", wait=5'], "wait=5"),
    (['foo="a\\", wait=9", wait=5'], "wait=5"),
    (["foo; wait=9, wait=5"], "wait=5"),
    (["wait=0"], "wait=0"),
    (["wait=61"], "wait=60"),
    (["wait=" + "9" * 5000], "wait=60"),
    (["wait=0000000000000005"], "wait=5"),
    (["wait"], None),
    (["wait="], None),
    (['wait=""'], None),
    (["wait=-5"], None),
    (["wait=5.5"], None),
    (["wait=5s"], None),
    (['wait="5'], None),
    (["wait=junk, wait=5"], None),
    (["waits=5"], None),
    (['foo="wait=5'], None),
    (['foo="a, wait=5'], None),
    (["=5"], None),
    (["wait=\u0663"], None),
]


@pytest.mark.parametrize(("lines", "applied"), PREFERENCES)
async def test_preferences_are_read_by_their_grammar(
    shared: Service, lines: list[str], applied: str | None
) -> None:
    """RFC 7240: case, quotes, lists, parameters, lines; the first counts, junk does not, 60 is the most."""
    job = await shared.finished()
    headers = CIMultiDict([("Prefer", line) for line in lines])
    async with shared.client.get(job["links"]["self"], headers=headers) as answer:
        assert answer.headers.get("Preference-Applied") == applied
        assert answer.status == 200
