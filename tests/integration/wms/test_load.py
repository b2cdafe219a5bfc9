"""The gateway's own door over real sockets, with no service behind it: what slow senders hold, and for how long."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from starlette.responses import Response

from runtime.web.app import DoorLimits
from runtime.web.callers.limits import CallerLimits
from runtime.web.route import Call, Route, answer_json
from runtime.web.server.reason_phrases import ReasonedProtocol
from runtime.web.server.serving import serve_app
from schemas.api.workflows.requests import AddWorkersRequest
from tests.waiting import eventually
from wms.gateway import app as gateway
from wms.gateway.roles import READERS, USERS, make_gatekeeper

PATH = "/v1/task-directives/TK-1/actions/add-workers"
HEAD = (
    f"POST {PATH} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
).encode()
GOOD = {"cluster_location": "osg", "n_workers": 1}


class Believer:
    """Believes that a token is its subject."""

    async def verify_token(self, token: str) -> Mapping[str, Any]:
        return {"sub": token, "ewms_role": "user"}


#: What a caller has unless a test says otherwise.
_LIMITS = CallerLimits()

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@asynccontextmanager
async def door(
    *, max_at_once: int, body_patience_s: float, caller_limits: CallerLimits = _LIMITS, as_users: bool = False
) -> AsyncIterator[tuple[httpx2.AsyncClient, Connect]]:
    """Serve two routes that do nothing; give a client, and a way to connect by hand."""

    async def nothing(_: Call) -> Response:
        return answer_json({})

    app = gateway.build_app(
        [
            Route("GET", "/task-directives/{task_id}", nothing, "Get", roles=READERS),
            Route(
                "POST",
                "/task-directives/{task_id}/actions/add-workers",
                nothing,
                "Add",
                roles=USERS,
                body=AddWorkersRequest,
            ),
        ],
        make_gatekeeper(Believer() if as_users else None),
        limits=DoorLimits(
            caller=caller_limits, refusal_pause_s=0.3, max_at_once=max_at_once, body_patience_s=body_patience_s
        ),
    )
    writers: list[asyncio.StreamWriter] = []
    async with serve_app(app, host="127.0.0.1", port=0, protocol=ReasonedProtocol) as url:
        host, port = url.removeprefix("http://").split(":")

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(host, int(port))
            writers.append(writer)
            return reader, writer

        try:
            async with httpx2.AsyncClient(base_url=url, timeout=60) as http:
                yield http, connect
        finally:
            for writer in writers:
                writer.close()


async def until_refused(http: httpx2.AsyncClient) -> httpx2.Response:
    """Return the first refusal of a good request: by then all that was sent before has its place."""
    refused: httpx2.Response = await eventually(
        lambda: http.post(PATH, json=GOOD), lambda answer: answer.status_code != 200, pause_s=0.01
    )
    return refused


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
        await eventually(
            lambda: http.get("/v1/task-directives/TK-1"), lambda answer: answer.status_code != 200, within_s=20
        )
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
        assert answer.startswith(b"HTTP/1.1 400 the body did not arrive within 0.5 seconds\r\n")
        assert b"connection: close" in answer.lower()
        assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"] == 400
        assert (await http.post(PATH, json=GOOD)).status_code == 200


async def test_a_sender_that_goes_away_gives_its_place_back() -> None:
    async with door(max_at_once=2, body_patience_s=60) as (http, connect):
        _, writer = await connect()
        writer.write(HEAD)
        await until_refused(http)
        writer.close()
        await eventually(lambda: http.post(PATH, json=GOOD), lambda answer: answer.status_code == 200)


async def test_slow_bodies_of_one_caller_leave_room_for_the_others() -> None:
    slow = HEAD.replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer eve\r\n\r\n")
    async with door(max_at_once=12, body_patience_s=60, caller_limits=CallerLimits(max_at_once=3), as_users=True) as (
        http,
        connect,
    ):
        answers = [(await connect())[0]]
        for _ in range(40):
            reader, writer = await connect()
            writer.write(slow)
            answers.append(reader)
        # All but three are refused at once, and their connections closed.
        done, held = await asyncio.wait([asyncio.create_task(reader.read()) for reader in answers[1:]], timeout=2)
        async with asyncio.timeout(60):
            while len(held) > 3:
                finished, held = await asyncio.wait(held, timeout=0.1)
                done |= finished
        assert len(held) == 3
        for answer in done:
            assert answer.result().startswith(b"HTTP/1.1 429 you have 3 requests under way")
            assert b"retry-after: 1\r\n" in answer.result().lower()
            assert b"connection: close" in answer.result().lower()
        assert (await http.post(PATH, json=GOOD, headers={"Authorization": "Bearer ada"})).status_code == 200
        refused = await http.post(PATH, json=GOOD, headers={"Authorization": "Bearer eve"})
        assert (refused.status_code, refused.headers["x-ewms-hint"]) == (
            429,
            "wait for answers before you send more requests",
        )
        for task in held:
            task.cancel()


async def test_a_caller_that_sends_too_much_hears_when_to_come_again() -> None:
    limits = CallerLimits(per_s=0.5, burst=3)
    async with door(max_at_once=12, body_patience_s=60, caller_limits=limits, as_users=True) as (http, _):
        path = "/v1/task-directives/TK-1"
        codes = [(await http.get(path, headers={"Authorization": "Bearer eve"})).status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        refused = await http.get(path, headers={"Authorization": "Bearer eve"})
        assert refused.json()["error"] == "you have sent too many requests; one caller may send 0.5 a second"
        assert int(refused.headers["retry-after"]) in (1, 2)
        assert (await http.get(path, headers={"Authorization": "Bearer ada"})).status_code == 200


async def test_a_caller_over_its_share_waits_for_its_refusal_and_holds_no_place_meanwhile() -> None:
    eve = {"Authorization": "Bearer eve"}
    limits = CallerLimits(per_s=0.001, burst=1)
    async with door(max_at_once=2, body_patience_s=60, caller_limits=limits, as_users=True) as (http, _):
        path = "/v1/task-directives/TK-1"
        assert (await http.get(path, headers=eve)).status_code == 200
        refused = [asyncio.create_task(http.get(path, headers=eve)) for _ in range(10)]
        await asyncio.sleep(0)
        assert (await http.get(path, headers={"Authorization": "Bearer ada"})).status_code == 200
        # None was answered 503 for want of a place.
        assert {(await each).status_code for each in refused} == {429}
