"""Consume events: the broker pushes each event to a callback. A lost subscription is restored.

`close` waits until the broker has applied all settlements. The broker does not wait by itself: a channel of RabbitMQ
sends a quorum queue at most 32 commands at once. The channel keeps further settlements in memory, and drops them when
the channel closes: of 100 acknowledgements in one burst RabbitMQ applied 33. If the subscription is cancelled first,
the channel sends the kept settlements and waits for the queue. Source: rabbit_fifo_client.erl, SOFT_LIMIT, settle/3 and
cancel_checkout/3.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from runtime.amqp.backoff import full_jitter
from runtime.amqp.cancellation import CHANNEL_ERRORS, translate_channel_error
from runtime.amqp.delivery import Content, Delivery
from runtime.amqp.errors import LIBRARY_ERRORS, translate_error
from runtime.amqp.link import Link
from runtime.amqp.wire.consuming import DeliveryTaker, LibraryContent, Settler
from schemas.errors import EWMSError

log = logging.getLogger(__name__)

#: After a subscription that lasted this long, the pauses between attempts start from the shortest again.
_GOOD_AFTER_S = 10.0

#: The broker applies this many settlements in any case: half of the 32 commands that a channel sends at once.
_NEVER_HELD_BACK = 16

_CANCEL_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 5.0

OnDelivery = Callable[[Delivery], None]

#: Called before every subscription, with a channel on which to declare the queues and exchanges that must exist. If the
#: queue has a new name each time, it returns that name.
Prepare = Callable[[Channel], Awaitable[str | None]]


class Consumer:
    """A subscription that is restored after each outage, until its owner closes it. Build it by `Connection.consume`.

    The event loop calls `on_delivery`, which must not wait: it starts a task or fills a list. `on_lost` is called when
    all unsettled deliveries are lost. `on_refused` is called at every failed attempt to subscribe again.
    """

    def __init__(
        self,
        link: Link,
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
        self._link = link
        self._on_delivery = on_delivery
        self._prefetch = prefetch
        self._no_ack = no_ack
        self._prepare = prepare
        self._on_lost = on_lost
        self._on_refused = on_refused
        self._channel: Channel | None = None
        self._settler: Settler | None = None
        self._tag = ""
        #: The tag of the last subscription that the broker itself ended.
        self._ended_tag: str | None = None
        self._paused = False
        self._closed = False
        self._changed = asyncio.Event()
        self._fallen = False
        self._subscribing = asyncio.Lock()
        #: The number of settlements since the broker last confirmed that it had applied all settlements.
        self._n_unapplied = 0
        self._keeper: asyncio.Task[None] | None = None
        #: The error of the last attempt to subscribe again; None after a success.
        self.refusal: EWMSError | None = None

    @property
    def is_active(self) -> bool:
        """Whether events can arrive now."""
        return bool(self._tag) and self._channel is not None and not self._channel.is_closed

    @property
    def is_closed(self) -> bool:
        """Whether the owner has closed this consumer."""
        return self._closed

    @property
    def channel(self) -> Channel | None:
        """The channel of the deliveries, or None. A request for a direct reply must use this channel."""
        return self._channel

    async def start(self) -> None:
        """Subscribe for the first time. After a later failure the consumer subscribes again by itself.

        Raises:
            EWMSError: the first subscription failed.
        """
        await self._subscribe_once()
        self._keeper = asyncio.create_task(self._stay_subscribed(), name=f"consumer of {self.queue}")

    async def pause(self) -> None:
        """Take no more events. Unsettled events remain with this consumer."""
        async with self._subscribing:
            self._paused = True
            await self._cancel_subscription()

    async def resume(self) -> None:
        """Take events again."""
        self._paused = False
        self._changed.set()

    async def set_prefetch(self, prefetch: int) -> None:
        """Replace the subscription by one with which the broker lends at most `prefetch` unsettled events at once.

        Return when the old subscription is over; the new one begins soon after. Events that the broker has lent already
        do not count as part of `prefetch`.
        """
        async with self._subscribing:
            self._prefetch = prefetch
            await self._cancel_subscription()
        self._changed.set()

    async def close(self) -> None:
        """Unsubscribe after the broker has applied all settlements. Unsettled events return to the queue."""
        if self._closed:
            return
        self._closed = True
        # Do not cancel a running subscribe: that would close the channel and lose its kept settlements.
        async with self._subscribing:
            if self._keeper is not None:
                self._keeper.cancel()
                await asyncio.gather(self._keeper, return_exceptions=True)
            if self._channel is None or self._channel.is_closed:
                return
            if self._link.blockade.reason:
                return  # a broker that does not read cannot answer; it applies the settlements once it reads again
            if not self._tag and self._n_unapplied > _NEVER_HELD_BACK:
                await self._subscribe_to_cancel(self._channel)
            await self._cancel_subscription()
            await asyncio.gather(self._channel.close(timeout=_CLOSE_TIMEOUT_S), return_exceptions=True)

    async def _subscribe_to_cancel(self, channel: Channel) -> None:
        """Subscribe once more after a pause, only to cancel that subscription: only a cancel waits for the queue."""
        tag = f"ewms.{uuid.uuid4().hex}"
        try:
            # Borrow as few events as possible.
            await channel.basic_qos(prefetch_count=1, timeout=_CANCEL_TIMEOUT_S)
            await channel.basic_consume(self.queue, self._take_message, consumer_tag=tag, timeout=_CANCEL_TIMEOUT_S)
        except (*CHANNEL_ERRORS, TimeoutError) as error:
            log.debug("the broker may lose settlements of %s: %s", self.queue, translate_channel_error(error).reason)
            return
        self._tag = tag

    async def _cancel_subscription(self) -> None:
        tag, self._tag = self._tag, ""
        if tag and self._channel is not None and not self._channel.is_closed:
            if self._settler is not None:
                self._settler.flush_acks()
            # Settlements during the wait for the answer may reach the broker after the cancel, so count them from here.
            self._n_unapplied = 0
            try:
                await self._channel.basic_cancel(tag, timeout=_CANCEL_TIMEOUT_S)
            except (*LIBRARY_ERRORS, TimeoutError) as error:
                # The channel is closed, and with it the subscription has ended.
                log.debug("cancelling the consumer of %s: %r", self.queue, error)

    async def _subscribe_once(self) -> None:
        async with self._subscribing:
            try:
                if self._channel is None or self._channel.is_closed:
                    self._tag = ""
                    if self._prepare is not None:
                        async with self._link.lend_channel() as topology:
                            self.queue = await self._prepare(topology) or self.queue
                    self._channel = await self._link.open_channel(confirms=True)
                    self._n_unapplied = 0
                    self._settler = Settler(self._channel)
                    if (tap := self._link.find_tap(self._channel)) is not None:
                        DeliveryTaker(tap, self._channel, self._take_content)
                    self._channel.on_consumer_cancel_callbacks.add(self._on_cancelled)
                    self._channel.closing.add_done_callback(self._on_channel_closed)
                if self._paused or self._tag:
                    return
                if not self._no_ack:
                    await self._channel.basic_qos(prefetch_count=self._prefetch, timeout=10.0)
                tag = f"ewms.{uuid.uuid4().hex}"
                await self._channel.basic_consume(
                    self.queue, self._take_message, no_ack=self._no_ack, consumer_tag=tag, timeout=10.0
                )
                # If the queue was deleted at once, this task learns of that only now: there is no subscription.
                if self._ended_tag != tag:
                    self._tag = tag
            except (*CHANNEL_ERRORS, TimeoutError) as error:
                raise translate_channel_error(error) from error

    async def _take_message(self, message: DeliveredMessage) -> None:
        """Take a delivery from the library, if the connection has no tap."""
        self._take_content(LibraryContent(message))

    def _take_content(self, content: Content) -> None:
        assert self._settler is not None
        if not self._no_ack:
            self._settler.note_delivery(content.tag)
        delivery = Delivery(content, self._settler, on_settled=self._count_settled)
        if not self._closed:
            self._on_delivery(delivery)
        elif not self._no_ack:
            # The owner has closed this consumer. If the closing channel returned the event, a failed attempt would
            # count. Without acknowledgements no event returns.
            delivery.release_now()

    def _count_settled(self) -> None:
        self._n_unapplied += 1

    def _on_cancelled(self, frame: Any) -> None:
        # The broker ended the subscription: the queue or its node is down. The channel and its loans stay.
        self._ended_tag = frame.consumer_tag
        self._note_loss()

    def _on_channel_closed(self, closing: asyncio.Future[Any]) -> None:
        if not closing.cancelled():
            closing.exception()
        self._note_loss()
        if self._on_lost is not None and not self._closed:
            self._on_lost()

    def _note_loss(self) -> None:
        self._tag = ""
        self._fallen = True
        self._changed.set()

    def _tell_refused(self, error: EWMSError) -> None:
        if self._on_refused is None:
            return
        try:
            self._on_refused(error)
        except Exception:
            log.exception("a callback of the consumer of %s raised an error", self.queue)

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
                else:  # lost right after its start, perhaps because of a delivered event: pause, do not spin
                    await asyncio.sleep(full_jitter(attempt))
                    attempt += 1
            try:
                await self._link.wait_until_ready()
                await self._subscribe_once()
                since = loop.time()
                self.refusal = None
            except Exception as error:  # noqa: BLE001 - without this loop the consumer would silently get no more events
                self.refusal = refused = translate_error(error)
                log.warning("cannot consume from %s (attempt %d): %s", self.queue, attempt + 1, refused.reason)
                self._tell_refused(refused)
                await asyncio.sleep(full_jitter(attempt))
                attempt += 1
                self._changed.set()
