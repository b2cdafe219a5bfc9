"""Declare the queue of a pool of step workers on the control vhost.

It is a durable classic queue, since a quorum queue costs three to five times as much a hop. What a restart of the
broker makes it forget, WMS sends again. A step worker declares the queue of its pool; only the pool's user may.
"""

from aiormq.channel import Channel

from schemas import topology


async def declare_pool(channel: Channel, pool: str) -> None:
    """Declare the queue of `pool`, and bind it; repeating it changes nothing.

    Raises:
        Missing: no service has declared the shared exchanges yet.
    """
    queue = topology.pool_service(pool)
    await channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "classic"})
    await channel.queue_bind(queue, topology.CONTROL_EXCHANGE, routing_key=topology.inbox_pattern(queue))
