"""Publish with confirms: many events in flight at once, a bounded number unconfirmed, every one accounted for.

`publish` returns when the broker holds the event on a queue, and raises otherwise; there is no third outcome. An
event whose confirm was lost with the connection is sent again with the same id, so it may arrive twice.
"""

import asyncio
import logging
import re
from typing import Any

from aiormq.channel import Channel
from aiormq.exceptions import AMQPChannelError, ChannelPreconditionFailed, DeliveryError
from pamqp.commands import Basic

from runtime.amqp.backoff import full_jitter
from runtime.amqp.errors import LIBRARY_ERRORS, AccessRefused, ConnectionLost, translated
from runtime.amqp.link import Link
from schemas.errors import EWMSError, TooLarge

log = logging.getLogger(__name__)

#: Bodies from here on wait for the socket to take them: a window full of them would otherwise pile up in memory.
_DRAIN_FROM_BYTES = 32 * 1024

_TOO_LARGE = re.compile(r"message size (\d+)")


class Publisher:
    """A channel with confirms, reopened when it is lost. Build it with `Connection.publisher`."""

    def __init__(self, link: Link, *, window: int) -> None:
        self._link = link
        self._window = asyncio.Semaphore(window)
        self._opening = asyncio.Lock()
        self._channel: Channel | None = None
        self._in_flight: dict[str, asyncio.Future[None]] = {}

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
        timeout_s: float = 30.0,
    ) -> None:
        """Publish one persistent event and return when the broker has it safe. A `content_type` of "" is none.

        The broker refuses a `user_id` that is not the connection's own, so whoever gets the event can believe it.

        While the broker is away this waits for it, up to `timeout_s` in all. Call it from many tasks at once: that
        is what fills the window, and beyond the window callers wait.

        Raises:
            Unroutable: no queue is bound for it; the broker gave it back.
            QueueFull: the queue refused it.
            Missing: the exchange does not exist.
            AccessRefused: the rights do not allow it.
            TooLarge: it is over the broker's limit for a message.
            ConnectionLost: the broker was away for too long; whether it has the event is not known.
        """
        properties = Basic.Properties(
            content_type=content_type or None,
            delivery_mode=2,
            message_id=message_id,
            headers=headers or None,
            user_id=user_id or None,
        )
        await self.send(exchange, routing_key, body, properties, timeout_s=timeout_s)

    async def send(
        self, exchange: str, routing_key: str, body: bytes, properties: Basic.Properties, *, timeout_s: float = 30.0
    ) -> None:
        """Publish with AMQP properties of the caller's own, a `message_id` among them; otherwise as `publish`."""
        message_id = properties.message_id or ""
        async with self._window:
            # The library finds a returned event by its id, so one id is in flight once.
            while (earlier := self._in_flight.get(message_id)) is not None:
                await asyncio.wait({earlier})
            done = asyncio.get_running_loop().create_future()
            self._in_flight[message_id] = done
            try:
                async with asyncio.timeout(timeout_s):
                    await self._until_settled(exchange, routing_key, body, properties)
            except TimeoutError as error:
                why = self._link.error
                raise ConnectionLost(why.reason if why else "the broker did not confirm in time") from error
            finally:
                del self._in_flight[message_id]
                done.set_result(None)

    async def _until_settled(self, exchange: str, routing_key: str, body: bytes, properties: Basic.Properties) -> None:
        attempt = 0
        while True:
            try:
                channel = self._channel
                if channel is None or channel.is_closed:
                    channel = await self._reopened()
                await channel.basic_publish(
                    body,
                    exchange=exchange,
                    routing_key=routing_key,
                    properties=properties,
                    mandatory=True,
                    wait=len(body) >= _DRAIN_FROM_BYTES,
                )
            except asyncio.CancelledError as error:
                # The library cancels what waits on a channel that goes; only a cancelled *task* was meant by a person.
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                lost: BaseException = error
            except DeliveryError as error:
                raise translated(error) from error
            except LIBRARY_ERRORS as error:
                if (verdict := _verdict(error, exchange, body)) is not None:
                    raise verdict from error
                lost = error
            except ConnectionLost as error:
                lost = error
            else:
                return
            log.debug("publishing again: %r", lost)
            await asyncio.sleep(full_jitter(attempt, base_s=0.05, cap_s=2.0))
            attempt += 1

    async def _reopened(self) -> Channel:
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                await self._link.ready()
                self._channel = await self._link.raw_channel(confirms=True)
            return self._channel

    async def close(self) -> None:
        """Close the channel; what waits in the library's send queue goes out first."""
        if self._channel is not None and not self._channel.is_closed:
            await asyncio.gather(self._channel.close(timeout=5.0), return_exceptions=True)


def _verdict(error: BaseException, exchange: str, body: bytes) -> EWMSError | None:
    """Return what this event did to the channel; None if it only shared the channel with the culprit.

    A refused publish closes the channel under every other event in flight there. The broker's text names the exchange
    or the size that it objected to.
    """
    if not isinstance(error, AMQPChannelError):
        return None  # the connection's end is nobody's in particular
    text = str(error)
    if isinstance(error, ChannelPreconditionFailed):
        match = _TOO_LARGE.search(text)
        return TooLarge(text[:500]) if match and int(match[1]) == len(body) else None
    meaning = translated(error)
    # The broker calls the nameless exchange so.
    named = f"'{exchange or 'amq.default'}'"
    if named in text or (isinstance(meaning, AccessRefused) and "exchange" not in text):
        return meaning
    return None
