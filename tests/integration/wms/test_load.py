"""The gateway's own door over real sockets, with no service behind it: what slow senders hold, and for how long."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.responses import Response

from runtime.serving import serving
from schemas.api import AddWorkersRequest
from wms.gateway import app as gateway
from wms.gateway.auth import Gatekeeper
from wms.gateway.calls import Call, Route, answered
from wms.gateway.reasons import ReasonedProtocol

PATH = "/v1/task-directives/TK-1/actions/add-workers"
HEAD = (
    f"POST {PATH} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
).encode()
GOOD = {"cluster_location": "osg", "n_workers": 1}

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@asynccontextmanager
async def door(*, max_at_once: int, body_patience_s: float) -> AsyncIterator[tuple[httpx2.AsyncClient, Connect]]:
    """Serve two routes that do nothing; give a client, and a way to connect by hand."""

    async def nothing(_: Call) -> Response:
        return answered({})

    app = gateway.build(
        [
            Route("GET", "/task-directives/{task_id}", nothing, "Get"),
            Route("POST", "/task-directives/{task_id}/actions/add-workers", nothing, "Add", body=AddWorkersRequest),
        ],
        Gatekeeper(None),
        max_at_once=max_at_once,
        body_patience_s=body_patience_s,
    )
    writers: list[asyncio.StreamWriter] = []
    async with serving(app, host="127.0.0.1", port=0, protocol=ReasonedProtocol) as url:
        host, port = url.removeprefix("http://").split(":")

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(host, int(port))
            writers.append(writer)
            return reader, writer

        try:
            async with httpx2.AsyncClient(base_url=url, timeout=30) as http:
                yield http, connect
        finally:
            for writer in writers:
                writer.close()


async def until_refused(http: httpx2.AsyncClient) -> httpx2.Response:
    """Return the first refusal of a good request: by then all that was sent before has its place."""
    async with asyncio.timeout(20):
        while (answer := await http.post(PATH, json=GOOD)).status_code == 200:
            await asyncio.sleep(0.01)
    return answer


async def test_slow_senders_hold_half_of_the_places_and_a_request_without_a_body_always_has_one() -> None:
    async with door(max_at_once=4, body_patience_s=60) as (http, connect):
        for _ in range(2):
            _, writer = await connect()
            writer.write(HEAD + b'{"cluster')
        refused = await until_refused(http)
        assert (refused.status_code, refused.json()["error"]) == (503, "too many requests at once")
        assert refused.headers["retry-after"]
        assert (await http.get("/v1/task-directives/TK-1")).status_code == 200
        # The next slow one is answered without a byte of its body having been waited for, and let go.
        reader, writer = await connect()
        writer.write(HEAD)
        answer = await asyncio.wait_for(reader.read(), 20)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"connection: close" in answer.lower()


async def test_the_bound_comes_before_the_body_whatever_holds_the_places() -> None:
    async with door(max_at_once=1, body_patience_s=60) as (http, connect):
        _, writer = await connect()
        writer.write(HEAD)
        async with asyncio.timeout(20):
            while (await http.get("/v1/task-directives/TK-1")).status_code == 200:
                await asyncio.sleep(0.01)
        reader, writer = await connect()
        writer.write(HEAD)
        assert (await asyncio.wait_for(reader.read(), 20)).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("drips", [False, True])
async def test_a_body_that_does_not_come_gives_its_place_back(drips: bool) -> None:
    async with door(max_at_once=2, body_patience_s=0.5) as (http, connect):
        reader, writer = await connect()
        writer.write(HEAD)

        async def drip() -> None:
            while True:
                writer.write(b" ")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip()) if drips else None
        answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)
        if dripping is not None:
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)
        assert answer.startswith(b"HTTP/1.1 400 the body did not arrive in time\r\n")
        assert b"connection: close" in answer.lower()
        assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"] == 400
        assert (await http.post(PATH, json=GOOD)).status_code == 200


async def test_a_sender_that_goes_away_gives_its_place_back() -> None:
    async with door(max_at_once=2, body_patience_s=60) as (http, connect):
        _, writer = await connect()
        writer.write(HEAD)
        await until_refused(http)
        writer.close()
        async with asyncio.timeout(20):
            while (await http.post(PATH, json=GOOD)).status_code != 200:
                await asyncio.sleep(0.01)
