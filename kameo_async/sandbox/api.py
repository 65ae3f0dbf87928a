"""The API: the listing of loans, and the faults that it shows on request."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from kameo_async.sandbox import pages
from kameo_async.sandbox.account import Session, Stage
from kameo_async.sandbox.data import LOANS_PER_PAGE, Row
from kameo_async.sandbox.limit import Quota
from kameo_async.sandbox.manners import refuse_strangers
from kameo_async.sandbox.options import Fault
from kameo_async.sandbox.record import API_PREFIX
from kameo_async.sandbox.world import COOKIE, WORLD, World

LISTING_PATH = f"{API_PREFIX}/loans/listing/investment-options"

_FLAGS = {
    "SE": "subscription_origin_sweden",
    "NO": "subscription_origin_norway",
    "DK": "subscription_origin_denmark",
}
_MAX_LIMIT = 100
_EXPIRES_AFTER_PAGES = 2
_FIRST_BROKEN_ROW = 4


def routes() -> list[web.RouteDef]:
    """What the API serves; `server` answers everything else below it."""
    return [web.get(LISTING_PATH, _listing, allow_head=False)]


@dataclass(frozen=True, slots=True)
class Query:
    """What a call of the listing asks for; `page` counts from 1."""

    countries: frozenset[str]
    limit: int
    page: int


async def _listing(request: web.Request) -> web.StreamResponse:
    world = request.app[WORLD]
    if world.faults.take(Fault.HANG):
        await world.closing.wait()
        raise web.HTTPServiceUnavailable
    await world.pause()
    refuse_strangers(request)
    quota = world.limit.hit()
    if quota.refused:
        return _message(429, "Too Many Attempts.", quota)
    session = _living_session(request)
    if session is None:
        return _message(401, "Unauthenticated.", quota)
    return _ordered_failure(world, quota) or await _answer(request, session, quota)


def _living_session(request: web.Request) -> Session | None:
    world = request.app[WORLD]
    session = world.session_of(request)
    if session is None or session.stage is not Stage.LOGGED_IN:
        return None
    if session.pages_read >= _EXPIRES_AFTER_PAGES and world.faults.take(Fault.EXPIRE):
        world.sessions.end(request.cookies.get(COOKIE))
        return None
    return session


def _ordered_failure(world: World, quota: Quota) -> web.Response | None:
    if world.faults.take(Fault.TOO_MANY_REQUESTS):
        return _message(429, "Too Many Attempts.", world.limit.refusal(1))
    if world.faults.take(Fault.UNAVAILABLE):
        return _message(503, "Service Unavailable", quota)
    if world.faults.take(Fault.BAD_GATEWAY):
        return pages.nginx_page(502, "Bad Gateway")
    return None


async def _answer(request: web.Request, session: Session, quota: Quota) -> web.StreamResponse:
    world = request.app[WORLD]
    try:
        query = _query(request.query)
    except ValueError as error:
        return _message(422, str(error), quota)
    session.pages_read += 1
    page = _page(world, query)
    data = page["investment_options"] if world.options.old_shape else page
    response = _json(200, {"data": data}, quota)
    if world.faults.take(Fault.TRUNCATE):
        return await _cut(request, response)
    return response


def _query(query: MultiMapping[str]) -> Query:
    """Raises ValueError with the message of a 422."""
    flags = {country: _integer(query, name, 0, 0, 1) for country, name in _FLAGS.items()}
    return Query(
        countries=frozenset(country for country, flag in flags.items() if flag),
        limit=_integer(query, "limit", LOANS_PER_PAGE, 1, _MAX_LIMIT),
        page=_integer(query, "page", 1, 1, 1_000_000),
    )


def _integer(query: MultiMapping[str], name: str, default: int, lowest: int, highest: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 8 and lowest <= int(text) <= highest):
        raise ValueError(f"The {name} must be an integer between {lowest} and {highest}.")
    return int(text)


def _page(world: World, query: Query) -> dict[str, Any]:
    at = world.now()
    numbers = world.market.listed(at, query.countries)
    start = (query.page - 1) * query.limit
    rows = world.market.rows(_due(world, numbers, start, query), at)
    drifts = query.page % 2 == 0 and world.faults.take(Fault.DRIFT)
    total = len(numbers) + int(drifts)
    return {
        "investment_options": _broken(world, rows, start),
        "result_count": len(rows),
        "current_page": query.page,
        "per_page": query.limit,
        "total": total,
        "last_page": max(1, -(-total // query.limit)),
    }


def _due(world: World, numbers: Sequence[int], start: int, query: Query) -> list[int]:
    due = list(numbers[start : start + query.limit])
    if query.page == 2 and due and world.faults.take(Fault.DUPLICATE):
        due[0] = numbers[start - 1]
    return due


def _broken(world: World, rows: list[Row], start: int) -> list[Any]:
    """The rows from the fifth of the whole listing on, as many as ordered, each unreadable in its way."""
    count = world.faults.rows(Fault.BROKEN_LOAN, start + len(rows))
    positions = range(_FIRST_BROKEN_ROW, _FIRST_BROKEN_ROW + count)
    return [_break(row, place) if place in positions else row for place, row in enumerate(rows, start)]


def _break(row: Row, place: int) -> Any:
    ways = (
        {**row, "application_amount": "ett okänt belopp"},
        {**row, "title": None},
        {name: value for name, value in row.items() if name != "loan_application_id"},
        "lånet saknas",
    )
    return ways[(place - _FIRST_BROKEN_ROW) % len(ways)]


def _message(status: int, text: str, quota: Quota) -> web.Response:
    return _json(status, {"message": text}, quota)


def _json(status: int, document: object, quota: Quota) -> web.Response:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    headers = {**quota.headers(), "cache-control": "no-cache, private"}
    return web.Response(text=text, status=status, content_type="application/json", headers=headers)


async def _cut(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Half of the body under the Content-Length of all of it, then the end of the connection."""
    body = whole.body
    assert isinstance(body, bytes)
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
