"""Handle an event taken from an inbox, then acknowledge it or do what this table says.

handler returns      acknowledge, last of all
Rejected             a copy with the reason to <inbox>.dead, then acknowledge
UnknownType          a copy to <inbox>.parked, then acknowledge; also if no handler takes the type
Conflict             acknowledge; the state has already changed
Unavailable          keep the event, take no further events, try again with growing pauses
anything else        reject: the event comes again, up to the queue's delivery limit
"""

import asyncio

from runtime.amqp import ConfirmedPublisher, Consumer, Delivery, full_jitter
from runtime.bus.dispatch import DispatchTable
from runtime.bus.inbox import sender_of, set_aside
from runtime.failpoints import failpoint
from runtime.telemetry import bind_event, counter, log
from schemas.broker.services import is_of_service
from schemas.broker.topology import Aside
from schemas.errors import Conflict, Rejected, Unavailable
from schemas.events import ControlEvent, Fact, UnknownType
from schemas.wire import event_from_bytes

_taken = counter("events_taken_total", "Events taken from an inbox, by outcome.", ["inbox", "outcome"])

#: The longest wait between two attempts at an event, in seconds.
_HOLD_CAP_S = 15.0
_REJECT_CAP_S = 5.0


class Intake:
    """Gives each delivery of one inbox to its handlers, several deliveries at a time."""

    def __init__(self, service: str, user: str, table: DispatchTable, publisher: ConfirmedPublisher) -> None:
        self._service = service
        self._user = user
        self._table = table
        self._publisher = publisher
        self._running: set[asyncio.Task[None]] = set()
        self._held: set[Delivery] = set()
        self._draining = asyncio.Event()
        self.consumer: Consumer | None = None

    def take_delivery(self, delivery: Delivery) -> None:
        """Begin to handle `delivery` in the background."""
        task = asyncio.create_task(self._handle_delivery(delivery))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def drain_handlers(self) -> None:
        """Take no more events, return the events on hold, and wait until the running handlers have ended."""
        self._draining.set()
        if self.consumer is not None:
            await self.consumer.pause()
        if self._running:
            await asyncio.wait(self._running)

    async def _handle_delivery(self, delivery: Delivery) -> None:
        try:
            outcome = await self._handle_with_retries(delivery)
        finally:
            await self._end_hold(delivery)
        _taken.labels(self._service, outcome).inc()

    async def _handle_with_retries(self, delivery: Delivery) -> str:
        n_holds = 0
        while True:
            try:
                return await self._handle_once(delivery)
            except Unavailable as error:
                if not await self._hold_event(delivery, error, n_holds):
                    await delivery.release()
                    return "released"
                n_holds += 1
            except Exception as error:  # noqa: BLE001 - the table's last row: whatever a handler may raise
                # Log the traceback once; repetitions of the same event get one line each.
                log.error("event failed", error=repr(error), attempt=delivery.attempt, exc_info=delivery.attempt == 1)
                await self._wait_or_drain(full_jitter(delivery.attempt, cap_s=_REJECT_CAP_S))
                await delivery.reject()
                return "failed"

    async def _handle_once(self, delivery: Delivery) -> str:
        try:
            event = _decode_event(delivery.body).with_sender(sender_of(delivery, self._user))
        except UnknownType as error:
            return await self._park_event(delivery, error)
        except Rejected as error:
            return await self._bury_event(delivery, error)
        with bind_event(event):
            try:
                _check_owner(event)
                await self._table.handle_event(event)
            except UnknownType as error:
                return await self._park_event(delivery, error)
            except Rejected as error:
                return await self._bury_event(delivery, error)
            except Conflict as error:
                log.info("event ignored", reason=error.reason)
                await delivery.ack()
                return "ignored"
            failpoint("bus.handled")
            if not await delivery.ack():
                log.info("event handled, but its loan was lost: it will come again")
            return "handled"

    async def _park_event(self, delivery: Delivery, error: UnknownType) -> str:
        await set_aside(self._publisher, self._service, delivery, Aside.PARKED, user=self._user, reason=error)
        log.warning("event parked", event_id=delivery.id, reason=error.reason)
        await delivery.ack()
        return "parked"

    async def _bury_event(self, delivery: Delivery, error: Rejected) -> str:
        await set_aside(self._publisher, self._service, delivery, Aside.DEAD, user=self._user, reason=error)
        log.warning("event rejected", event_id=delivery.id, reason=error.reason)
        await delivery.ack()
        return "rejected"

    async def _hold_event(self, delivery: Delivery, error: Unavailable, n_holds: int) -> bool:
        """Wait before the next attempt. Return False if there must be none: the process stops or the loan is lost."""
        if not self._held:
            log.warning("inbox paused", reason=error.reason)
        self._held.add(delivery)
        if self.consumer is not None:
            await self.consumer.pause()
        await self._wait_or_drain(full_jitter(n_holds, cap_s=_HOLD_CAP_S))
        return not self._draining.is_set() and not delivery.is_lost

    async def _end_hold(self, delivery: Delivery) -> None:
        if delivery not in self._held:
            return
        self._held.discard(delivery)
        if not self._held and self.consumer is not None and not self._draining.is_set():
            await self.consumer.resume()
            log.info("inbox resumed")

    async def _wait_or_drain(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._draining.wait()
        except TimeoutError:
            return


def _check_owner(event: ControlEvent) -> None:
    # On the exchange of facts the broker lets only the owner publish a fact, but other ways lead into an inbox.
    if isinstance(event.data, Fact) and not is_of_service(event.sender, event.data.BY):
        raise Rejected(f"only {event.data.BY} may publish this fact, and {event.sender or 'a nameless sender'} did")


def _decode_event(body: bytes) -> ControlEvent:
    try:
        return event_from_bytes(body)
    except Rejected:
        raise
    except Exception as error:
        # Whatever error a decoder raises for bytes from outside, it must become this one.
        raise Rejected(f"not an event: {type(error).__name__}") from error
