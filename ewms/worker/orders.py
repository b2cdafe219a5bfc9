"""Take orders from the pool's queue and carry them out. The worker acknowledges an order after WMS has got its result.

    node.run ─► the function (node.taken, if it takes long) ─► node.ended, confirmed ─► acknowledge

If a worker dies, its connection ends, and the broker gives its unacknowledged orders to other workers.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

from ewms.worker.coroutine_loop import CoroutineLoop
from ewms.worker.isolation import call_isolated
from ewms.worker.offers import AnyOffer
from ewms.worker.order_book import OrderBook, OrderKey, OrderVerdict, key_of
from ewms.worker.prompt_start import PromptStart, StartedLate, begin_promptly
from ewms.worker.step_calling import EndFields, carry_order_out
from ewms.worker.subscription_source import AskWms, refuse_questions
from runtime.amqp import full_jitter
from runtime.clock import utc_now
from runtime.failpoints import failpoint
from runtime.telemetry import counter, log
from schemas.broker.topology import CONTROL_EXCHANGE, pool_service
from schemas.errors import EWMSError, Rejected
from schemas.events import (
    NodeEnded,
    NodeReturned,
    NodeRun,
    NodeTaken,
    Payload,
    ReturnReason,
    UnknownType,
    build_event,
)
from schemas.ids import DefinitionHash, EventId
from schemas.wire import EVENT_CONTENT_TYPE, event_from_bytes, event_to_bytes

#: The worker does not report a step as taken if it ends sooner than this, in seconds.
_TAKING_PAUSE_S = 0.25

_called = counter("steps_called_total", "Steps that a worker has called, by how they ended.", ["outcome"])


class Publishes(Protocol):
    """The method of a publisher that a worker uses."""

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
        """Publish an event. Return when the broker has it."""
        ...


class LoanedOrder(Protocol):
    """The methods of a delivery that a worker uses."""

    @property
    def body(self) -> bytes:
        """Return the event's bytes."""
        ...

    @property
    def is_redelivered(self) -> bool:
        """Whether the broker has delivered this order before."""
        ...

    async def is_still_lent(self) -> bool:
        """Ask the broker whether the order is still this worker's, and return the answer."""
        ...

    async def ack(self) -> bool:
        """Tell the broker that the order is done. Return False if the order is no longer this worker's."""
        ...

    async def release(self) -> bool:
        """Give the order back to the broker. Return False if the order is no longer this worker's."""
        ...


