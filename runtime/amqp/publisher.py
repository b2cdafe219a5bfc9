"""Publish with confirms: many events at once, with a limit on unconfirmed ones, and an outcome for each.

`publish` returns when the broker has the event in a queue; otherwise it raises an error. If the connection is lost
before the confirm, the publisher sends the event again with the same id, so the event may arrive twice.
"""

import asyncio
import logging
import re
from dataclasses import dataclass, field
from typing import Any

from aiormq.channel import Channel
from aiormq.exceptions import AMQPChannelError, ChannelPreconditionFailed, DeliveryError
from pamqp.commands import Basic

from runtime.amqp.backoff import full_jitter
from runtime.amqp.cancellation import CHANNEL_ERRORS, translate_channel_error
from runtime.amqp.errors import AccessRefused, ConnectionLost, translate_error
from runtime.amqp.link import Link
from schemas.errors import EWMSError, TooLarge

log = logging.getLogger(__name__)

#: From this size on, a publish waits until the socket has accepted the body. Otherwise large bodies of a whole window
#: would collect in memory.
_DRAIN_FROM_BYTES = 32 * 1024

_TOO_LARGE = re.compile(r"message size (\d+)")


@dataclass(slots=True)
class EventInFlight:
    """One event on its way. `work` is done when the broker has the event; `n_waiting` callers wait for that."""

    message_id: str
    exchange: str
    routing_key: str
    body: bytes
    work: asyncio.Task[None] = field(init=False)
    n_waiting: int = 0
    #: Whether the event is on an open channel: the broker may have it, or will get it when it reads on.
    is_handed_over: bool = False


