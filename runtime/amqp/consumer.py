"""A push consumer: deliveries come to a callback; what becomes of each is said once; a lost lease is told, not raised.

The broker lends an event to a channel. When the channel goes (connection lost, consumer timeout, token expired) the
event goes to somebody else, whatever is still being done with it here: settling then answers False.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import aio_pika
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from runtime.amqp.backoff import full_jitter
from runtime.amqp.errors import LIBRARY_ERRORS, ConnectionLost, translated
from schemas.dataevents import DataEvent, Header
from schemas.errors import EWMSError
from schemas.ids import EventId

if TYPE_CHECKING:
    from runtime.amqp.connection import Connection

log = logging.getLogger(__name__)

#: A subscription that held this long was a good one: the next loss starts the back-off afresh.
_GOOD_AFTER_S = 10.0


class Delivery:
    """One event on loan. Settle it once: `ack`, `reject` or `release`."""

    __slots__ = ("_message", "_properties", "settled")

    def __init__(self, message: DeliveredMessage) -> None:
        self._message = message
        self._properties = message.header.properties
        self.settled = False

    @property
    def body(self) -> bytes:
        """Return the event's bytes, untouched."""
        return self._message.body

    @property
    def id(self) -> EventId:
        """Return the event's id, "" if its sender gave none."""
        return EventId(self._properties.message_id or "")

    @property
    def content_type(self) -> str:
        """Return what the bytes are, "" if the sender did not say."""
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
    def event(self) -> DataEvent:
        """Return the delivery as the event that it carries."""
        return DataEvent(self.body, self.id, self.content_type, self.headers)

    @property
    def routing_key(self) -> str:
        """Return the key that it was published with."""
        return self._message.routing_key or ""

    @property
    def reply_to(self) -> str:
        """Return where an answer goes, "" if none is wanted."""
        return self._properties.reply_to or ""

    @property
    def correlation_id(self) -> str:
        """Return what an answer must repeat."""
        return self._properties.correlation_id or ""

    @property
    def user_id(self) -> str:
        """Return the sender's user name as the broker has checked it, "" if it was not given."""
        return self._properties.user_id or ""

    @property
    def lost(self) -> bool:
        """Whether the lease is gone: the broker gives the event to somebody else."""
        return self._message.channel.is_closed

    async def ack(self) -> bool:
        """Say that the event is done; False if the lease was lost, and the event will come again."""
        return await self._settle(partial(self._message.channel.basic_ack, self._tag, wait=False))

    async def reject(self, *, requeue: bool = True) -> bool:
        """Say that the event failed; it counts as an attempt. Without `requeue` it is a dead letter at once."""
        return await self._settle(partial(self._message.channel.basic_reject, self._tag, requeue=requeue, wait=False))

    async def release(self) -> bool:
        """Give the event back as if it had never been taken. Not counted as an attempt since RabbitMQ 4.3."""
        return await self._settle(partial(self._message.channel.basic_nack, self._tag, requeue=True, wait=False))

    @property
    def _tag(self) -> int:
        return self._message.delivery_tag or 0

    async def _settle(self, send: Callable[[], Awaitable[None]]) -> bool:
        channel = self._message.channel
        if self.settled or channel.is_closed:
            return False
        try:
            if channel.connection.write_queue.full():
                # Once the connection is gone nobody makes room in its send queue, so the loss is watched as well.
                sending = asyncio.ensure_future(send())
                await asyncio.wait({sending, channel.closing}, return_when=asyncio.FIRST_COMPLETED)
                if not sending.done():
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
                    return False
                sending.result()
            else:
                await send()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return False
        except LIBRARY_ERRORS:
            return False
        self.settled = True
        return True


OnDelivery = Callable[[Delivery], None]

#: Run on a fresh channel before every subscription: declares what has to exist.
Prepare = Callable[[aio_pika.abc.AbstractChannel], Awaitable[None]]