class WmsVoice:
    """Sends reports to WMS, as the pool's user."""

    def __init__(self, publisher: Publishes, *, pool: str, worker: str) -> None:
        self._publisher = publisher
        self._user = pool_service(pool)
        self._source = f"ewms/steps/{worker}"

    async def say(self, payload: Payload, *, timeout_s: float | None = 10.0) -> None:
        """Send `payload` to WMS. Return when the broker has it.

        Raises:
            Unavailable: the broker does not answer, or WMS has no inbox yet.
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
    """Carries out orders, several at a time."""

    def __init__(
        self,
        offers: Mapping[DefinitionHash, AnyOffer],
        voice: WmsVoice,
        *,
        worker: str,
        n_slots: int,
        modules: Sequence[str] = (),
        alias: str = "",
        ask: AskWms = refuse_questions,
        has_stood_still: Callable[[], bool] = lambda: False,
    ) -> None:
        """The process of an isolated step imports `modules`, with `alias`. `ask` asks WMS on behalf of a step.

        If `has_stood_still()`, the worker first asks the broker whether the order is still its own.
        """
        self._has_stood_still = has_stood_still
        self._ask = ask
        self._offers = offers
        self._modules, self._alias = modules, alias
        self._voice = voice
        self._worker = worker
        self._threads = ThreadPoolExecutor(max_workers=n_slots, thread_name_prefix="step")
        self._coroutines = CoroutineLoop()
        self._tasks: set[asyncio.Task[None]] = set()
        #: Set when WMS has heard of the end of the order under way.
        self._ends: dict[OrderKey, asyncio.Event] = {}
        self.book = OrderBook()

    def take_delivery(self, delivery: LoanedOrder) -> None:
        """Start to carry out the order in `delivery`. Return at once."""
        self._keep_task(self._carry_out(delivery))

    async def drain(self) -> None:
        """Return when the orders under way have ended, and WMS has got their results."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._threads.shutdown(wait=False)
        self._coroutines.close()

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
            await self._return_order(order, ReturnReason.NOT_OFFERED)
            await delivery.ack()
            return
        verdict = self.book.begin_order(order, utc_now(), is_redelivered=delivery.is_redelivered)
        if verdict is OrderVerdict.CARRY_OUT:
            ended = self._ends[key_of(order)] = asyncio.Event()
            was_called = await self._call_and_tell(order, delivery)
            if not was_called:
                log.info("an order is left to others", run=order.run, node=order.node, attempt=order.attempt)
                self.book.forget_order(order)
            del self._ends[key_of(order)]
            ended.set()
            if not was_called:
                # A broker that did not answer in time counts it still as lent: an acknowledgement would lose it.
                await delivery.release()
                return
        elif verdict is OrderVerdict.LOST:
            await self._return_order(order, ReturnReason.LOST)
        elif delivery.is_redelivered:
            # It was lost with a connection of this worker. While the step runs here, keep this loan.
            if (first := self._ends.get(key_of(order))) is not None:
                await first.wait()
            if not self.book.knows_order(order):
                # The first was left to others: to this one.
                await self._return_order(order, ReturnReason.LOST)
        else:
            log.debug("an order is left alone", why=verdict, run=order.run, node=order.node, attempt=order.attempt)
        await delivery.ack()

    async def _return_order(self, order: NodeRun, reason: ReturnReason) -> None:
        fence = self._fence_of(order)
        await self._say_until_heard(NodeReturned(**fence, n_lost=order.n_lost, reason=reason))

    async def _call_and_tell(self, order: NodeRun, delivery: LoanedOrder) -> bool:
        """Call the step and tell WMS how it ended. Return False if the order is no longer this worker's."""
        started_at = utc_now()
        fields = await self._call_while_lent(order, delivery)
        if fields is None:
            return False
        failpoint("worker.called")
        ended = NodeEnded(
            **self._fence_of(order), **fields, n_polls=order.n_polls, started_at=started_at, ended_at=utc_now()
        )
        _called.labels(str(ended.outcome)).inc()
        if ended.error is not None:
            log.info("a step failed", step=order.name, run=order.run, error=ended.error.error_class)
        await self._say_until_heard(ended)
        failpoint("worker.confirmed")
        self.book.end_order(order)
        return True

    async def _call_while_lent(self, order: NodeRun, delivery: LoanedOrder) -> EndFields | None:
        """Call the step and return how it ended. Return None if this process stood still and lost the order."""
        failpoint("worker.accepted")
        must_ask = self._has_stood_still()
        while True:
            start = PromptStart()
            if must_ask and not await delivery.is_still_lent():
                return None
            try:
                return await self._call(order, start)
            except StartedLate:
                must_ask = True

    async def _call(self, order: NodeRun, start: PromptStart) -> EndFields:
        loop = asyncio.get_running_loop()
        # Most steps end before anyone could see the report.
        taking = loop.call_later(_TAKING_PAUSE_S, lambda: self._keep_task(self._say_taken(order)))
        try:
            if self._offers[order.definition_hash].is_isolated(order.node):
                call = partial(call_isolated, order, self._modules, self._ask, self._alias)
                return await loop.run_in_executor(self._threads, begin_promptly(start, call))
            return await carry_order_out(
                order, self._offers, threads=self._threads, coroutines=self._coroutines, ask=self._ask, start=start
            )
        finally:
            taking.cancel()

    def _fence_of(self, order: NodeRun) -> dict[str, Any]:
        return {"run": order.run, "node": order.node, "attempt": order.attempt, "worker": self._worker}

    async def _say_taken(self, order: NodeRun) -> None:
        try:
            await self._voice.say(NodeTaken(**self._fence_of(order), n_lost=order.n_lost, taken_at=utc_now()))
        except EWMSError as error:
            log.debug("the news that a step was taken reached no service", reason=error.reason)

    async def _say_until_heard(self, ended: NodeEnded | NodeReturned) -> None:
        """Publish `ended` until the broker has it: the result of a step must not be lost."""
        n_failures = 0
        while True:
            try:
                await self._voice.say(ended)
                return
            except EWMSError as error:
                log.warning("the end of a step is not told yet", run=ended.run, node=ended.node, reason=error.reason)
                await asyncio.sleep(full_jitter(n_failures, cap_s=5.0))
                n_failures += 1
