"""Do single steps on a channel of the data vhost: declare, unbind, delete."""

from aiormq.channel import Channel

from mqs.broker.topology import Binding, Chain, Exchange, QueueDeclaration


async def declare_chain(channel: Channel, chain: Chain) -> None:
    """Declare the links of a chain, in its order. Existing ones stay as they are."""
    for link in chain:
        match link:
            case Exchange():
                await channel.exchange_declare(exchange=link.name, exchange_type=link.kind, durable=True)
            case QueueDeclaration():
                await channel.queue_declare(link.name, durable=True, arguments=dict(link.arguments))
            case Binding():
                await channel.queue_bind(
                    link.queue, link.exchange, routing_key=link.key, arguments=dict(link.arguments)
                )


async def unbind_queue(channel: Channel, way: Binding) -> None:
    """Remove a binding."""
    await channel.queue_unbind(way.queue, way.exchange, routing_key=way.key)


async def delete_exchange(channel: Channel, exchange: str) -> None:
    """Delete an exchange."""
    await channel.exchange_delete(exchange)


async def delete_queue(channel: Channel, queue: str) -> None:
    """Delete a queue with all events in it."""
    # Quorum queues support neither `if_unused` nor `if_empty`: the broker would close the whole connection.
    await channel.queue_delete(queue)
