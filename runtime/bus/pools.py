"""Declare the queue of a pool of step workers on the control vhost.

The queue is a quorum queue: all nodes of the broker have it, so steps go on if one node ends. A step worker declares
the queue of its pool; only the pool's broker user has the right to do so.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from runtime.amqp.link import Link
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


async def declare_pool(link: Link, pool: str) -> None:
    """Declare the queue of `pool`, and bind it. A repetition changes nothing.

    Raises:
        NotDeclared: no service has declared the shared exchanges yet.
        Unavailable: the broker is away.
    """
    queue = topology.pool_service(pool)
    await declare_quorum_queue(link, queue, _ARGUMENTS)
    async with link.lend_channel() as channel:
        await channel.queue_bind(queue, topology.CONTROL_EXCHANGE, routing_key=topology.inbox_pattern(queue))
