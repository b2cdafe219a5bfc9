"""One event on loan from the broker: its content, and the calls that settle it.

The broker lends an event to a channel. When the channel closes (connection lost, consumer timeout, token expired), the
broker gives the event to another consumer, even if we still work on it. Settling it then returns False.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiormq.abc import DeliveredMessage

from runtime.amqp.cancellation import CHANNEL_ERRORS, translate_channel_error
from schemas.ids import EventId
from schemas.payloads.data_events import DataEvent, Header

log = logging.getLogger(__name__)


class Delivery:
    """One event on loan. Settle it once: `ack`, `reject` or `release`."""

    __slots__ = ("_message", "_on_settled", "_properties", "settled")

    def __init__(self, message: DeliveredMessage, *, on_settled: Callable[[], None]) -> None:
        """Call `on_settled` when the settlement is sent."""
        self._message = message
        self._on_settled = on_settled
        self._properties = message.header.properties
        self.settled = False

    @property
    def body(self) -> bytes:
        """Return the event's bytes, unchanged."""
        return self._message.body

    @property
    def id(self) -> EventId:
        """Return the event's id, "" if its sender gave none."""
        return EventId(self._properties.message_id or "")

    @property
    def content_type(self) -> str:
        """Return the content type, "" if the sender set none."""
        return self._properties.content_type or ""

    @property
    def headers(self) -> dict[str, Any]:
        """Return the AMQP headers."""
        return self._properties.headers or {}

    @property
    def attempt(self) -> int:
        """Return the number of this delivery, counted from 1 by the broker."""
        count = self.headers.get(Header.DELIVERY_COUNT, 0)
        return (count if isinstance(count, int) else 0) + 1

    @property
    def is_redelivered(self) -> bool:
        """Whether the broker has delivered it before: to somebody who was lost, or who gave it back."""
        return bool(self._message.redelivered)

    @property
    def n_released(self) -> int:
        """Return how many consumers gave the event back without an attempt; 0 if the broker does not count that.

        RabbitMQ counts every delivery as acquired. It counts a delivery as an attempt if the consumer rejects it or
        ends. Source: tried with RabbitMQ 4.3.6.
        """
        acquired = self.headers.get(Header.ACQUIRED_COUNT, 0)
        return max(0, acquired - self.attempt + 1) if isinstance(acquired, int) else 0

    @property
    def event(self) -> DataEvent:
        """Return the event of this delivery."""
        return DataEvent(self.body, self.id, self.content_type, self.headers)

    @property
    def routing_key(self) -> str:
        """Return the routing key of the publisher."""
        return self._message.routing_key or ""

    @property
    def exchange(self) -> str:
        """Return the exchange that the publisher used, as the broker reports it."""
        return self._message.exchange or ""

    @property
    def reply_to(self) -> str:
        """Return the address for an answer, "" if the sender wants none."""
        return self._properties.reply_to or ""

    @property
    def correlation_id(self) -> str:
        """Return the id that an answer must repeat."""
        return self._properties.correlation_id or ""

    @property
    def user_id(self) -> str:
        """Return the sender's user name, which the broker has checked; "" if the sender gave none."""
        return self._properties.user_id or ""

    @property
    def is_lost(self) -> bool:
        """Whether the lease is lost: the broker gives the event to another consumer."""
        return self._message.channel.is_closed

    async def ack(self) -> bool:
        """Report the event as done. Return False if the lease is lost: the event will come again."""
        return await self._settle_once(partial(self._message.channel.basic_ack, self._tag, wait=False))

    async def reject(self, *, requeue: bool = True) -> bool:
        """Report the event as failed, which counts as an attempt. Without `requeue` it is a dead letter at once."""
        return await self._settle_once(
            partial(self._message.channel.basic_reject, self._tag, requeue=requeue, wait=False)
        )

    async def release(self) -> bool:
        """Give the event back without an attempt. RabbitMQ 4.3 and later do not count this as an attempt."""
        return await self._settle_once(partial(self._message.channel.basic_nack, self._tag, requeue=True, wait=False))

    @property
    def _tag(self) -> int:
        return self._message.delivery_tag or 0

    async def _settle_once(self, send: Callable[[], Awaitable[None]]) -> bool:
        channel = self._message.channel
        if self.settled or channel.is_closed:
            return False
        try:
            await send()
        except CHANNEL_ERRORS as error:
            log.debug("not settled: %s", translate_channel_error(error).reason)
            return False
        self.settled = True
        self._on_settled()
        return True
