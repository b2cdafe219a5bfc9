"""Declare the queue of a pool of step workers on the control vhost.

The queue is a quorum queue: all nodes of the broker have it, so steps go on if one node ends. A step worker declares
the queue of its pool; only the pool's broker user has the right to do so.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from runtime.amqp import Connection, NotDeclared
from runtime.amqp.sealing import seal_queues
from runtime.bus.leaderless_queues import delete_leaderless
from runtime.bus.replaced_queues import declare_quorum_queue
from schemas.broker import topology

#: How long the broker lets a worker keep an order. A worker that has died ends its connection, so this time only has to
#: be longer than any step.
_LOAN = timedelta(days=30)

_ARGUMENTS: Mapping[str, Any] = {
    # WMS counts how many workers a step has lost. The broker must not drop its order before.
    "x-delivery-limit": -1,
    "x-consumer-timeout": int(_LOAN.total_seconds() * 1000),
}


async def declare_pool(connection: Connection, pool: str) -> None:
    """Declare the queue of `pool`, and bind it. A repetition changes nothing.

    Raises:
        NotDeclared: no service has declared the shared exchanges yet.
        NoLeader: the queue has no leader and may have orders.
        Unavailable: the broker is away.
    """
    queue, guard = topology.pool_service(pool), topology.pool_guard(pool)
    is_new = not await _has_queue(connection, queue)
    if is_new:
        # Only before a new queue: that a queue of an earlier version lacks its guard protects it from deletion.
        await _declare_guard(connection, guard)
    await declare_quorum_queue(connection, queue, _ARGUMENTS)
    if await delete_leaderless(connection, (queue,), guard=guard):
        is_new = True
        await _declare_guard(connection, guard)
        await declare_quorum_queue(connection, queue, _ARGUMENTS)
    await _declare_guard(connection, guard)
    async with connection.lend_channel() as channel:
        if is_new:
            await seal_queues(channel, queue)
        await channel.queue_bind(queue, guard, routing_key=queue)
        await channel.queue_bind(queue, topology.CONTROL_EXCHANGE, routing_key=topology.inbox_pattern(queue))


async def _has_queue(connection: Connection, queue: str) -> bool:
    try:
        async with connection.lend_channel() as channel:
            await channel.queue_declare(queue, passive=True)
    except NotDeclared:
        return False
    return True


async def _declare_guard(connection: Connection, guard: str) -> None:
    async with connection.lend_channel() as channel:
        await channel.exchange_declare(guard, exchange_type="direct", durable=True)
