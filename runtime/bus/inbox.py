"""Declare one service's queues on the control vhost, set events aside, and return parked events after an update."""

import asyncio
import uuid
from contextlib import suppress

from pamqp.common import FieldTable

from runtime.amqp import ConfirmedPublisher, Connection, Delivery
from runtime.amqp.sealing import seal_queues
from runtime.bus.dispatch import DispatchTable
from runtime.bus.leaderless_queues import delete_leaderless
from runtime.telemetry import log
from schemas.broker import topology
from schemas.broker.services import spec_of
from schemas.broker.topology import Aside
from schemas.errors import EWMSError
from schemas.events import UnknownType
from schemas.payloads.data_events import Header
from schemas.wire import EVENT_CONTENT_TYPE, event_from_bytes

#: The key on the aside exchange by which parked events return to the inbox.
BACK = "back"

_QUORUM: FieldTable = {
    "x-queue-type": "quorum",
    # A control queue never drops an event: a full queue refuses it, and dead letters move with confirms.
    "x-overflow": "reject-publish",
}

#: The most parked events that one start looks at. The others wait for the next start.
_TAKE_BACK = 5000


async def declare_inbox(connection: Connection, service: str) -> None:
    """Declare the queues and bindings that `service` needs to take events. A repetition changes nothing.

    Raises:
        NotDeclared: the shared exchanges do not exist yet, and this service may not declare them.
        NoLeader: one of the queues has no leader and may have events.
    """
    aside, inbox = topology.aside_exchange(service), topology.inbox_queue(service)
    dead, parked = topology.dead_inbox(service), topology.parked_inbox(service)
    await _declare_queues(connection, service)
    # The aside exchange is the guard.
    if await delete_leaderless(connection, (inbox, dead, parked), guard=aside):
        await _declare_queues(connection, service)
    async with connection.lend_channel() as channel:
        # Seal before the bindings: without a binding no event can reach the queue and be lost in it.
        await seal_queues(channel, service)
        for queue, key in ((dead, Aside.DEAD.value), (parked, Aside.PARKED.value), (inbox, BACK)):
            await channel.queue_bind(queue, aside, routing_key=key)
        # These bindings come last: from here on others can send.
        await channel.queue_bind(inbox, topology.CONTROL_EXCHANGE, routing_key=topology.inbox_pattern(service))
        for fact in spec_of(service).hears:
            await channel.queue_bind(inbox, topology.FACTS_EXCHANGE, routing_key=fact)


async def _declare_queues(connection: Connection, service: str) -> None:
    """Declare the shared exchanges, if `service` may, its aside exchange and its queues. Bind nothing."""
    spec, aside = spec_of(service), topology.aside_exchange(service)
    arguments: FieldTable = {
        **_QUORUM,
        "x-delivery-limit": topology.INBOX_DELIVERY_LIMIT,
        "x-dead-letter-exchange": aside,
        "x-dead-letter-routing-key": Aside.DEAD.value,
        "x-dead-letter-strategy": "at-least-once",
    }
    if spec.is_single_active:
        arguments["x-single-active-consumer"] = True
    async with connection.lend_channel() as channel:
        if spec.declares_shared:
            await channel.exchange_declare(topology.CONTROL_EXCHANGE, exchange_type="topic", durable=True)
            await channel.exchange_declare(topology.FACTS_EXCHANGE, exchange_type="topic", durable=True)
            await channel.exchange_declare(topology.REQUESTS_EXCHANGE, exchange_type="direct", durable=True)
        await channel.exchange_declare(aside, exchange_type="direct", durable=True)
        for name in (topology.dead_inbox(service), topology.parked_inbox(service)):
            # Without -1 a quorum queue drops an event after 20 returns, and we look at these events and return them.
            await channel.queue_declare(name, durable=True, arguments={**_QUORUM, "x-delivery-limit": -1})
        await channel.queue_declare(topology.inbox_queue(service), durable=True, arguments=arguments)


def sender_of(delivery: Delivery, user: str) -> str:
    """Return the broker user who sent `delivery`; empty without one. For our own copies, return the first sender.

    The broker has checked `user_id`, and only the service itself (`user`) may publish to its aside exchange.
    """
    if delivery.user_id != user:
        return delivery.user_id
    return str(delivery.headers.get(Header.SENDER, user))


async def set_aside(
    publisher: ConfirmedPublisher, service: str, delivery: Delivery, key: Aside, *, user: str, reason: EWMSError
) -> None:
    """Publish a copy of `delivery`, with the reason in its headers, to the queue of dead or parked events (`key`)."""
    await publisher.publish(
        topology.aside_exchange(service),
        key,
        delivery.body,
        message_id=delivery.id or uuid.uuid4().hex,
        content_type=delivery.content_type,
        headers={
            Header.DEAD_REASON.value: type(reason).__name__,
            Header.DEAD_ERROR.value: reason.reason[:1000],
            Header.DEAD_QUEUE.value: topology.inbox_queue(service),
            Header.DEAD_ATTEMPTS.value: delivery.attempt,
            Header.SENDER.value: sender_of(delivery, user),
        },
        user_id=user,
        timeout_s=10.0,
    )


async def take_back_parked(
    connection: Connection, publisher: ConfirmedPublisher, service: str, user: str, table: DispatchTable
) -> int:
    """Return those parked events to the inbox for which `table` has a handler now. Return how many."""
    parked = topology.parked_inbox(service)
    async with connection.lend_channel() as channel:
        n_parked = (await channel.queue_declare(parked, passive=True)).message_count or 0
    if not n_parked:
        return 0
    taken: asyncio.Queue[Delivery] = asyncio.Queue()
    wanted = min(n_parked, _TAKE_BACK)
    consumer = await connection.consume(parked, taken.put_nowait, prefetch=wanted)
    n_moved = 0
    try:
        # Another replica may take some at the same time. Then fewer events come than the count says.
        with suppress(TimeoutError):
            for _ in range(wanted):
                async with asyncio.timeout(2.0):
                    delivery = await taken.get()
                if not _is_wanted(delivery.body, table):
                    continue  # goes back to the queue when the consumer closes
                await publisher.publish(
                    topology.aside_exchange(service),
                    BACK,
                    delivery.body,
                    message_id=delivery.id,
                    content_type=EVENT_CONTENT_TYPE,
                    headers={Header.SENDER.value: sender_of(delivery, user)},
                    user_id=user,
                    timeout_s=10.0,
                )
                await delivery.ack()
                n_moved += 1
    finally:
        await consumer.close()
    if n_moved:
        log.info("parked events taken back", n_events=n_moved, queue=parked)
    return n_moved


def _is_wanted(body: bytes, table: DispatchTable) -> bool:
    try:
        return table.has_handler(event_from_bytes(body))
    except UnknownType:
        return False
    except EWMSError:
        # A known type with a fault: the inbox will send it to the dead letters.
        return True
