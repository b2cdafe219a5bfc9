"""Publish with confirms: many events in flight at once, a bounded number unconfirmed, every one accounted for.

`publish` returns when the broker holds the event on a queue, and raises otherwise; there is no third outcome. An
event whose confirm was lost with the connection is sent again with the same id, so it may arrive twice.
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
from runtime.amqp.cancellation import is_task_cancelled
from runtime.amqp.errors import LIBRARY_ERRORS, AccessRefused, ConnectionLost, translate_error
from runtime.amqp.link import Link
from schemas.errors import EWMSError, TooLarge

log = logging.getLogger(__name__)

#: From this size on, a publish waits until the socket has taken the body: a window full of large bodies would otherwise
#: pile up in memory.
_DRAIN_FROM_BYTES = 32 * 1024

_TOO_LARGE = re.compile(r"message size (\d+)")


@dataclass(slots=True)
class EventInFlight:
    """One event on its way. `work` is done when the broker has it; `n_waiting` counts who waits for that."""

    message_id: str
    exchange: str
    routing_key: str
    body: bytes
    work: asyncio.Task[None] = field(init=False)
    n_waiting: int = 0
    #: Whether an open channel has it: the broker may have it too, or will once it reads on.
    is_handed_over: bool = False


class ConfirmedPublisher:
    """A channel with confirms, reopened when it is lost. Build it with `Connection.open_publisher`."""

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
        """Publish one persistent event and return when the broker holds it. A `content_type` of "" is left out.

        The broker refuses a `user_id` that is not the connection's own, so the receiver of the event can trust it.

        While the broker is away, or takes nothing because it is low on memory or disk, this waits, up to `timeout_s` in
        all; None waits as long as it takes. Call it from many tasks at once to fill the window; beyond the window
        callers wait.

        An event is sent again only after its channel was lost. If you publish it once more after a timeout, under the
        same id, you wait for the confirm of the first.

        Raises:
            Unroutable: no queue is bound for it; the broker gave it back.
            QueueFull: the queue refused it.
            Missing: the exchange does not exist.
            AccessRefused: the rights do not allow it.
            TooLarge: it is over the broker's limit for a message.
            ConnectionLost: the broker was away, or took nothing, for too long. Nobody knows whether it has the event.
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
        """Publish with AMQP properties of the caller's own, a `message_id` among them; otherwise as `publish`."""
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
        """Begin to send an event, without waiting. The caller must call `stop_waiting` when it waits no longer.

        If the same event is on its way already, under the same id, it is sent once.
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
        """Return why an event is not confirmed in time, as far as that is known."""
        if reason := self._link.blockade.reason:
            return ConnectionLost(f"the broker takes no events for now: {reason}")
        error = self._link.error
        return ConnectionLost(error.reason if error else "the broker did not confirm in time")

    def _forget_event(self, sending: EventInFlight) -> None:
        if self._in_flight.get(sending.message_id) is sending:
            del self._in_flight[sending.message_id]
        if sending.work.done() and not sending.work.cancelled():
            sending.work.exception()  # the callers that waited have it; there may be none left

    async def _send_until_confirmed(
        self, sending: EventInFlight, properties: Basic.Properties, earlier: EventInFlight | None
    ) -> None:
        if earlier is not None:
            # The library finds a returned event by its id, so an id may be in flight only once.
            await asyncio.wait({earlier.work})
        async with self._window:
            attempt = 0
            while True:
                lost = await self._send_once(sending, properties)
                if lost is None:
                    return
                if not sending.n_waiting:
                    raise ConnectionLost(translate_error(lost).reason)
                log.debug("publishing again: %r", lost)
                await asyncio.sleep(full_jitter(attempt, base_s=0.05, cap_s=2.0))
                attempt += 1

    async def _send_once(self, sending: EventInFlight, properties: Basic.Properties) -> BaseException | None:
        """Return None once the broker has confirmed, or the error by which the channel was lost before that."""
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
        except asyncio.CancelledError as error:
            if is_task_cancelled():
                raise
            return error
        except DeliveryError as error:
            raise translate_error(error) from error
        except LIBRARY_ERRORS as error:
            if (verdict := _error_of_event(error, sending.exchange, sending.body)) is not None:
                raise verdict from error
            return error
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
        """Close the channel; what waits in the library's send queue goes out first, unless the broker reads nothing."""
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
    """Return the properties of an event. What is empty is left out.

    A broker that restarts forgets what is not persistent, except in quorum queues.
    """
    return Basic.Properties(
        content_type=content_type or None,
        delivery_mode=2 if is_persistent else 1,
        message_id=message_id,
        headers=headers or None,
        user_id=user_id or None,
    )


def _error_of_event(error: BaseException, exchange: str, body: bytes) -> EWMSError | None:
    """Return the error if this event closed the channel; None if it only shared the channel with the event that did.

    A refused publish closes the channel under every other event in flight there. The broker's text names the exchange
    or the size that it objected to.
    """
    if not isinstance(error, AMQPChannelError):
        return None  # no event in particular ended the connection
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
