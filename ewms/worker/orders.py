"""Take orders from the pool's queue and carry them out. The order is acknowledged after WMS holds how it ended.

    node.run ─► the function (node.taken, if it takes long) ─► node.ended, confirmed ─► acknowledge

So the broker is the lease: a worker that dies loses its connection, and the order goes to another one.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from ewms.worker.isolation import call_isolated
from ewms.worker.offers import Offer
from ewms.worker.order_book import OrderBook, OrderKey, OrderVerdict, key_of
from ewms.worker.step_calling import call_ordered
from runtime.amqp import full_jitter
from runtime.clock import utc_now
from runtime.telemetry import counter, log
from schemas.errors import EWMSError, Rejected
from schemas.events import NodeEnded, NodeRun, NodeTaken, Payload, UnknownType, build_event
from schemas.ids import DefinitionHash, EventId
from schemas.topology import CONTROL_EXCHANGE, pool_service
from schemas.wire import EVENT_CONTENT_TYPE, event_from_bytes, event_to_bytes

#: How long a worker keeps an order that is for others, before it gives it back: others have time to take theirs.
_OTHERS_TURN_S = 0.5

#: A step that ends sooner is never reported as taken.
_TAKING_PAUSE_S = 0.25

_called = counter("steps_called_total", "Steps that a worker has called, by how they ended.", ["outcome"])


class Publishes(Protocol):
    """The part of a publisher that a worker needs."""

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        message_id: str,
        content_type: str,
        user_id: str,
        timeout_s: float | None,
    ) -> None:
        """Return when the broker holds the event."""
        ...


class LoanedOrder(Protocol):
    """The part of a delivery that a worker needs."""

    @property
    def body(self) -> bytes:
        """Return the event's bytes."""
        ...

    @property
    def is_redelivered(self) -> bool:
        """Whether the broker has delivered it before."""
        ...

    async def ack(self) -> bool:
        """Report it as done."""
        ...

    async def release(self) -> bool:
        """Give it back as if it had never been taken."""
        ...


class WmsVoice:
    """Tells WMS something, as the pool's user."""

    def __init__(self, publisher: Publishes, *, pool: str, worker: str) -> None:
        self._publisher = publisher
        self._user = pool_service(pool)
        self._source = f"ewms/steps/{worker}"

    async def say(self, payload: Payload, *, timeout_s: float | None = 10.0) -> None:
        """Return when the broker holds `payload` for WMS.

        Raises:
            Unavailable: the broker is away, or WMS has no inbox yet.
        """
        event = build_event(payload, event_id=EventId(str(uuid.uuid4())), source=self._source, time=utc_now())
        await self._publisher.publish(
            CONTROL_EXCHANGE,
            event.routing_key,
            event_to_bytes(event),
            message_id=event.id,
            content_type=EVENT_CONTENT_TYPE,
            user_id=self._user,
            timeout_s=timeout_s,
        )


class OrderIntake:
    """Carries orders out, several at a time."""

    def __init__(
        self,
        offers: Mapping[DefinitionHash, Offer],
        voice: WmsVoice,
        *,
        worker: str,
        n_slots: int,
        modules: Sequence[str] = (),
    ) -> None:
        """`modules` are those that an isolated step's process imports."""
        self._offers = offers
        self._modules = modules
        self._voice = voice
        self._worker = worker
        self._threads = ThreadPoolExecutor(max_workers=n_slots, thread_name_prefix="step")
        self._tasks: set[asyncio.Task[None]] = set()
        #: Set when WMS has heard how the order under way has ended.
        self._ends: dict[OrderKey, asyncio.Event] = {}
        self.book = OrderBook()

    def take_delivery(self, delivery: LoanedOrder) -> None:
        """Begin to carry `delivery` out."""
        self._keep_task(self._carry_out(delivery))

    async def drain(self) -> None:
        """Return when the orders under way have ended, and WMS holds how."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._threads.shutdown(wait=False)

    def _keep_task(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, delivery: LoanedOrder) -> None:
        try:
            order = event_from_bytes(delivery.body).data
        except (Rejected, UnknownType) as error:
            log.error("an order cannot be read", reason=error.reason)
            await delivery.ack()
            return
        if not isinstance(order, NodeRun):
            log.error("this is no order for a worker", type=type(order).__name__)
            await delivery.ack()
            return
        if order.definition_hash not in self._offers:
            await self._leave_to_others(order, delivery)
            return
        verdict = self.book.begin_order(order, utc_now(), is_redelivered=delivery.is_redelivered)
        if verdict is OrderVerdict.CARRY_OUT:
            ended = self._ends[key_of(order)] = asyncio.Event()
            if delivery.is_redelivered:
                # Whoever had it may have been ended by it. WMS counts that before it can happen again.
                await self._say_taken(order)
            await self._call_and_tell(order)
            del self._ends[key_of(order)]
            ended.set()
        elif delivery.is_redelivered:
            # It was lost with a connection of this worker, and is the lease of what runs here: keep it as long.
            if (first := self._ends.get(key_of(order))) is not None:
                await first.wait()
        else:
            log.debug("an order is left alone", why=verdict, run=order.run, node=order.node, attempt=order.attempt)
        await delivery.ack()

    async def _leave_to_others(self, order: NodeRun, delivery: LoanedOrder) -> None:
        """Give back an order for another version of a definition: a worker of the pool may have that.

        WMS sends it again in time, so one that nobody takes need not go round for ever.
        """
        if order.valid_until is not None and order.valid_until < utc_now():
            await delivery.ack()
            return
        await asyncio.sleep(_OTHERS_TURN_S)
        await delivery.release()

    async def _call_and_tell(self, order: NodeRun) -> None:
        started_at = utc_now()
        loop = asyncio.get_running_loop()
        # Most steps end before anybody would see that they were taken.
        taking = loop.call_later(_TAKING_PAUSE_S, lambda: self._keep_task(self._say_taken(order)))
        step = self._offers[order.definition_hash].find_step(order.node)
        if step is not None and step.isolate:
            fields = await loop.run_in_executor(self._threads, call_isolated, order, self._modules)
        else:
            fields = await loop.run_in_executor(self._threads, call_ordered, order, self._offers, loop)
        taking.cancel()
        ended = NodeEnded(**self._fence_of(order), **fields, started_at=started_at, ended_at=utc_now())
        _called.labels(str(ended.outcome)).inc()
        if ended.error is not None:
            log.info("a step failed", step=order.name, run=order.run, error=ended.error.error_class)
        await self._say_until_heard(ended)
        self.book.end_order(order)

    def _fence_of(self, order: NodeRun) -> dict[str, Any]:
        return {"run": order.run, "node": order.node, "attempt": order.attempt, "worker": self._worker}

    async def _say_taken(self, order: NodeRun) -> None:
        try:
            await self._voice.say(NodeTaken(**self._fence_of(order), taken_at=utc_now()))
        except EWMSError as error:
            log.debug("nobody heard that a step was taken", reason=error.reason)

    async def _say_until_heard(self, ended: NodeEnded) -> None:
        """Publish `ended` again and again until the broker holds it: what a step has done must not be lost."""
        n_failures = 0
        while True:
            try:
                await self._voice.say(ended)
                return
            except EWMSError as error:
                log.warning("the end of a step is not told yet", run=ended.run, node=ended.node, reason=error.reason)
                await asyncio.sleep(full_jitter(n_failures, cap_s=5.0))
                n_failures += 1
