"""Protect new quorum queues from a crash of the broker before clients publish to them.

After a start RabbitMQ finds the events of a queue by a directory on each node's disk: queue -> log. RabbitMQ keeps a
new entry in memory for up to 3 s. If the broker is killed within that time, the queue's events are lost, confirmed or
not.

The declaration of one more quorum queue writes all waiting entries to disk: the broker first looks up the new queue's
name, and before it looks up a name that is not in memory, it writes the entries in memory to the file. So the *seal* is
a quorum queue that we declare after all others, with a member on every node, and then delete.

`docs/decisions/0010-sealed-queues.md` has the measurements. Source: Erlang/OTP, dets.erl, update_cache; Ra 3.1,
ra_directory.erl, register_name; tried on RabbitMQ 4.3.6.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiormq.channel import Channel

from schemas.broker import topology

#: How many members a seal asks for: more than a cluster has nodes. Each node has its own directory and needs a member.
_EVERY_NODE = 64

#: After this time the broker deletes a seal that remains after a crash of ours.
_EXPIRES_MS = 60_000

_ARGUMENTS: dict[str, Any] = {
    "x-queue-type": "quorum",
    "x-quorum-initial-group-size": _EVERY_NODE,
    "x-expires": _EXPIRES_MS,
}


async def seal_queues(channel: Channel, owner: str) -> None:
    """Return when every quorum queue that was declared before this call can survive a kill of the broker.

    `owner` is the calling service. The seal has a new name each time: the broker would find a recent name in memory,
    and would write nothing.
    """
    name = new_seal_name(owner)
    await declare_seal(channel, name)
    await channel.queue_delete(name)


def new_seal_name(owner: str) -> str:
    """Return a new name for a seal of the service `owner`."""
    return topology.seal_queue(owner, secrets.token_hex(8))


async def declare_seal(channel: Channel, name: str) -> None:
    """Declare the seal `name`, and return as `seal_queues` does. The caller must delete the seal."""
    await channel.queue_declare(name, durable=True, arguments=_ARGUMENTS)


class SharedCalls:
    """Calls `act` on request. Requests that come during a call share the next call.

    A request needs a call that begins after the request: a running call may have looked too early.
    """

    def __init__(self, act: Callable[[], Awaitable[None]]) -> None:
        self._act = act
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def call_soon(self) -> None:
        """Wait until a call that began after this request has returned.

        Raises:
            Exception: the error of the call. All requests that share the call get this error.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._call_after(self._running))
        # A caller that stops waiting must not cancel the call for the others.
        await asyncio.shield(self._next)

    async def _call_after(self, running: asyncio.Task[None] | None) -> None:
        if running is not None:
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        await self._act()
