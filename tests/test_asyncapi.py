"""The AsyncAPI document: valid by the schema that AsyncAPI publishes, and true to the frames."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from websockets.asyncio.client import ClientConnection, connect

from kameo_async.web.routes import JOB, ROUTES
from tests.service import Service, running_service

SCHEMA = json.loads((Path(__file__).parent / "vendor" / "asyncapi-3.0.0.json").read_text())


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service(job_ttl_seconds=60, reap_interval_seconds=10) as running:
        yield running


@pytest.fixture
async def asyncapi(service: Service) -> dict[str, Any]:
    async with service.client.get("/api/asyncapi.json") as answer:
        document: dict[str, Any] = await answer.json()
        return document


def resolved(asyncapi: dict[str, Any], place: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to."""
    found = asyncapi
    for name in place["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return resolved(asyncapi, found) if "$ref" in found else found


class Follower:
    """A client of a channel that holds each frame to the channel's messages."""

    def __init__(self, socket: ClientConnection, asyncapi: dict[str, Any], channel: str) -> None:
        self._socket = socket
        self._asyncapi = asyncapi
        self._messages = asyncapi["channels"][channel]["messages"]
        self.seen: list[str] = []

    async def frame(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self._socket.recv())
        payload = resolved(self._asyncapi, self._messages[frame["type"]])["payload"]
        schema = payload | {"components": self._asyncapi["components"]}
        jsonschema.Draft202012Validator(schema).validate(frame)
        self.seen.append(frame["type"])
        return frame


def follow(service: Service, path: str) -> connect:
    return connect(f"{service.url.replace('http', 'ws')}{path}", proxy=None)


async def test_it_is_valid(asyncapi: dict[str, Any]) -> None:
    """The schema that AsyncAPI publishes for 3.0.0 finds nothing, and something where an action is none."""
    validator = jsonschema.Draft7Validator(SCHEMA)
    await asyncio.to_thread(validator.validate, asyncapi)
    asyncapi["operations"]["followJob"]["action"] = "shout"
    assert not validator.is_valid(asyncapi)


async def test_it_is_valid_with_a_token() -> None:
    """Where a token is set the server asks for it."""
    async with running_service(token="long-enough") as service:
        bearer = {"Authorization": "Bearer long-enough"}
        async with service.client.get("/api/asyncapi.json", headers=bearer) as answer:
            asyncapi = await answer.json()
    jsonschema.Draft7Validator(SCHEMA).validate(asyncapi)
    assert resolved(asyncapi, asyncapi["servers"]["here"]["security"][0])["scheme"] == "bearer"


async def test_every_websocket_is_described(asyncapi: dict[str, Any]) -> None:
    """Each channel is a route that ends in /ws and the other way round; references lead somewhere."""
    served = {route.path.replace(JOB, "/api/jobs/{job_id}") for route in ROUTES if route.path.endswith("/ws")}
    assert {channel["address"] for channel in asyncapi["channels"].values()} == served
    for operation in asyncapi["operations"].values():
        channel = resolved(asyncapi, operation["channel"])
        assert [resolved(asyncapi, message) for message in operation["messages"]] == [
            resolved(asyncapi, message) for message in channel["messages"].values()
        ]


async def test_the_frames_of_one_job_are_those_that_are_described(
    service: Service, asyncapi: dict[str, Any]
) -> None:
    """Every frame of a job's own socket fits, the terminal one with its result too."""
    job = await service.running()
    async with follow(service, job["links"]["events"]) as socket:
        follower = Follower(socket, asyncapi, "job")
        assert (await follower.frame())["job"]["status"] == "running"
        service.gate.gate().set()
        assert (await follower.frame())["job"]["data"] == {"name": "one"}


async def test_the_frames_of_all_jobs_are_those_that_are_described(
    service: Service, asyncapi: dict[str, Any]
) -> None:
    """The newest jobs, a change and an expiry fit, and no other frame comes."""
    await service.finished(text="a")
    async with follow(service, "/api/jobs/ws") as socket:
        follower = Follower(socket, asyncapi, "jobs")
        await follower.frame()
        job = await service.finished(text="b")
        while (await follower.frame())["job"]["status"] != "success":
            pass
        await service.clock.advance(70)
        assert (await follower.frame())["type"] == "expired"
        assert (await follower.frame())["job_id"] == job["job_id"]
    assert set(follower.seen) == set(asyncapi["channels"]["jobs"]["messages"])
