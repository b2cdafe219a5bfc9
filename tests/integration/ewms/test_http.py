"""The client's calls over a real connection: what is repeated, what is not, and what an error becomes."""

import asyncio
import socket
import time

import pytest

from ewms import AsyncClient
from ewms.errors import NotSignedIn, NotThere, Refused, ServerDown, ServerFailed, TimedOut, Unreachable
from ewms.gateway.http import Gateway
from ewms.gateway.server import Server
from runtime.tracing import continue_trace
from tests.integration.ewms.conftest import FakeGateway
from tests.integration.wms.proxy import Proxy

DOWN = (503, {"code": 503, "error": "MongoDB is away"}, {"Retry-After": "0"})


def to(gateway: FakeGateway, timeout_s: float = 5.0) -> Gateway:
    return Gateway(Server(gateway.url, (), "secret"), timeout_s=timeout_s)


async def test_a_post_that_meets_a_passing_failure_is_repeated_under_one_key(gateway: FakeGateway) -> None:
    gateway.on("POST /v1/workflows", DOWN, DOWN, (200, {"made": 1}, {}))
    async with to(gateway) as client:
        assert await client.post_json("/workflows", {"tasks": []}) == {"made": 1}
    assert [asked.body for asked in gateway.asked] == [{"tasks": []}] * 3
    assert len({asked.headers["idempotency-key"] for asked in gateway.asked}) == 1
    assert {asked.headers["authorization"] for asked in gateway.asked} == {"Bearer secret"}


async def test_a_call_carries_the_trace_of_its_caller(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    trace, other = f"00-{'a' * 32}-{'b' * 16}-01", f"00-{'c' * 32}-{'d' * 16}-01"
    monkeypatch.setenv("TRACEPARENT", other)
    gateway.on("GET /v1/x", (200, {}, {}))
    async with to(gateway) as client:
        with continue_trace(trace):
            await client.get_json("/x")
        await client.get_json("/x")
        monkeypatch.setenv("TRACEPARENT", "oops\r\nX-Mine: 1")
        await client.get_json("/x")
    assert [asked.headers.get("traceparent") for asked in gateway.asked] == [trace, other, None]


async def test_a_gateway_that_has_answered_is_waited_for_while_it_restarts(gateway: FakeGateway) -> None:
    gateway.on("GET /v1/x", (200, {"n": 1}, {}))
    async with Proxy("127.0.0.1", int(gateway.url.rpartition(":")[2])).running() as proxy:
        server = Server(f"http://127.0.0.1:{proxy.port}", (), "secret")
        async with Gateway(server, timeout_s=30) as client:
            await client.get_json("/x")
            proxy.cut()
            begin = time.monotonic()
            answer = asyncio.create_task(client.get_json("/x"))
            # Longer than a mistyped address is tried.
            await asyncio.wait({answer}, timeout=4)
            assert not answer.done()
            proxy.mend()
            assert await answer == {"n": 1}
            assert time.monotonic() - begin < 25
        async with Gateway(server, timeout_s=30) as client:
            proxy.cut()
            with pytest.raises(Unreachable):
                await client.get_json("/x")


async def test_a_wait_ends_in_its_own_time_also_while_the_gateway_is_away(gateway: FakeGateway) -> None:
    workflow_id = "WF-6b00e09f-926a610b"
    gateway.on(f"GET /v1/workflows/{workflow_id}", DOWN)
    begin = time.monotonic()
    async with AsyncClient(gateway.url, token="t", timeout=120) as ews:
        with pytest.raises(TimedOut, match=r"did not answer within 0\.2 s"):
            await ews.run(workflow_id).wait(timeout=0.2)
    # Not the time that one call may take.
    assert time.monotonic() - begin < 60


async def test_two_posts_have_two_keys_and_a_get_has_none(gateway: FakeGateway) -> None:
    gateway.on("POST /v1/x", (200, {}, {}))
    gateway.on("GET /v1/x", (200, {}, {}))
    async with to(gateway) as client:
        await client.post_json("/x", {})
        await client.post_json("/x", {})
        await client.get_json("/x")
    first, second, get = gateway.asked
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]
    assert "idempotency-key" not in get.headers


@pytest.mark.parametrize(
    ("code", "kind"), [(400, Refused), (403, NotSignedIn), (404, NotThere), (422, Refused), (500, ServerFailed)]
)
async def test_a_final_answer_is_not_repeated_and_comes_with_all_that_was_said(
    code: int, kind: type[Exception], gateway: FakeGateway
) -> None:
    gateway.on("GET /v1/x", (code, {"code": code, "error": "why"}, {"X-EWMS-Hint": "do that", "X-Request-ID": "r-1"}))
    async with to(gateway) as client:
        with pytest.raises(kind) as caught:
            await client.get_json("/x")
    error = caught.value
    assert (error.code, error.reason, error.hint, error.request_id) == (code, "why", "do that", "r-1")  # type: ignore[attr-defined]  # all kinds have them
    assert len(gateway.asked) == 1


async def test_a_gateway_of_this_machine_is_asked_without_a_token_and_may_want_one(gateway: FakeGateway) -> None:
    gateway.on("GET /v1/x", (200, {}, {}), (403, {"code": 403, "error": "authentication failed"}, {}))
    async with Gateway(Server(gateway.url)) as client:
        await client.get_json("/x")
        with pytest.raises(NotSignedIn, match="no token is given") as caught:
            await client.get_json("/x")
    assert "EWMS_TOKEN" in caught.value.hint
    assert not any("authorization" in asked.headers for asked in gateway.asked)


async def test_a_failure_that_stays_is_raised_when_the_time_is_over(gateway: FakeGateway) -> None:
    gateway.on("GET /v1/x", DOWN)
    begin = time.monotonic()
    async with to(gateway, timeout_s=0.8) as client:
        with pytest.raises(ServerDown, match="MongoDB is away"):
            await client.get_json("/x")
    assert len(gateway.asked) > 1
    assert time.monotonic() - begin < 3


async def test_an_answer_that_is_not_json_is_told_as_the_wrong_kind_of_server(gateway: FakeGateway) -> None:
    gateway.on("GET /v1/x", (200, b"<html>hello</html>", {"Content-Type": "text/html"}))
    gateway.on("GET /v1/y", (404, b"<html>nginx</html>", {"Content-Type": "text/html"}))
    async with to(gateway) as client:
        with pytest.raises(ServerDown) as caught:
            await client.get_json("/x")
        assert "gateway" in caught.value.hint
        with pytest.raises(NotThere, match="404"):
            await client.get_json("/y")


async def test_a_server_that_never_answers_costs_the_given_time_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begin = time.monotonic()
        async with Gateway(Server(address, (), "t"), timeout_s=0.5) as client:
            with pytest.raises(Unreachable):
                await client.get_json("/x")
        assert time.monotonic() - begin < 2


async def test_a_server_that_comes_up_meanwhile_is_reached(gateway: FakeGateway, unused_tcp_port: int) -> None:
    async def late() -> asyncio.Server:
        await asyncio.sleep(0.15)
        return await asyncio.start_server(answer, "127.0.0.1", unused_tcp_port)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    starting = asyncio.create_task(late())
    async with Gateway(Server(f"http://127.0.0.1:{unused_tcp_port}", (), "t"), timeout_s=5) as client:
        assert await client.get_json("/x") == {}
    (await starting).close()
