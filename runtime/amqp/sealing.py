"""Make new quorum queues safe from a crash of the broker before anybody publishes onto them.

RabbitMQ finds a queue's events again by a directory on each node's disk: queue -> log. It keeps a new entry in memory
for up to 3 s. A broker that is killed within that time forgets where the events lie, confirmed ones too.

Declaring one more quorum queue writes every entry that still waits: the broker first looks up the queue's name, and a
look-up of a name that is not among the entries in memory puts them into the file. So the *seal* is a quorum queue that
is declared after all the others, with a member on every node, and deleted again. `docs/decisions/0010-sealed-queues.md`
has the measurements. Source: Erlang/OTP, dets.erl, update_cache; Ra 3.1, ra_directory.erl, register_name; tried on
RabbitMQ 4.3.6.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiormq.channel import Channel

from schemas import topology

#: More nodes than a cluster has, so that each of them has a member: every node has a directory of its own.
_EVERY_NODE = 64

#: After this time the broker deletes a seal that a crash of ours has left behind.
_EXPIRES_MS = 60_000

_ARGUMENTS: dict[str, Any] = {
    "x-queue-type": "quorum",
    "x-quorum-initial-group-size": _EVERY_NODE,
    "x-expires": _EXPIRES_MS,
}


async def seal_queues(channel: Channel, owner: str) -> None:
    """Return when every quorum queue that was declared before this call survives a kill of the broker.

    `owner` is the service that asks. The seal's name is new each time: the broker finds a name that it has just seen
    in memory, and then writes nothing.
    """
    name = new_seal_name(owner)
    await declare_seal(channel, name)
    await channel.queue_delete(name)


def new_seal_name(owner: str) -> str:
    """Return a name that no seal of the service `owner` has had."""
    return topology.seal_queue(owner, secrets.token_hex(8))


async def declare_seal(channel: Channel, name: str) -> None:
    """Declare the seal `name` and leave it; the caller deletes it. Otherwise as `seal_queues`."""
    await channel.queue_declare(name, durable=True, arguments=_ARGUMENTS)


class SharedCalls:
    """Calls `act` on request. Requests that come while a call is under way share the next one.

    A request gets a call that begins after it, since the one under way may have looked already.
    """

    def __init__(self, act: Callable[[], Awaitable[None]]) -> None:
        self._act = act
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def call_soon(self) -> None:
        """Return when a call that began after this request has returned.

        Raises:
            Exception: what the call raised; all requests that share the call get it.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._call_after(self._running))
        # A caller that gives up must not take the call from the others.
        await asyncio.shield(self._next)

    async def _call_after(self, running: asyncio.Task[None] | None) -> None:
        if running is not None:
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        await self._act()
