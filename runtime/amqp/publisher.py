"""Publish with confirms: many events at once, with a limit on unconfirmed events, and an outcome for each event.

`publish` returns when the broker has stored the event in a queue; otherwise it raises an error. If the connection is
lost before the confirm, the publisher sends the event again with the same id, so the event may arrive twice.

    post ─► fast: the channel is open ─► frames ─► confirm ─► the waits end
        └─► slow, in a task of its own: open the channel, wait for the broker, or send again ─► as above
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from runtime.amqp.backoff import full_jitter
from runtime.amqp.cancellation import CHANNEL_ERRORS, translate_channel_error
from runtime.amqp.channel_loss import explain_timeout, find_error_of_event, translate_loss
from runtime.amqp.deadlines import Deadlines
from runtime.amqp.errors import LIBRARY_ERRORS, ConnectionLost
from runtime.amqp.in_flight import ConfirmCall, ConfirmWait, ConfirmWaiter, EventInFlight, EventsById
from runtime.amqp.link import Link
from runtime.amqp.wire.properties import EventProperties
from runtime.amqp.wire.publishing import DRAIN_FROM_BYTES, PublishingChannel
from schemas.errors import EWMSError

log = logging.getLogger(__name__)


class ConfirmedPublisher:
    """A channel with confirms, which the publisher reopens after a loss. Open it by `Connection.open_publisher`."""

    def __init__(self, link: Link, *, window: int) -> None:
        self._link = link
        self._window = window
        #: How many events have been started and have no outcome yet.
        self._n_on_way = 0
        #: Events that wait for room in the window.
        self._backlog: deque[EventInFlight] = deque()
        self._opening = asyncio.Lock()
        self._sending_large = asyncio.Lock()
        self._channel: PublishingChannel | None = None
        self._is_starting = False
        self._in_flight = EventsById()
        self._deadlines: Deadlines[ConfirmWait] = Deadlines(self._expire_wait)

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
        may_repeat: bool = True,
    ) -> None:
        """Publish one persistent event, and return when the broker has it. With an empty `content_type`, set none.

        The broker refuses a `user_id` that is not the user of the connection, so the receiver can trust `user_id`.

        While the broker is away, or accepts nothing because it is low on memory or disk, this call waits, at most
        `timeout_s` seconds in all (None: without limit). Call it from many tasks at once to fill the window. If the
        window is full, callers wait. The publisher sends an event twice only if the channel is lost, and never with
        `may_repeat=False`: then it raises ConnectionLost as soon as it cannot know whether the broker has the event. If
        you publish the same event again after a timeout, with the same id, you wait for the confirm of the first.

        Raises:
            Unroutable: no bound queue takes the event, so the broker returned it.
            QueueFull: the queue refused the event.
            NotDeclared: the exchange does not exist.
            AccessRefused: the user has no right to publish to the exchange.
            TooLarge: the event is larger than the broker's `max_message_size` (4 MiB with our settings).
            Rejected: a name, an id or the content type has more than 255 bytes.
            ConnectionLost: the broker was away, or accepted nothing, for too long. The broker may have the event or
                not.
        """
        properties = EventProperties(message_id, content_type, headers, user_id)
        await self.send_event(exchange, routing_key, body, properties, timeout_s=timeout_s, may_repeat=may_repeat)

    async def send_event(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: EventProperties,
        *,
        timeout_s: float | None = 30.0,
        may_repeat: bool = True,
    ) -> None:
        """Publish an event with these AMQP `properties`, and return when the broker has it. Errors as for `publish`."""
        waiter = self.post_event(exchange, routing_key, body, properties, timeout_s=timeout_s, may_repeat=may_repeat)
        try:
            await waiter
        except asyncio.CancelledError:
            self._recall_unwanted(waiter.event)
            raise

    def post_event(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: EventProperties,
        *,
        timeout_s: float | None = 30.0,
        may_repeat: bool = True,
    ) -> ConfirmWaiter:
        """Begin to send an event, and return the future of its confirm. The future raises the errors of `publish`.

        If the same event, with the same id, is already being sent, the publisher sends it only once.
        """
        event = self._in_flight.join_event(exchange, routing_key, body, properties, may_repeat=may_repeat)
        waiter = ConfirmWaiter(event)
        self._begin_wait(waiter, timeout_s)
        return waiter

    def post_event_and_call(
        self,
        on_settled: Callable[[BaseException | None], None],
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: EventProperties,
        *,
        timeout_s: float | None = 30.0,
    ) -> None:
        """Begin to send an event, and call `on_settled` once: with None at its confirm, else with the error.

        This costs less than `post_event`. The call may come before this method returns.
        """
        event = self._in_flight.join_event(exchange, routing_key, body, properties)
        self._begin_wait(ConfirmCall(event, on_settled), timeout_s)

    def _begin_wait(self, waiter: ConfirmWait, timeout_s: float | None) -> None:
        event = waiter.event
        event.waiters.append(waiter)
        if self._in_flight.add_event(event):
            self._backlog.append(event)
            self._start_waiting_events()
        if timeout_s is not None and not waiter.done():
            self._deadlines.add_wait(waiter, timeout_s)

    async def close(self) -> None:
        """Close the channel. Send the frames that wait first, unless the broker does not read."""
        for event in self._in_flight.list_latest():
            self._recall_unwanted(event)
        if self._link.blockade.reason:
            return  # the answer to a close would not come
        if self._channel is not None:
            await self._channel.close()

    def _start_waiting_events(self) -> None:
        if self._is_starting:
            return  # called while an event is being started: the loop below goes on
        self._is_starting = True
        try:
            while self._backlog and self._n_on_way < self._window:
                event = self._backlog.popleft()
                if not event.is_over:  # not recalled
                    self._n_on_way += 1
                    self._start_event(event)
        finally:
            self._is_starting = False

    def _start_event(self, event: EventInFlight) -> None:
        channel = self._channel
        if channel is not None and self._is_fast(channel, event):
            try:
                channel.send_event(event)
            except LIBRARY_ERRORS:
                pass  # the channel has just closed
            except Exception as error:  # noqa: BLE001 - AMQP cannot hold the event: that is its outcome
                self._end_event(event, error)
                return
            else:
                event.is_handed_over = event.was_sent = True
                return
        self._start_task(event, None)

    def _start_task(self, event: EventInFlight, lost: EWMSError | None) -> None:
        event.task = asyncio.create_task(self._send_until_confirmed(event, lost))
        # A task that is cancelled before it starts runs none of its own code.
        event.task.add_done_callback(partial(self._end_task, event))

    def _end_task(self, event: EventInFlight, task: "asyncio.Task[None]") -> None:
        event.task, event.outcome = None, None
        # A task is cancelled when the last caller has stopped waiting, or with the whole loop.
        self._end_event(event, ConnectionLost("the publisher was stopped") if task.cancelled() else task.exception())

    def _is_fast(self, channel: PublishingChannel, event: EventInFlight) -> bool:
        """Return whether the publisher can send the event at once."""
        return not (channel.is_closed or self._link.blockade.reason or len(event.body) >= DRAIN_FROM_BYTES)

    def _note_outcome(self, event: EventInFlight, error: BaseException | None) -> None:
        """Record the outcome of an event that was sent on a channel. See `publishing.OnOutcome`."""
        event.is_handed_over = False
        if event.outcome is not None:
            if not event.outcome.done():
                event.outcome.set_result(error)
            return
        if error is None or isinstance(error, EWMSError):
            self._end_event(event, error)
        elif (verdict := find_error_of_event(error, event.exchange, event.body)) is not None:
            verdict.__cause__ = error
            self._end_event(event, verdict)
        else:
            lost = translate_loss(error)
            if event.may_repeat:
                self._start_task(event, lost)
            else:
                self._end_event(event, ConnectionLost(lost.reason))

    def _end_event(self, event: EventInFlight, error: BaseException | None) -> None:
        """End the waits for an event, and start the next events."""
        event.is_over = True
        self._n_on_way -= 1
        self._forget_event(event)
        event.end_waits(error)
        self._start_waiting_events()

    def _forget_event(self, event: EventInFlight) -> None:
        if (follower := self._in_flight.forget_event(event)) is not None:
            self._backlog.append(follower)

    def _expire_wait(self, waiter: ConfirmWait) -> None:
        waiter.set_exception(explain_timeout(self._link.blockade.reason, self._link.error))
        self._recall_unwanted(waiter.event)

    def _recall_unwanted(self, event: EventInFlight) -> None:
        """Drop the event if no caller waits for it, unless the broker may have it already."""
        if event.is_handed_over or event.is_over or event.has_waiters:
            return
        # Forget the event at once, so that no later call joins an event that is being dropped.
        event.is_over = True
        self._forget_event(event)
        if event.task is not None:
            event.task.cancel()
        else:
            event.drop_content()

    async def _send_until_confirmed(self, event: EventInFlight, lost: EWMSError | None) -> None:
        """Send an event until it is confirmed. `lost` is an earlier try's error. Raises the errors of `publish`."""
        attempt = 0
        while lost is not None or (lost := await self._send_once(event)) is not None:
            if not event.has_waiters or (event.was_sent and not event.may_repeat):
                raise ConnectionLost(lost.reason)
            log.debug("publishing again: %r", lost)
            await asyncio.sleep(full_jitter(attempt, base_s=0.05, cap_s=2.0))
            attempt, lost = attempt + 1, None

    async def _send_once(self, event: EventInFlight) -> EWMSError | None:
        """Send an event. Return None once it is confirmed, or the error that ended the channel before that."""
        event.outcome = asyncio.get_running_loop().create_future()
        try:
            await self._link.blockade.wait_until_over()
            channel = await self._open_channel()
            if len(event.body) < DRAIN_FROM_BYTES:
                channel.send_event(event)
                event.is_handed_over = event.was_sent = True
            else:
                await self._send_large_event(channel, event)
            error = await event.outcome
        except ConnectionLost as lost:
            return lost
        except CHANNEL_ERRORS as closed:
            return translate_channel_error(closed)
        finally:
            event.is_handed_over = False
        if error is None:
            return None
        if isinstance(error, EWMSError):
            raise error
        if (verdict := find_error_of_event(error, event.exchange, event.body)) is not None:
            raise verdict from error
        return translate_loss(error)

    async def _send_large_event(self, channel: PublishingChannel, event: EventInFlight) -> None:
        """Send an event after the socket has accepted the large events before it."""
        assert event.outcome is not None
        async with self._sending_large:
            drained = channel.send_event(event)
            event.is_handed_over = event.was_sent = True
            if drained is not None:
                waits: set[asyncio.Future[Any]] = {drained, event.outcome}
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)

    async def _open_channel(self) -> PublishingChannel:
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                await self._link.wait_until_ready()
                self._channel = await self._link.open_publishing_channel(self._note_outcome)
            return self._channel
