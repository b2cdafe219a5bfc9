"""One hostile user of each kind, as a program of its own: `python -m tests.campaigns.attackers` reads what to do.

Each kind holds as many sockets as it can or sends as fast as it can, and begins anew whatever is closed under it.
"""

import asyncio
import base64
import json
import random
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import aio_pika

from runtime.amqp import broker_url


@dataclass(frozen=True)
class Target:
    """Whom to attack, as whom, and what the attacker has there already."""

    gateway: str
    token: str
    workflow_id: str
    #: A small request for a workflow, as JSON text.
    request: str
    broker_address: str
    queue_token: str

    def head(self, method: str, path: str, *more: str, token: str | None = None) -> bytes:
        """Return the head of a request."""
        lines = [
            f"{method} /v1{path} HTTP/1.1",
            "Host: gateway",
            f"Authorization: Bearer {self.token if token is None else token}",
            "Content-Type: application/json",
            *more,
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def post(self, path: str, body: str) -> bytes:
        """Return a whole POST."""
        return self.head("POST", path, f"Content-Length: {len(body)}") + body.encode()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(target: Target) -> Streams:
    url = urlsplit(target.gateway)
    # Small buffers, so that what is not read stays with the server.
    return await asyncio.open_connection(url.hostname, url.port, limit=1024)


async def crowd(n: int, one: Callable[[], Awaitable[None]]) -> None:
    """Have `n` at once do `one` for ever."""

    async def again() -> None:
        while True:
            with suppress(OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await one()
            await asyncio.sleep(0.05)

    await asyncio.gather(*(again() for _ in range(n)))


async def until_closed(streams: Streams, drip: bytes, every_s: float) -> None:
    """Send `drip` again and again until the server closes; read nothing."""
    _, writer = streams
    try:
        while not writer.transport.is_closing():
            await asyncio.sleep(every_s)
            if drip:
                writer.write(drip)
                await writer.drain()
            elif streams[0].at_eof():
                return
    finally:
        writer.close()


async def send_fast(target: Target, make: Callable[[], bytes]) -> None:
    """Send requests one after the other and read the answers."""
    reader, writer = await connected(target)
    try:
        while True:
            writer.write(make())
            n_bytes = 0
            while (line := await reader.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    n_bytes = int(line.split(b":")[1])
            while n_bytes > 0:
                got = await reader.read(min(n_bytes, 65_536))
                if not got:
                    return
                n_bytes -= len(got)
            if reader.at_eof():
                return
    finally:
        writer.close()


BIG_QUERY = json.dumps({"query": {}})
REGEX_QUERY = json.dumps({"query": {"task_args": {"$regex": "(x+x+)+y$"}}})


async def nobody(_: Target) -> None:
    """Do nothing: what the other user meets then is what all else is compared with."""
    await asyncio.Event().wait()


async def unread(target: Target) -> None:
    async def one() -> None:
        streams = await connected(target)
        streams[1].transport.pause_reading()  # type: ignore[attr-defined] # asyncio's own transports have it
        streams[1].write(target.post("/query/task-directives", BIG_QUERY) * 20)
        await until_closed(streams, b" ", 1)

    await crowd(400, one)


async def slow_bodies(target: Target) -> None:
    async def one() -> None:
        streams = await connected(target)
        streams[1].write(target.head("POST", "/workflows", "Content-Length: 100000") + b"{")
        await until_closed(streams, b" ", 0.5)

    await crowd(150, one)


async def slow_heads(target: Target) -> None:
    async def one() -> None:
        streams = await connected(target)
        streams[1].write(b"GET /v1/ HTTP/1.1\r\nX: ")
        await until_closed(streams, b"x", 0.5)

    await crowd(400, one)


async def idle(target: Target) -> None:
    async def one() -> None:
        await until_closed(await connected(target), b"", 0.5)

    await crowd(1200, one)


async def posts(target: Target) -> None:
    await crowd(64, lambda: send_fast(target, lambda: target.post("/workflows", target.request)))


async def queries(target: Target) -> None:
    def make() -> bytes:
        return target.post("/query/task-directives", random.choice([BIG_QUERY, REGEX_QUERY]))

    await crowd(64, lambda: send_fast(target, make))


async def queue_tokens(target: Target) -> None:
    paths = [f"/mqs/workflows/{target.workflow_id}/mq-profiles/public", f"/workflows/{target.workflow_id}/queues"]
    await crowd(64, lambda: send_fast(target, lambda: target.head("GET", random.choice(paths))))


async def small_chunks(target: Target) -> None:
    async def one() -> None:
        reader, writer = await connected(target)
        writer.write(target.head("POST", "/workflows", "Transfer-Encoding: chunked") + b"1\r\n \r\n" * 100_000)
        await reader.read(1024)
        writer.close()

    await crowd(24, one)


async def forged_tokens(target: Target) -> None:
    def make() -> bytes:
        header = {"alg": "RS256", "typ": "JWT", "kid": f"{random.getrandbits(64):x}"}
        token = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode() + ".e30.c2ln"
        return target.head("GET", "/", token=token)

    await crowd(64, lambda: send_fast(target, make))


async def broker_connections(target: Target) -> None:
    held: list[aio_pika.abc.AbstractConnection] = []

    async def one() -> None:
        try:
            url = broker_url(target.broker_address, token=target.queue_token)
            held.append(await aio_pika.connect(url, timeout=10))
        except Exception:  # noqa: BLE001 - whatever the broker does to it, an attacker comes again
            await asyncio.sleep(1)
            return
        await asyncio.sleep(3600)

    await crowd(600, one)


KINDS: dict[str, Callable[[Target], Awaitable[None]]] = {
    attack.__name__: attack
    for attack in (
        *(nobody, unread, slow_bodies, slow_heads, idle, posts, queries),
        *(queue_tokens, small_chunks, forged_tokens, broker_connections),
    )
}


def main() -> None:
    """Attack as the line on standard input says, until killed."""
    told = json.loads(sys.stdin.readline())
    asyncio.run(KINDS[told.pop("kind")](Target(**told)))  # type: ignore[arg-type] # a coroutine function's result


if __name__ == "__main__":
    main()
