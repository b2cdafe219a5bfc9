"""The two processes of `tests.bench.client`: one publishes onto a queue with the user's client, the other consumes.

    python -P tests/bench/client_roles.py ROLE CLIENT QUEUE EVENTS PAYLOAD <<< URL

The parent runs this file by its path, so `PYTHONPATH` decides which tree's client is measured. Each role prints when
the events began and ended (seconds of the epoch), and the CPU seconds of the whole process in between.
"""

import asyncio
import os
import sys
import time
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from ewms.errors import NotThere
from ewms.gateway.http import Gateway
from ewms.loop_thread import LoopThread
from ewms.queue_client import Queue
from ewms.queues.queue import AsyncQueue
from schemas.ids import WorkflowId

WORKFLOW = WorkflowId("WF-00000000-00000000")
WINDOW = 256

PAYLOADS: dict[str, Any] = {
    "small": {"id": 1234567, "x": 1.25, "name": "photon", "tags": ["a", "b"], "ok": True, "ref": "b7"},
    "floats": {"values": [n / 7 for n in range(45)]},
    "bytes": b"\x01" * 820,
}


class OneQueue:
    """A gateway with one queue, named "out". The password of `url` stands in the token's place."""

    address = "http://bench"

    def __init__(self, url: str, queue: str) -> None:
        self.opened: list[object] = []
        self._url = urlsplit(url)
        self._queue = queue

    async def get_json(self, path: str) -> Any:
        """Return the queue's profile. To other questions this gateway answers as one that is too old to know them."""
        if "/mq-profiles/" not in path:
            raise NotThere(f"no route {path}")
        address = self._url
        profile = {
            "mqid": self._queue,
            "workflow_id": WORKFLOW,
            "timestamp": 1.0,
            "alias": "out",
            "is_public": True,
            "is_activated": True,
            "auth_token": unquote(address.password or ""),
            "broker_type": "rabbitmq",
            "broker_address": f"{address.username}@{address.hostname}:{address.port}{address.path}",
        }
        return {"mqprofiles": [profile]}


class Clock:
    """What the process has used since `start`."""

    def start(self) -> None:
        """Begin to count."""
        self._begun, self._cpu = time.time(), time.process_time()

    def stop(self) -> None:
        """Print the begin, the end, and the CPU seconds between the two."""
        print(self._begun, time.time(), time.process_time() - self._cpu, flush=True)


async def publish_async(queue: AsyncQueue, n: int, payload: Any) -> None:
    """Publish `n` events with the client of asyncio."""
    clock = Clock()
    async with queue.publisher(window=WINDOW) as publisher:
        clock.start()
        for _ in range(n):
            await publisher.send(payload)
        await publisher.flush()
        clock.stop()


async def consume_async(queue: AsyncQueue, n: int) -> None:
    """Consume `n` events with the client of asyncio. Tell the parent when the subscription stands."""
    clock = Clock()
    async with queue.results(n=n, prefetch=WINDOW, remember=False) as results:
        print("ready", flush=True)
        clock_started = False
        async for _ in results:
            if not clock_started:
                clock.start()
                clock_started = True
        clock.stop()


def publish_plain(queue: Queue, n: int, payload: Any) -> None:
    """Publish `n` events with the client without asyncio."""
    clock = Clock()
    with queue.publisher(window=WINDOW) as publisher:
        clock.start()
        for _ in range(n):
            publisher.send(payload)
        publisher.flush()
        clock.stop()


def consume_plain(queue: Queue, n: int) -> None:
    """Consume `n` events with the client without asyncio. Tell the parent when the subscription stands."""
    clock = Clock()
    with queue.results(n=n, prefetch=WINDOW, remember=False) as results:
        print("ready", flush=True)
        clock_started = False
        for _ in results:
            if not clock_started:
                clock.start()
                clock_started = True
        clock.stop()


def main(arguments: list[str]) -> None:
    """Play the role that the command line names."""
    role, client, name, events, payload = arguments
    gateway = cast(Gateway, OneQueue(sys.stdin.readline().strip(), name))
    queue, n = AsyncQueue(gateway, WORKFLOW, "out"), int(events)
    if client == "async":
        asyncio.run(publish_async(queue, n, PAYLOADS[payload]) if role == "publish" else consume_async(queue, n))
        return
    portal = LoopThread()
    plain = Queue(portal, queue)
    if role == "publish":
        publish_plain(plain, n, PAYLOADS[payload])
    else:
        consume_plain(plain, n)
    portal.close()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
