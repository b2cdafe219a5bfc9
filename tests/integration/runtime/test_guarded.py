"""The guarded HTTP/1.1 on raw sockets: peers that do not read, never end their heads, or write two lengths."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from runtime.web.server.connections import ConnectionLimits
from runtime.web.server.serving import serve_app
from tests.waiting import eventually

_PATIENCE_S = 20
_BIG = b"x" * (4 * 1024 * 1024)


class Application:
    """Answers with the path, or with a big answer; counts what it was asked, and what it has not finished."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.n_open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        self.n_open += 1
        try:
            await (await self._answer(scope["path"], Request(scope, receive)))(scope, receive, send)
        finally:
            self.n_open -= 1

    async def _answer(self, path: str, request: Request) -> Response:
        if path == "/big":
            return Response(_BIG)
        if path == "/stream":

            async def chunks() -> AsyncIterator[bytes]:
                while True:
                    # Neither the server nor this waits for a peer that has gone.
                    await asyncio.sleep(0)
                    yield _BIG[: 64 * 1024]

            return StreamingResponse(chunks())
        try:
            body = await request.body()
        except ClientDisconnect:
            body = b"gone"
        client = request.client.host if request.client else ""
        return PlainTextResponse(f"{request.method} {path} {len(body)} {client}")


Socket = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Server:
    def __init__(self, app: Application, url: str) -> None:
        self.app = app
        host, port = url.removeprefix("http://").split(":")
        self.address = host, int(port)

    async def connect(self, sent: bytes = b"") -> Socket:
        """Connect with a small buffer for what is read, so that unread bytes stay with the server."""
        raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, self.address)
        reader, writer = await asyncio.open_connection(sock=raw, limit=4096)
        writer.write(sent)
        return reader, writer

    async def answer_to(self, sent: bytes) -> bytes:
        """Return all that comes back until the server closes."""
        reader, writer = await self.connect(sent)
        async with asyncio.timeout(_PATIENCE_S):
            answer = await reader.read()
        writer.close()
        return answer


@asynccontextmanager
async def server(**limits: object) -> AsyncIterator[Server]:
    app = Application()
    made = ConnectionLimits(**{"refusal_pause_s": 0.05, **limits})  # type: ignore[arg-type] # each by its own name
    async with serve_app(app, host="127.0.0.1", port=0, limits=made) as url:
        yield Server(app, url)


async def until_lost(connection: Socket) -> None:
    """Return when the server has dropped the connection; reads nothing, so that it stays unread."""
    async with asyncio.timeout(_PATIENCE_S):
        transport = connection[1].transport
        raw = transport.get_extra_info("socket")
        while raw.fileno() >= 0 and not transport.is_closing():
            # A reset shows only to who writes.
            connection[1].write(b" ")
            await asyncio.sleep(0.05)


GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("path", [b"/big", b"/stream"])
async def test_a_peer_that_does_not_read_is_dropped_and_nothing_further_is_done_for_it(path: bytes) -> None:
    async with server(read_grace_s=0.5, read_bytes_per_s=100 * 1024**2) as made:
        connection = await made.connect(GET % path * 20)
        await until_lost(connection)
        assert made.app.asked == [path.decode()], "pipelined requests wait for the answer to be read"
        assert made.app.n_open == 0


async def test_a_peer_that_reads_slowly_but_steadily_gets_everything() -> None:
    async with server(read_grace_s=15, read_bytes_per_s=1024**2) as made:
        reader, writer = await made.connect(GET % b"/big" + GET % b"/second")
        got = b""
        async with asyncio.timeout(_PATIENCE_S):
            while b"GET /second 0" not in got[-200:]:
                got += await reader.read(65_536)
        assert len(got) > len(_BIG)
        writer.close()


