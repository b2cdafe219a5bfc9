"""Carry out effects from the outbox: one carrier for each kind. The relay calls a carrier until it succeeds.

tell      an order to one service       exchange `ewms.control`; it is an error if no inbox takes the order
state     a fact for any service        exchange `ewms.facts`; it is no error if no service takes the fact
publish   an event for a task           exchange `x.<mqid>` of the data vhost; only few processes may publish there
"""

from collections.abc import Awaitable, Callable, Mapping

from runtime.amqp import ConfirmedPublisher
from runtime.bus.service_bus import Bus
from runtime.kernel.outbox import EffectKind, OutboxRow
from schemas.broker.topology import event_exchange
from schemas.ids import Mqid

#: Sends the effect of a row. It returns when the broker has the effect, and raises an `EWMSError` to be called again.
Carrier = Callable[[OutboxRow], Awaitable[None]]


class DataCarrier:
    """Publishes events to queues of workflows."""

    def __init__(self, publisher: ConfirmedPublisher, *, timeout_s: float = 10.0) -> None:
        """`publisher` must be connected to the data vhost."""
        self._publisher = publisher
        self._timeout_s = timeout_s

    async def __call__(self, row: OutboxRow) -> None:
        """Publish the event of `row`, with the row's id as the event's id."""
        await self._publisher.publish(
            event_exchange(Mqid(row.routing_key)),
            row.routing_key,
            row.body,
            message_id=row.id,
            content_type=row.content_type,
            headers=dict(row.headers),
            timeout_s=self._timeout_s,
        )


def bus_carriers(bus: Bus) -> Mapping[EffectKind, Carrier]:
    """Return the carriers of orders and facts, which go over `bus`."""

    async def tell_service(row: OutboxRow) -> None:
        await bus.send_serialised(row.id, row.routing_key, row.body)

    async def state_fact(row: OutboxRow) -> None:
        await bus.state_fact(row.id, row.routing_key, row.body)

    return {EffectKind.TELL: tell_service, EffectKind.STATE: state_fact}
