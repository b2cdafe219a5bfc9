"""Declare the queue of a pool of step workers on the control vhost.

The queue is a durable classic queue, because a quorum queue takes three to five times as long for each event. If a
restart of the broker empties the queue, WMS sends its events again. A step worker declares the queue of its pool; only
the pool's broker user has the right to do so.
"""

from aiormq.channel import Channel

from schemas import topology


async def declare_pool(channel: Channel, pool: str) -> None:
    """Declare the queue of `pool`, and bind it. A repetition changes nothing.

    Raises:
        NotDeclared: no service has declared the shared exchanges yet.
    """
    queue = topology.pool_service(pool)
    await channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "classic"})
    await channel.queue_bind(queue, topology.CONTROL_EXCHANGE, routing_key=topology.inbox_pattern(queue))
