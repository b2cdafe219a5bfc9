"""Consume events from a public queue: the loop acknowledges each one after its body has ended.

Events that were handled before are acknowledged and left out.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Self

from ewms.errors import OutcomeFailed, TimedOut
from ewms.gateway.http import Gateway
from ewms.queues.arrival import Arrival
from ewms.queues.end_look import EndLook
from ewms.queues.memory import EventMemory, Remember, received_directory
from ewms.queues.payloads import Event
from ewms.queues.queue_access import QueueAccess
from ewms.queues.queue_state import explain_refusal
from ewms.queues.subscription_trouble import SubscriptionTrouble
from ewms.queues.unacknowledged import describe_unacknowledged
from runtime.amqp import Consumer, Delivery
from schemas.api.queues.profiles import Use
from schemas.ids import WorkflowId

log = logging.getLogger(__name__)

#: How many events the broker may send ahead of their acknowledgement.
DEFAULT_PREFETCH = 100

#: How long (seconds) the broker may be away before a loop gives up.
DEFAULT_AWAY_S = 120.0


class AsyncResults:
    """The events of a queue, one after the other.

    async for event in run.queue("results").results(n=500):
        save(event.body)

    The loop acknowledges an event when its body has ended; `ack` does so earlier. If the body raises or leaves by
    `break`, its event goes back to the queue.

    Repeats: the loop leaves out an event that it has handled before, or that another program of this account has
    handled within seven days. With `remember` False the loop remembers its own events only; a path names a directory.

    The end: the loop ends when the workflow has ended and every result is delivered, that is, the queue is empty and
    no consumer has an event of it in hand. It ends earlier after `n` events, or when none has come for
    `idle_timeout_s`. If fewer than `n` came, it raises `TimedOut`, or `OutcomeFailed` when the workflow has ended.

    Trouble: if the broker is away for longer than `away_timeout_s`, the loop raises `Unreachable`. If an
    acknowledgement is lost, `notify` says so and the event comes again. This loop leaves it out, and so does another
    program if both `remember`.

    The loop subscribes to the queue when it starts and until it ends. To choose that yourself, write
    `async with run.queue("results").results() as events`.
    """

    def __init__(
        self,
        gateway: Gateway,
        workflow: WorkflowId,
        alias: str,
        *,
        n: int | None = None,
        idle_timeout_s: float | None = None,
        prefetch: int = DEFAULT_PREFETCH,
        active_timeout_s: float | None = None,
        remember: Remember = True,
        away_timeout_s: float | None = DEFAULT_AWAY_S,
    ) -> None:
        self._gateway = gateway
        self._workflow = workflow
        self._alias = alias
        self._n = n
        self._idle_timeout_s = idle_timeout_s
        self._prefetch = prefetch
        self._active_timeout_s = active_timeout_s
        self._arrived: deque[Delivery] = deque()
        self._arrival = Arrival(idle_timeout_s)
        self._trouble = SubscriptionTrouble(away_timeout_s, notify=self._notify_user, wake=self._arrival.announce)
        self._directory = received_directory(remember)
        self._memory = EventMemory()
        self._just_asked = False
        self._current: Delivery | None = None
        self._access: QueueAccess | None = None
        self._consumer: Consumer | None = None
        self._dealt_with: list[Delivery] = []
        self._settling: asyncio.Task[None] | None = None
        self._is_left = False
        self._looking: asyncio.Task[None] | None = None
        self._end = EndLook(gateway, workflow, alias, is_idle=self._is_idle, notify=self._notify_user)
        #: The loop calls this with a sentence when the broker goes or is back, when acknowledgements are lost, and when
        #: the workflow stalls or goes on. The default logs a warning.
        self.notify: Callable[[str], None] = log.warning
        #: Acknowledges a delivery. A loop in another thread sets a function that sends the delivery to this thread.
        self.settle: Callable[[Delivery], None] = self.settle_here
        #: How many events the loop has handled, how many repeats it has left out, and how many acknowledgements are
        #: certainly lost. The events of lost acknowledgements come again.
        self.n_taken = 0
        self.n_duplicates = 0
        self.n_unacknowledged = 0

    async def __aenter__(self) -> Self:
        self._access = await QueueAccess.open_queue(
            self._gateway, self._workflow, self._alias, Use.CONSUME, self._active_timeout_s
        )
        try:
            self._memory = await EventMemory.open_for_queue(
                self._directory, gateway=self._gateway.address, queue=self._access.mqid, before=self._memory
            )
            self._consumer = await self._access.connection.consume(
                self._access.mqid, self._on_delivery, prefetch=self._prefetch, on_refused=self._trouble.note_refused
            )
        except BaseException:
            await self._memory.close()
            await self._access.close()
            self._access = None
            raise
        self._looking = asyncio.create_task(self._look_for_the_end(), name=f"end of {self._alias}")
        self._access.connection.on_lost.append(self._trouble.note_lost)
        self._access.connection.on_connected.append(self._trouble.note_back)
        # If the body of a loop raises, the traceback keeps its iterator alive, perhaps longer than the client. So the
        # gateway closes us with itself.
        self._gateway.opened.append(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self in self._gateway.opened:
            self._gateway.opened.remove(self)
        if not self.is_open:
            return
        self._trouble.stop_timer()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        try:
            if self._consumer is not None:
                # Without the pause the broker would at once send us again what we give back.
                await self._consumer.pause()
            if self._settling is not None:
                await self._settling
            # We give events back rather than just close the channel: the broker does not count that as an attempt.
            on_loan, self._current = (self._current, *self._arrived), None
            for delivery in on_loan:
                if delivery is not None and not delivery.settled:
                    await delivery.release()
            if self._consumer is not None:
                await self._consumer.close()
        finally:
            try:
                await self._memory.close()
            finally:
                if self._access is not None:
                    await self._access.close()
            self._access = None
            self._arrived.clear()

    async def __aiter__(self) -> AsyncIterator[Event]:
        async with AsyncExitStack() as opened:
            if not self.is_open:
                await opened.enter_async_context(self)
            while await self.wait_for_arrival():
                while (event := self.begin_event()) is not None:
                    yield event
                    self.end_event()

    async def ack(self) -> bool:
        """Acknowledge the current event now, before the loop's body ends.

        Return False if the acknowledgement is lost: the event comes again, and this loop leaves it out.
        """
        if self._current is None or self._current.settled:
            return True
        self._memory.add_event(self._current.id)
        await self._memory.record_events([self._current.id])
        return await self._current.ack()

    async def wait_for_arrival(self) -> bool:
        """Wait for the next event. Return True when an event has arrived, False when the loop is over.

        Raises:
            TimedOut, OutcomeFailed: fewer than the `n` expected events came.
            EWMSError: the queue cannot be read any more.
        """
        while not self._arrived or self._is_complete:
            if self._is_complete:
                return False
            if self._end.has_all:
                if self._n is None:
                    return False
                raise OutcomeFailed(
                    [f"{self.n_taken} of {self._n} events came, and {self._workflow} has ended: there will be no more"],
                    hint=f"see how it ended: ewms workflow show {self._workflow}",
                )
            if (failure := self._trouble.failure) is not None:
                raise await explain_refusal(self._gateway, self._workflow, self._alias, failure)
            if not await self._arrival.wait_for_news():
                if self._n is None:
                    return False
                raise TimedOut(
                    f"{self.n_taken} of {self._n} events came; then none for {self._idle_timeout_s:g} s",
                    hint=f"see what holds them: `ewms workflow show {self._workflow}`",
                )
        await self._memory.look_up([delivery.id for delivery in self._arrived])
        self._just_asked = True
        return True

    def begin_event(self) -> Event | None:
        """Return the next event for the loop's body. Return None if the loop must call `wait_for_arrival` first."""
        # Arrived events stay on the list until their turn, so that leaving the loop gives all of them back.
        while self._arrived and not self._is_complete:
            is_known = self._memory.is_handled(self._arrived[0].id)
            # Right after a look-up we take one event in any case. Otherwise a slow machine, on which the file's answer
            # is out of date at once, would ask for ever.
            if is_known is None and not self._just_asked:
                return None
            self._just_asked = False
            delivery = self._arrived.popleft()
            if delivery.is_lost:
                continue
            if is_known:
                self.n_duplicates += 1
                self.settle(delivery)
                continue
            self._current = delivery
            return Event.from_data_event(delivery)
        return None

    def end_event(self) -> None:
        """Count the current event as handled, and acknowledge it. Call this when the loop's body has ended."""
        delivery, self._current = self._current, None
        if delivery is None:
            return
        self.n_taken += 1
        # Even if the delivery was lost meanwhile: the event comes again, and the body must not run for it twice.
        self._memory.add_event(delivery.id)
        self.settle(delivery)

    def settle_here(self, delivery: Delivery) -> None:
        """Record `delivery` as handled, then acknowledge it. Call this on the event loop.

        The order matters: after a crash between the two, the event comes again, and the loop knows it. Deliveries that
        come during a write are written together in the next one.
        """
        if delivery.settled:
            return
        if not self._memory.has_file:
            self._acknowledge([delivery])  # the connection joins the acknowledgements of one turn of the loop
            return
        self._dealt_with.append(delivery)
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle_dealt_with())

    async def _settle_dealt_with(self) -> None:
        while self._dealt_with:
            batch, self._dealt_with = self._dealt_with, []
            await self._memory.record_events([delivery.id for delivery in batch])
            self._acknowledge(batch)

    def _acknowledge(self, batch: Sequence[Delivery]) -> None:
        lost = [delivery for delivery in batch if not delivery.ack_now() and not delivery.settled]
        if lost:
            # A user who keeps account of these events elsewhere must know that they come again.
            self.n_unacknowledged += len(lost)
            self.notify(describe_unacknowledged([each.id for each in lost], remembers=self._directory is not None))

    def leave(self) -> None:
        """End the loop after the current event.

        Call this on the event loop.
        """
        self._is_left = True
        self._arrival.announce()

    @property
    def is_open(self) -> bool:
        """Whether the loop is subscribed to the queue."""
        return self._access is not None

    @property
    def _is_complete(self) -> bool:
        return self._is_left or (self._n is not None and self.n_taken >= self._n)

    async def _look_for_the_end(self) -> None:
        await self._end.look_until_end()
        self._arrival.announce()

    def _is_idle(self) -> bool:
        return not self._arrived and self._current is None

    def _notify_user(self, text: str) -> None:
        # A program may put another function into `notify` at any time.
        self.notify(text)

    def _on_delivery(self, delivery: Delivery) -> None:
        self._trouble.note_delivery()
        self._arrived.append(delivery)
        self._arrival.announce()
