"""One event on loan from the broker: its content, and the calls that settle it.

The broker lends an event to a channel. When the channel closes (connection lost, consumer timeout, token expired), the
broker delivers the event to another consumer, even if we still work on it. To settle the event then returns False.
"""

from collections.abc import Callable
from typing import Any, Protocol

from runtime.amqp.wire.consuming import Settler
from runtime.amqp.wire.properties import ReadProperties
from schemas.ids import EventId
from schemas.payloads.data_events import DataEvent, Header


class Content(Protocol):
    """The body and the properties of an event that the broker has delivered."""

    @property
    def tag(self) -> int:
        """The delivery's number on its channel."""
        ...

    @property
    def body(self) -> bytes:
        """The event's bytes."""
        ...

    @property
    def properties(self) -> ReadProperties:
        """The event's properties."""
        ...

    @property
    def is_redelivered(self) -> bool:
        """Whether the broker has delivered the event before."""
        ...

    @property
    def exchange(self) -> str:
        """The exchange that the publisher used."""
        ...

    @property
    def routing_key(self) -> str:
        """The routing key that the publisher used."""
        ...


class Delivery:
    """One event on loan. Settle it once: `ack`, `reject` or `release`."""

    __slots__ = ("_content", "_on_settled", "_settler", "settled")

    def __init__(self, content: Content, settler: Settler, *, on_settled: Callable[[], None]) -> None:
        """`on_settled` is called when the settlement is sent."""
        self._content = content
        self._settler = settler
        self._on_settled = on_settled
        self.settled = False

    @property
    def body(self) -> bytes:
        """The event's bytes, unchanged."""
        return self._content.body

    @property
    def id(self) -> EventId:
        """The event's id; empty if the sender gave none."""
        return EventId(self._content.properties.message_id or "")

    @property
    def content_type(self) -> str:
        """The content type; empty if the sender gave none."""
        return self._content.properties.content_type or ""

    @property
    def headers(self) -> dict[str, Any]:
        """The AMQP headers."""
        return self._content.properties.headers or {}

    @property
    def attempt(self) -> int:
        """The number of this attempt at the event, from 1, as the broker counts."""
        count = self.headers.get(Header.DELIVERY_COUNT, 0)
        return (count if isinstance(count, int) else 0) + 1

    @property
    def is_redelivered(self) -> bool:
        """Whether the broker has delivered the event before, to a consumer that was lost or that returned the event."""
        return self._content.is_redelivered

    @property
    def n_released(self) -> int:
        """How many times consumers returned the event without an attempt; 0 if the broker does not count that.

        RabbitMQ counts each delivery as acquired, but as an attempt only if the consumer rejects the delivery or ends.
        Source: tried with RabbitMQ 4.3.6.
        """
        acquired = self.headers.get(Header.ACQUIRED_COUNT, 0)
        return max(0, acquired - self.attempt + 1) if isinstance(acquired, int) else 0

    @property
    def event(self) -> DataEvent:
        """The event of this delivery."""
        return DataEvent(self.body, self.id, self.content_type, self.headers)

    @property
    def routing_key(self) -> str:
        """The routing key that the publisher used."""
        return self._content.routing_key

    @property
    def exchange(self) -> str:
        """The exchange that the publisher used, as the broker reports it."""
        return self._content.exchange

    @property
    def reply_to(self) -> str:
        """The address for an answer; empty if the sender wants none."""
        return self._content.properties.reply_to or ""

    @property
    def correlation_id(self) -> str:
        """The id that an answer must repeat; empty if the sender gave none."""
        return self._content.properties.correlation_id or ""

    @property
    def user_id(self) -> str:
        """The sender's user name, which the broker has checked; empty if the sender gave none."""
        return self._content.properties.user_id or ""

    @property
    def is_lost(self) -> bool:
        """Whether the loan is lost: the broker delivers the event to another consumer."""
        return self._settler.is_closed

    async def is_still_lent(self, *, timeout_s: float = 10.0) -> bool:
        """Ask the broker whether the loan still holds. `is_lost` tells only what this process has noticed so far.

        Return False if the broker does not answer within `timeout_s`.
        """
        return await self._settler.check_open(timeout_s=timeout_s)

    async def ack(self) -> bool:
        """Tell the broker that the event is done. Return False if it is settled already, or if the loan is lost.

        If the loan is lost, the broker delivers the event again.
        """
        return self.ack_now()

    def ack_now(self) -> bool:
        """Do what `ack` does, in code that cannot wait."""
        return not self.settled and self._note_settled(self._settler.acknowledge(self._content.tag))

    async def reject(self, *, requeue: bool = True) -> bool:
        """Tell the broker that the attempt failed. Without `requeue`, the event becomes a dead letter at once.

        Return False if the event is settled already, or if the loan is lost.
        """
        return not self.settled and self._note_settled(self._settler.reject(self._content.tag, requeue=requeue))

    async def release(self) -> bool:
        """Return the event to its queue. RabbitMQ 4.3 and later do not count this as an attempt.

        Return False if the event is settled already, or if the loan is lost.
        """
        return self.release_now()

    def release_now(self) -> bool:
        """Return the event to its queue as `release` does, in code that cannot wait. Return False if it is settled
        already, or if the loan is lost.
        """
        return not self.settled and self._note_settled(self._settler.release(self._content.tag))

    def _note_settled(self, is_sent: bool) -> bool:
        if is_sent:
            self.settled = True
            self._on_settled()
        return is_sent