class Consumer:
    """A subscription that is restored, by queue name alone, until it is closed. Build it with `Connection.consume`.

    `on_delivery` is called on the loop and must not wait: it starts a task or fills a list. `on_lost` is called when
    every unsettled delivery has lost its lease; `on_refused` with every failed attempt to subscribe again.
    """

    def __init__(
        self,
        connection: "Connection",
        queue: str,
        on_delivery: OnDelivery,
        *,
        prefetch: int,
        no_ack: bool,
        prepare: Prepare | None,
        on_lost: Callable[[], None] | None,
        on_refused: Callable[[EWMSError], None] | None,
    ) -> None:
        self.queue = queue
        self._connection = connection
        self._on_delivery = on_delivery
        self._prefetch = prefetch
        self._no_ack = no_ack
        self._prepare = prepare
        self._on_lost = on_lost
        self._on_refused = on_refused
        self._channel: Channel | None = None
        self._tag = ""
        self._paused = False
        self._closed = False
        self._changed = asyncio.Event()
        self._fallen = False
        self._subscribing = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def active(self) -> bool:
        """Whether events can arrive at this moment."""
        return bool(self._tag) and self._channel is not None and not self._channel.is_closed

    @property
    def channel(self) -> Channel | None:
        """Return the channel that deliveries come over: what a direct reply must be asked on."""
        return self._channel

    async def start(self) -> None:
        """Subscribe for the first time; what fails here is raised, later failures are retried."""
        await self._subscribe()
        self._keeper = asyncio.create_task(self._stay_subscribed(), name=f"consumer of {self.queue}")

    async def pause(self) -> None:
        """Take no further events; those on loan stay on loan."""
        async with self._subscribing:
            self._paused = True
            await self._cancel()

    async def resume(self) -> None:
        """Take events again."""
        self._paused = False
        self._changed.set()

    async def set_prefetch(self, prefetch: int) -> None:
        """Change how many unsettled events the broker lends at once; those on loan stay on loan.

        The broker fixes the number when a subscription begins, so this one is ended and another begun.
        """
        async with self._subscribing:
            if prefetch == self._prefetch:
                return
            self._prefetch = prefetch
            await self._cancel()
        self._changed.set()

    async def close(self) -> None:
        """End the subscription; unsettled events go back to the queue. Settlements on their way are sent first."""
        if self._closed:
            return
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._channel is not None and not self._channel.is_closed:
            await asyncio.gather(self._channel.close(timeout=5.0), return_exceptions=True)

    async def _cancel(self) -> None:
        tag, self._tag = self._tag, ""
        if tag and self._channel is not None and not self._channel.is_closed:
            try:
                await self._channel.basic_cancel(tag, timeout=10.0)
            except (*LIBRARY_ERRORS, TimeoutError) as error:
                # The channel is gone, and the subscription with it.
                log.debug("cancelling the consumer of %s: %r", self.queue, error)

    async def _subscribe(self) -> None:
        async with self._subscribing:
            try:
                if self._channel is None or self._channel.is_closed:
                    self._tag = ""
                    if self._prepare is not None:
                        async with self._connection.channel() as topology:
                            await self._prepare(topology)
                    self._channel = await self._connection.raw_channel(confirms=True)
                    self._channel.on_consumer_cancel_callbacks.add(self._on_cancelled)
                    self._channel.closing.add_done_callback(self._on_channel_closed)
                if self._paused or self._tag:
                    return
                if not self._no_ack:
                    await self._channel.basic_qos(prefetch_count=self._prefetch, timeout=10.0)
                tag = f"ewms.{uuid.uuid4().hex}"
                await self._channel.basic_consume(
                    self.queue, self._take, no_ack=self._no_ack, consumer_tag=tag, timeout=10.0
                )
                self._tag = tag
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                raise ConnectionLost("the channel was closed while subscribing") from error
            except (*LIBRARY_ERRORS, TimeoutError) as error:
                raise translated(error) from error

    async def _take(self, message: DeliveredMessage) -> None:
        self._on_delivery(Delivery(message))

    def _on_cancelled(self, _: Any) -> None:
        # The broker ended the subscription (queue deleted, or its node gone); the channel and its loans live on.
        self._fall()

    def _on_channel_closed(self, closing: asyncio.Future[Any]) -> None:
        if not closing.cancelled():
            closing.exception()
        self._fall()
        if self._on_lost is not None and not self._closed:
            self._on_lost()

    def _fall(self) -> None:
        self._tag = ""
        self._fallen = True
        self._changed.set()

    async def _stay_subscribed(self) -> None:
        loop = asyncio.get_running_loop()
        attempt, since = 0, loop.time()
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._paused and self._channel is not None and not self._channel.is_closed:
                continue
            if self._fallen:
                self._fallen = False
                if loop.time() - since > _GOOD_AFTER_S:
                    attempt = 0
                else:  # lost as soon as it was there, perhaps by what it delivered: do not spin
                    await asyncio.sleep(full_jitter(attempt))
                    attempt += 1
            try:
                await self._connection.ready()
                await self._subscribe()
                since = loop.time()
            except Exception as error:  # noqa: BLE001 - a consumer that stops coming back would starve in silence
                refused = translated(error)
                log.warning("cannot consume from %s (attempt %d): %s", self.queue, attempt + 1, refused.reason)
                if self._on_refused is not None:
                    self._on_refused(refused)
                await asyncio.sleep(full_jitter(attempt))
                attempt += 1
                self._changed.set()
