"""Send what follows from a decision, once it is stored. What is lost here comes again, by the run's `wake_at`."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, Protocol

from runtime.amqp import Unroutable
from runtime.clock import utc_now
from runtime.failpoints import failpoint
from runtime.telemetry import log
from schemas.errors import Conflict, EWMSError
from schemas.events import ControlEvent, NodeRun, build_event
from schemas.ids import EventId
from wms.engine.life.node_orders import make_node_run
from wms.engine.life.open_run import OpenRun, RunDecision
from wms.engine.step_workers import StepWorkers


class HintSender(Protocol):
    """What sends `node.run`: the bus."""

    async def send_hint(self, event: ControlEvent) -> None: ...


#: Does something about one node of a run.
NodeEffect = Callable[[OpenRun, int], Coroutine[Any, Any, None]]


class Effects:
    """Sends, in tasks of its own, what decisions ask for."""

    def __init__(self, sender: HintSender, workers: StepWorkers, *, source: str) -> None:
        self._sender = sender
        self._workers = workers
        self._source = source
        self._tasks: set[asyncio.Task[None]] = set()
        #: Called with the time at which a run must be woken.
        self.on_wake_at: list[Callable[[datetime], None]] = []
        #: Called with an order that nobody can carry out now, and why. The engine records it.
        self.on_unserved: Callable[[NodeRun, str], Awaitable[None]] | None = None
        #: What starts, cancels and looks at children, and looks for events that came early.
        self.start_child: NodeEffect | None = None
        self.cancel_child: NodeEffect | None = None
        self.look_at_child: NodeEffect | None = None
        self.seek_input: NodeEffect | None = None
        self.tell_parent: Callable[[OpenRun], Coroutine[Any, Any, None]] | None = None

    async def stop(self) -> None:
        """Return when what is being sent has been sent."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def follow(self, run: OpenRun, decision: RunDecision) -> None:
        """Begin to send what follows from `decision`, which is stored, and true of `run`."""
        for number in decision.sends:
            self._send_step(run, number)
        for numbers, effect in (
            (decision.starts, self.start_child),
            (decision.cancels, self.cancel_child),
            (decision.looks, self.look_at_child),
            (decision.seeks, self.seek_input),
        ):
            if effect is not None:
                for number in numbers:
                    self.begin_task(effect(run, number), f"node {run.facts.id}/{run.nodes[number].key}")
        if decision.ends_run and run.facts.parent is not None and self.tell_parent is not None:
            self.begin_task(self.tell_parent(run), f"parent of {run.facts.id}")
        if (wake_at := run.facts.wake_at) is not None:
            for listener in self.on_wake_at:
                listener(wake_at)

    def begin_task(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Do `work` in a task. Its errors are logged: `wake_at` brings it again."""
        task = asyncio.create_task(self._log_errors(work, what), name=what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _log_errors(self, work: Coroutine[Any, Any, None], what: str) -> None:
        try:
            await work
        except Conflict as error:
            log.info("nothing left to do", what=what, reason=error.reason)
        except EWMSError as error:
            log.warning("not done yet", what=what, reason=error.reason)
        except Exception as error:  # noqa: BLE001 - nobody waits for this task
            log.error("not done yet", what=what, exc_info=error)

    def _send_step(self, run: OpenRun, number: int) -> None:
        # The order is made now: the run may have moved on when the task begins.
        self.begin_task(self._send_order(make_node_run(run, number)), f"step {run.facts.id}/{run.nodes[number].key}")

    async def _send_order(self, order: NodeRun) -> None:
        refusal = self._workers.find_refusal(order.pool, order.definition_hash, order.definition)
        if not refusal:
            event = build_event(order, event_id=EventId(str(uuid.uuid4())), source=self._source, time=utc_now())
            try:
                await self._sender.send_hint(event)
            except Unroutable:
                refusal = f"no step worker of the pool {order.pool!r} has ever been there"
            failpoint("engine.sent")
        if refusal and self.on_unserved is not None:
            await self.on_unserved(order, refusal)
