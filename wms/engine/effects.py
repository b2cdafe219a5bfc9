"""Carry out the effects of a stored decision. If an effect is lost, the engine repeats it at the run's `wake_at`."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Coroutine
from datetime import datetime
from typing import Any, Protocol

from runtime.amqp import Unroutable
from runtime.clock import utc_now
from runtime.failpoints import failpoint
from runtime.telemetry import log
from schemas.engine.graph import WaitSpec
from schemas.engine.runs import RunStatus, WaitAnswer
from schemas.errors import Conflict, EWMSError
from schemas.events import ControlEvent, NodeRun, build_event
from schemas.ids import EventId, RunId
from wms.encryption import SecretKeys
from wms.engine.brought import KeepsSubscriptions
from wms.engine.life.attempts import BARE_RESULT_KEY
from wms.engine.life.node_orders import make_node_run
from wms.engine.life.open_run import OpenRun, RunDecision, calls_function
from wms.engine.step_workers import StepWorkers


class HintSender(Protocol):
    """Something that sends `node.run` to the step workers: the bus, or a stand-in in a test."""

    async def send_hint(self, event: ControlEvent) -> None: ...


#: Carries out one kind of effect for one node of a run.
NodeEffect = Callable[[OpenRun, int], Coroutine[Any, Any, None]]


class Effects:
    """Carries out the effects of decisions, each in a task."""

    def __init__(
        self, sender: HintSender, workers: StepWorkers, *, source: str, keys: SecretKeys | None = None
    ) -> None:
        """`keys` are those of the secrets in runs. Without them, a run with sealed secrets does not go on."""
        self._sender = sender
        self._workers = workers
        self._source = source
        self.keys = keys or SecretKeys(())
        self._tasks: set[asyncio.Task[None]] = set()
        #: Called with the time at which a run must be woken.
        self.on_wake_at: list[Callable[[datetime], None]] = []
        #: Called with an order that no step worker can carry out now, and with the reason. The engine records it.
        self.on_unserved: Callable[[NodeRun, str], Awaitable[None]] | None = None
        #: What hands subscriptions to steps; None: nothing does.
        self.subscriptions: KeepsSubscriptions | None = None
        #: These start, cancel and look at children, and look for events that came early.
        self.start_child: NodeEffect | None = None
        self.cancel_child: NodeEffect | None = None
        self.look_at_child: NodeEffect | None = None
        self.seek_input: NodeEffect | None = None
        self.tell_parent: Callable[[OpenRun], Coroutine[Any, Any, None]] | None = None
        #: What has a step worker evaluate the form of a run that has not begun.
        self.fill_form: Callable[[OpenRun], Coroutine[Any, Any, None]] | None = None
        #: Whether the engine is locked. What would begin is held back then: run and node -> its attempt.
        self.is_locked: Callable[[], bool] = lambda: False
        self._held_back: dict[tuple[RunId, int], int] = {}

    async def stop(self) -> None:
        """Wait until the effects under way are done."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def follow(self, run: OpenRun, decision: RunDecision) -> None:
        """Start to carry out the effects of `decision`, which is stored. `run` is the run after the decision."""
        for number in (*decision.sends, *decision.starts):
            if self.is_locked():
                self._held_back[run.facts.id, number] = run.nodes[number].attempt
            else:
                self.begin_node(run, number)
        for numbers, effect in (
            (decision.cancels, self.cancel_child),
            (decision.looks, self.look_at_child),
            (decision.seeks, self.seek_input),
        ):
            if effect is not None:
                for number in numbers:
                    self.begin_task(effect(run, number), f"node {run.facts.id}/{run.nodes[number].key}")
        if run.facts.status is RunStatus.CREATED and run.facts.pages is not None and self.fill_form is not None:
            self.begin_task(self.fill_form(run), f"form of {run.facts.id}")
        if decision.ends_run and run.facts.parent is not None and self.tell_parent is not None:
            self.begin_task(self.tell_parent(run), f"parent of {run.facts.id}")
        if (wake_at := run.facts.wake_at) is not None:
            for listener in self.on_wake_at:
                listener(wake_at)

    def begin_node(self, run: OpenRun, number: int) -> None:
        """Start to send the order of a due node, or to start its child."""
        if calls_function(run.facts.graph.nodes[number]):
            self._send_step(run, number)
        elif self.start_child is not None:
            self.begin_task(self.start_child(run, number), f"node {run.facts.id}/{run.nodes[number].key}")

    def take_held_back(self) -> dict[tuple[RunId, int], int]:
        """Return the nodes that the lock has held back since the last call: (run, node) -> attempt."""
        held_back, self._held_back = self._held_back, {}
        return held_back

    def begin_task(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Run `work` in a task, and log its errors. After an error, the engine tries again at the run's `wake_at`.

        `what` names the work in the log.
        """
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
        # Make the order now. When the task begins, the run may have moved on.
        work = self._send_order(make_node_run(run, number), run.facts.subscriptions, run.facts.masked)
        self.begin_task(work, f"step {run.facts.id}/{run.nodes[number].key}")

    async def _send_order(self, order: NodeRun, related: tuple[str, ...], masked: tuple[str, ...]) -> None:
        refusal = self._workers.find_refusal(order.pool, order.definition_hash, order.definition)
        if not refusal and masked:
            try:
                order = unseal_order(order, masked, self.keys)
            except EWMSError as error:
                refusal = f"{error.reason}: {error.hint}"
        if not refusal:
            if self.subscriptions is not None:
                loaded = await self.subscriptions.load_for_step(related, order.state)
                order = order.model_copy(update={"subscriptions": loaded})
            event = build_event(order, event_id=EventId(str(uuid.uuid4())), source=self._source, time=utc_now())
            try:
                await self._sender.send_hint(event)
            except Unroutable:
                refusal = f"no step worker of the pool {order.pool!r} has ever been there"
            failpoint("engine.sent")
        if refusal and self.on_unserved is not None:
            await self.on_unserved(order, refusal)


def unseal_order(order: NodeRun, masked: Collection[str], keys: SecretKeys) -> NodeRun:
    """Return an order in which a step worker can read the secrets called `masked`.

    Raises:
        NoKey: the settings have no key.
        Broken: none of the keys fits.
    """
    parts = {"state": order.state, "variables": order.variables, "artifacts": order.artifacts}
    return order.model_copy(update={name: keys.unseal_values(values, masked) for name, values in parts.items()})


def seal_answer(answer: WaitAnswer, spec: WaitSpec, masked: Collection[str], keys: SecretKeys) -> WaitAnswer:
    """Return an answer from outside, with what goes into the state under the keys `masked` as it may be stored."""
    body, key = answer.body, spec.result_key
    if not masked or body is None:
        return answer
    if isinstance(body, dict) and not key:
        sealed: Any = keys.seal_values(body, masked)
    else:
        key = key or BARE_RESULT_KEY
        sealed = keys.seal_values({key: body}, masked)[key]
    return answer.model_copy(update={"body": sealed})