class ConfirmedPublisher:
    """A channel with confirms, which the publisher reopens after a loss. Build it with `Connection.open_publisher`."""

    def __init__(self, link: Link, *, window: int) -> None:
        self._link = link
        self._window = asyncio.Semaphore(window)
        self._opening = asyncio.Lock()
        self._channel: Channel | None = None
        self._in_flight: dict[str, EventInFlight] = {}

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        message_id: str,
        content_type: str = "application/octet-stream",
        headers: dict[str, Any] | None = None,
        user_id: str = "",
        timeout_s: float | None = 30.0,
    ) -> None:
        """Publish one persistent event, and return when the broker has it. An empty `content_type` sets none.

        The broker refuses a `user_id` of another user than the connection's, so the receiver can trust it.

        While the broker is away, or accepts nothing because it is low on memory or disk, this waits, at most
        `timeout_s` in all; None waits without limit. Call it from many tasks at once to fill the window. If the window
        is full, callers wait.

        The publisher sends an event again only if its channel is lost. If you publish it again after a timeout, under
        the same id, you wait for the confirm of the first one.

        Raises:
            Unroutable: no queue is bound for it; the broker returned it.
            QueueFull: the queue refused it.
            Missing: the exchange does not exist.
            AccessRefused: the rights do not allow it.
            TooLarge: it is larger than the broker's `max_message_size` (4 MiB with our settings).
            ConnectionLost: the broker was away, or accepted nothing, for too long. It may or may not have the event.
        """
        properties = event_properties(message_id, content_type, headers, user_id)
        await self.send_event(exchange, routing_key, body, properties, timeout_s=timeout_s)

    async def send_event(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: Basic.Properties,
        *,
        timeout_s: float | None = 30.0,
    ) -> None:
        """Publish with the caller's AMQP `properties`, which must have a `message_id`; otherwise like `publish`."""
        sending = self.begin_sending(exchange, routing_key, body, properties)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(sending.work)
        except TimeoutError as error:
            raise self.timeout_error() from error
        finally:
            self.stop_waiting(sending)

    def begin_sending(
        self, exchange: str, routing_key: str, body: bytes, properties: Basic.Properties
    ) -> EventInFlight:
        """Begin to send an event, without waiting. The caller must call `stop_waiting` when it stops waiting.

        If the same event is already on its way, under the same id, the publisher sends it once.
        """
        message_id = properties.message_id or ""
        earlier = self._in_flight.get(message_id)
        if earlier is not None and (earlier.exchange, earlier.routing_key, earlier.body) == (
            exchange,
            routing_key,
            body,
        ):
            sending = earlier
        else:
            sending = EventInFlight(message_id, exchange, routing_key, body)
            sending.work = asyncio.create_task(self._send_until_confirmed(sending, properties, earlier))
            sending.work.add_done_callback(lambda _: self._forget_event(sending))
            self._in_flight[message_id] = sending
        sending.n_waiting += 1
        return sending

    def stop_waiting(self, sending: EventInFlight) -> None:
        """Stop waiting for `sending`. When nobody waits, recall the event, unless the broker may have it already."""
        sending.n_waiting -= 1
        if not sending.n_waiting and not sending.is_handed_over:
            sending.work.cancel()
            self._forget_event(sending)

    def timeout_error(self) -> ConnectionLost:
        """Return the error for an event without a confirm in time, with the reason if we know it."""
        if reason := self._link.blockade.reason:
            return ConnectionLost(f"the broker takes no events for now: {reason}")
        error = self._link.error
        return ConnectionLost(error.reason if error else "the broker did not confirm in time")

    def _forget_event(self, sending: EventInFlight) -> None:
        if self._in_flight.get(sending.message_id) is sending:
            del self._in_flight[sending.message_id]
        if sending.work.done() and not sending.work.cancelled():
            sending.work.exception()  # the waiting callers got the error; mark it as seen if none is left

    async def _send_until_confirmed(
        self, sending: EventInFlight, properties: Basic.Properties, earlier: EventInFlight | None
    ) -> None:
        if earlier is not None:
            # The library finds a returned event by its id, so only one event with an id may be on its way.
            await asyncio.wait({earlier.work})
        async with self._window:
            attempt = 0
            while True:
                lost = await self._send_once(sending, properties)
                if lost is None:
                    return
                if not sending.n_waiting:
                    raise ConnectionLost(lost.reason)
                log.debug("publishing again: %r", lost)
                await asyncio.sleep(full_jitter(attempt, base_s=0.05, cap_s=2.0))
                attempt += 1

    async def _send_once(self, sending: EventInFlight, properties: Basic.Properties) -> EWMSError | None:
        """Return None when the broker has confirmed, or the error that ended the channel before that."""
        try:
            await self._link.blockade.wait_until_over()
            channel = self._channel
            if channel is None or channel.is_closed:
                channel = await self._open_channel()
            sending.is_handed_over = True
            await channel.basic_publish(
                sending.body,
                exchange=sending.exchange,
                routing_key=sending.routing_key,
                properties=properties,
                mandatory=True,
                wait=len(sending.body) >= _DRAIN_FROM_BYTES,
            )
        except DeliveryError as error:
            raise translate_error(error) from error
        except CHANNEL_ERRORS as error:
            lost = translate_channel_error(error)
            if (verdict := _error_of_event(error, sending.exchange, sending.body)) is not None:
                raise verdict from error
            return lost
        except ConnectionLost as error:
            return error
        else:
            return None
        finally:
            sending.is_handed_over = False

    async def _open_channel(self) -> Channel:
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                await self._link.wait_until_ready()
                self._channel = await self._link.open_channel(confirms=True)
            return self._channel

    async def close(self) -> None:
        """Close the channel. Waiting frames of the library go out first, unless the broker does not read."""
        left = [sending.work for sending in self._in_flight.values() if not sending.n_waiting]
        for work in left:
            work.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if self._link.blockade.reason:
            return  # the answer to a close would not come
        if self._channel is not None and not self._channel.is_closed:
            await asyncio.gather(self._channel.close(timeout=5.0), return_exceptions=True)


def event_properties(
    message_id: str,
    content_type: str,
    headers: dict[str, Any] | None = None,
    user_id: str = "",
    *,
    is_persistent: bool = True,
) -> Basic.Properties:
    """Return the properties of an event, without the empty ones.

    A broker that restarts loses events that are not persistent, except in quorum queues.
    """
    return Basic.Properties(
        content_type=content_type or None,
        delivery_mode=2 if is_persistent else 1,
        message_id=message_id,
        headers=headers or None,
        user_id=user_id or None,
    )


def _error_of_event(error: BaseException, exchange: str, body: bytes) -> EWMSError | None:
    """Return the error if this event closed the channel; None if another event on the same channel did.

    When the broker refuses one event, it closes the channel, and so the other events on it fail, too. The broker's text
    names the exchange or the size that it refuses.
    """
    if not isinstance(error, AMQPChannelError):
        return None  # the connection ended, and no single event caused that
    text = str(error)
    if isinstance(error, ChannelPreconditionFailed):
        match = _TOO_LARGE.search(text)
        return TooLarge(text[:500]) if match and int(match[1]) == len(body) else None
    meaning = translate_error(error)
    # The broker calls the nameless exchange `amq.default`.
    named = f"'{exchange or 'amq.default'}'"
    if named in text or (isinstance(meaning, AccessRefused) and "exchange" not in text):
        return meaning
    return None
