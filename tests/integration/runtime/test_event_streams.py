"""Server-sent events over a real socket: heartbeats, resume, limits, and every way in which a stream ends."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from starlette.responses import Response

from runtime.web.app import DoorLimits, build_app
from runtime.web.callers.gatekeeper import Gatekeeper
from runtime.web.dialects import Dialect
from runtime.web.news.event_streams import EventStreams, follow_rows, read_last_event_id
from runtime.web.news.sse_format import StreamEvent
from runtime.web.news.wakeups import Wakeups
from runtime.web.route import Call, Route
from runtime.web.server.connections import ConnectionLimits
from runtime.web.server.reason_phrases import ReasonedProtocol
from runtime.web.server.serving import serve_app
from schemas.errors import Unavailable
from tests.unit.runtime.web.news.test_sse_format import parse_stream
from tests.waiting import eventually
from wms.gateway.roles import DEFAULT_RULES, READERS, Role

ADA = {"Authorization": "Bearer ada"}


class Believer:
    """Believes that a token is its subject; one that begins with a number expires after so many seconds."""

    async def verify_token(self, token: str) -> Mapping[str, Any]:
        life_s = float(token.split("s-", maxsplit=1)[0]) if "s-" in token else 600.0
        return {"sub": token, "ewms_role": "user", "exp": time.time() + life_s}


class Log:
    """Rows that grow, and the route that streams them."""

    def __init__(self, streams: EventStreams) -> None:
        self.rows: list[str] = []
        self.streams = streams
        self.wakeups = Wakeups()
        self.n_closed = 0
        self.is_away = False

    def add(self, *rows: str) -> None:
        self.rows += rows
        self.wakeups.wake("log")

    async def read_after(self, last: str) -> Sequence[StreamEvent]:
        if self.is_away:
            raise Unavailable("the database is away")
        first = int(last or -1) + 1
        return [StreamEvent(row, id=str(n), name="row") for n, row in enumerate(self.rows)][first:]

    async def watch(self, call: Call) -> Response:
        return self.streams.open_stream(call, self._follow(read_last_event_id(call)))

    async def _follow(self, after: str) -> AsyncIterator[StreamEvent]:
        ticket = self.wakeups.take_ticket("log")
        try:
            async for event in follow_rows(
                self.read_after,
                after=after,
                wait=lambda: ticket.wait(within_s=60),
                is_over=lambda event: event.data == "end",
            ):
                yield event
        finally:
            self.n_closed += 1


@asynccontextmanager
async def served(
    *, connections: ConnectionLimits | None = None, **limits: Any
) -> AsyncIterator[tuple[Log, httpx2.AsyncClient]]:
    log = Log(EventStreams(**limits))
    app = build_app(
        [(Dialect("test", ("/v1",)), [Route("GET", "/log", log.watch, "Watch", roles=READERS)])],
        Gatekeeper(Believer(), rules=DEFAULT_RULES, ranking=[*Role]),
        limits=DoorLimits(refusal_pause_s=0),
    )
    async with serve_app(app, host="127.0.0.1", port=0, protocol=ReasonedProtocol, limits=connections) as url:
        async with httpx2.AsyncClient(base_url=url, headers=ADA, timeout=60) as http:
            yield log, http
        log.streams.stop()


async def read_whole(http: httpx2.AsyncClient, **options: Any) -> list[tuple[str, str, str]]:
    """Return all events of a stream that ends."""
    return parse_stream((await http.get("/v1/log", **options)).content)


async def test_events_come_while_the_stream_is_open_and_a_stream_may_end() -> None:
    async with served() as (log, http):
        log.add("a", json.dumps({"b": "x\ny"}))
        async with http.stream("GET", "/v1/log") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            assert "etag" not in answer.headers
            chunks = answer.aiter_bytes()
            seen = b""
            while b"id: 1\n" not in seen:
                seen += await anext(chunks)
            began_at = time.monotonic()
            log.add("c", "end", "never sent")
            while b"data: end" not in seen:
                seen += await anext(chunks)
            assert time.monotonic() - began_at < 10
            async for chunk in chunks:
                seen += chunk
        assert seen.startswith(b"retry: 2000\n\n")
        assert [(row[0], row[2]) for row in parse_stream(seen)] == [
            ("0", "a"),
            ("1", '{"b": "x\\ny"}'),
            ("2", "c"),
            ("3", "end"),
        ]
        await eventually(lambda: log.streams.n_open == 0 and log.n_closed == 1)


@pytest.mark.parametrize("how", ["header", "query"])
async def test_a_client_that_connects_again_gets_what_it_has_not_seen(how: str) -> None:
    async with served() as (log, http):
        log.add("a", "b", "c", "end")
        seen: dict[str, Any] = (
            {"headers": {"Last-Event-ID": "1"}} if how == "header" else {"params": {"last_event_id": "1"}}
        )
        assert [row[2] for row in await read_whole(http, **seen)] == ["c", "end"]
        refused = await http.get("/v1/log", headers={"Last-Event-ID": "x" * 300})
        assert (refused.status_code, refused.json()["error"]) == (
            400,
            "Last-Event-ID must be an id that this stream has sent",
        )


async def test_a_silent_stream_sends_comments_and_loses_no_event_by_them() -> None:
    async with served(heartbeat_s=0.05) as (log, http), http.stream("GET", "/v1/log") as answer:
        seen = b""
        async for chunk in answer.aiter_bytes():
            seen += chunk
            if seen.count(b":\n\n") == 3 and not log.rows:
                log.add("a", "b", "end")
        assert [row[2] for row in parse_stream(seen)] == ["a", "b", "end"]


async def test_a_stream_ends_when_its_client_goes_also_without_a_word() -> None:
    async with served() as (log, http):
        host, port = str(http.base_url.host), http.base_url.port
        assert port is not None
        for linger in (False, True):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET /v1/log HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\n\r\n")
            assert await reader.readuntil(b"\n\n")
            await eventually(lambda: log.streams.n_open == 1)
            if linger:
                # Reset the connection instead of closing it.
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.close()
            await eventually(lambda: log.streams.n_open == 0)
        assert log.n_closed == 2


async def test_a_peer_that_reads_nothing_is_let_go() -> None:
    async with served(connections=ConnectionLimits(read_grace_s=0.5, read_bytes_per_s=2**30)) as (log, http):
        log.add(*("x" * 100_000 for _ in range(400)))
        host, port = str(http.base_url.host), http.base_url.port
        assert port is not None
        reader, writer = await asyncio.open_connection(host, port, limit=1024)
        writer.write(b"GET /v1/log HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\n\r\n")
        await eventually(lambda: log.streams.n_open == 1)
        await eventually(lambda: log.streams.n_open == 0)
        del reader
        writer.close()


async def test_each_caller_and_all_together_have_so_many_streams() -> None:
    async with served(max_of_caller=2, max_of_all=3) as (log, http):
        async with asyncio.timeout(60), http.stream("GET", "/v1/log"), http.stream("GET", "/v1/log"):
            refused = await http.get("/v1/log")
            assert (refused.status_code, refused.json()["error"]) == (
                429,
                "you have 2 streams open, the most that one caller may have",
            )
            async with http.stream("GET", "/v1/log", headers={"Authorization": "Bearer ben"}) as third:
                assert third.status_code == 200
                refused = await http.get("/v1/log", headers={"Authorization": "Bearer cyd"})
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        await eventually(lambda: log.streams.n_open == 0)
        log.add("end")
        assert len(await read_whole(http)) == 1


async def test_many_streams_at_once_keep_no_other_request_out() -> None:
    async with served(max_of_caller=20) as (log, http):
        watching = [asyncio.create_task(read_whole(http)) for _ in range(20)]
        await eventually(lambda: log.streams.n_open == 20)
        assert (await http.get("/v1/log")).status_code == 429
        log.add("end")
        assert await asyncio.gather(*watching) == [[("0", "row", "end")]] * 20


async def test_a_stream_ends_with_its_token_its_life_and_its_process() -> None:
    async with served(max_life_s=0.3) as (_, http):
        assert await read_whole(http) == []
    async with served() as (log, http):
        assert await read_whole(http, headers={"Authorization": "Bearer 0.3s-token"}) == []
        watching = asyncio.create_task(read_whole(http))
        await eventually(lambda: log.streams.n_open == 1)
        log.streams.stop()
        assert await watching == []
        assert (await http.get("/v1/log")).status_code == 503


async def test_a_failure_in_the_middle_ends_the_stream_so_that_the_client_comes_again() -> None:
    async with served() as (log, http):
        log.add("a")
        watching = asyncio.create_task(read_whole(http))
        await eventually(lambda: log.streams.n_open == 1)
        log.is_away = True
        log.add("b")
        assert [row[2] for row in await watching] == ["a"]
        log.is_away = False
        log.add("end")
        assert [row[2] for row in await read_whole(http, headers={"Last-Event-ID": "0"})] == ["b", "end"]


async def test_a_head_request_opens_no_stream() -> None:
    async with served() as (log, http):
        answer = await http.head("/v1/log")
        assert (answer.status_code, answer.content, log.streams.n_open) == (200, b"", 0)