async def test_unread_answers_of_one_peer_are_bounded_in_all() -> None:
    # Some of each answer is in buffers of the machine, and is not counted.
    async with server(max_unread_of_caller_bytes=len(_BIG) // 4, read_grace_s=60) as made:
        connection = await made.connect(GET % b"/big")
        await until_lost(connection)
        assert made.app.asked == ["/big"]


async def test_idle_connections_make_room_and_requests_under_way_do_not() -> None:
    async with server(max_connections=4, max_per_address=4) as made:
        busy = await made.connect(b"POST /busy HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
        await eventually(lambda: made.app.asked == ["/busy"])
        idle = [await made.connect() for _ in range(20)]
        assert b"GET /new 0" in await made.answer_to(b"GET /new HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        busy[1].write(b"ab")
        async with asyncio.timeout(_PATIENCE_S):
            assert b"POST /busy 2" in await busy[0].readuntil(b"127.0.0.1")
        for reader, _ in idle[:15]:
            async with asyncio.timeout(_PATIENCE_S):
                with suppress(ConnectionError):
                    assert await reader.read() == b""
        for _, writer in (busy, *idle):
            writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
async def test_a_head_that_does_not_end_costs_its_sender_the_connection(sent: bytes) -> None:
    async with server(head_s=0.3) as made:
        connection = await made.connect(sent)
        await until_lost(connection)
        assert made.app.asked == []


POST = b"POST /p HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LAST = b"Connection: close\r\n"

#: What two servers could read in two ways, or is no request at all. Each is 400, and the connection is closed.
REFUSED = {
    "length and chunks": POST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "chunks and length": POST + CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "two lengths in one": POST + b"Content-Length: 4, 5\r\n\r\nabcde",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "length with a sign": POST + b"Content-Length: +1\r\n\r\na",
    "length in hex": POST + b"Content-Length: 0x1\r\n\r\na",
    "blank before the colon": POST + b"Content-Length : 1\r\n\r\na",
    "chunked twice": POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "another encoding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked hidden by a tab": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n",
    "bare CR": POST + b"X: a\rContent-Length: 4\r\n\r\n",
    "NUL": POST + b"X: a\0b\r\n\r\n",
    "name with a blank": POST + b"X Y: a\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "another version": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000,
    "many headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 10_000,
    "a chunk extension that does not end": POST + CHUNKED + b"\r\n1;" + b"x" * 70_000,
    "chunk size of another kind": POST + CHUNKED + b"\r\nxyz\r\n",
    "many small chunks": POST + CHUNKED + b"\r\n" + b"1\r\na\r\n" * 5000,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100 + b"\r\n\r\n",
}


#: Why, where it is our own rule.
SAID = {
    "length and chunks": "Transfer-Encoding must not stand together with Content-Length, nor in HTTP/1.0",
    "chunked in 1.0": "Transfer-Encoding must not stand together with Content-Length, nor in HTTP/1.0",
    "another version": "the HTTP version must be 1.0 or 1.1",
    "many small chunks": "the body comes in too many small chunks; send chunks of 64 bytes or more",
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_request_that_is_none_is_400_and_the_end_of_the_connection(kind: str) -> None:
    smuggled = GET % b"/smuggled"
    async with server() as made:
        answer = await made.answer_to(REFUSED[kind] + smuggled)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"connection: close" in head.lower()
        assert json.loads(body)["code"] == 400
        if kind in SAID:
            assert json.loads(body)["error"] == SAID[kind]
        assert "/smuggled" not in made.app.asked
        await eventually(lambda: not made.app.n_open)


#: What is odd and allowed, with the one answer to it. Source: RFC 9112.
TAKEN = {
    "the same length twice": (POST + LAST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", b"POST /p 4"),
    "a folded header": (POST + LAST + b"X: a\r\n b\r\nContent-Length: 4\r\n\r\nabcd", b"POST /p 4"),
    "LF alone": (b"GET /p HTTP/1.1\nHost: a\nConnection: close\n\n", b"GET /p 0"),
    "the absolute form": (b"GET http://other/p?q HTTP/1.1\r\nHost: a\r\n" + LAST + b"\r\n", b"GET /p 0"),
    "the absolute form without a path": (b"GET HTTP://other HTTP/1.1\r\nHost: a\r\n" + LAST + b"\r\n", b"GET / 0"),
    "1.0": (b"GET /p HTTP/1.0\r\n\r\n", b"GET /p 0"),
    "an asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n" + LAST + b"\r\n", b"OPTIONS * 0"),
    "an upgrade": (
        b"GET /p HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: h2c\r\n\r\n",
        b"GET /p 0",
    ),
    "a length in a trailer": (POST + LAST + CHUNKED + b"\r\n1\r\na\r\n0\r\nContent-Length: 9\r\n\r\n", b"POST /p 1"),
    "a chunk extension": (POST + LAST + CHUNKED + b"\r\n1;x=y\r\na\r\n0\r\n\r\n", b"POST /p 1"),
}


@pytest.mark.parametrize("kind", TAKEN)
async def test_an_odd_request_that_is_allowed_is_one_request(kind: str) -> None:
    sent, expected = TAKEN[kind]
    async with server() as made:
        answer = await made.answer_to(sent)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert expected in answer
        assert len(made.app.asked) == 1


@pytest.mark.parametrize(
    ("proxies", "shown"), [((), b" 127.0.0.1"), (("127.0.0.1",), b" 192.0.2.7"), (("192.0.2.1",), b" 127.0.0.1")]
)
async def test_a_forwarding_header_is_believed_of_a_trusted_proxy_alone(proxies: tuple[str, ...], shown: bytes) -> None:
    forwarded = b"GET / HTTP/1.0\r\nX-Forwarded-For: 10.0.0.1, 192.0.2.7\r\n\r\n"
    async with server(trusted_proxies=frozenset(proxies)) as made:
        assert (await made.answer_to(forwarded)).endswith(shown)
