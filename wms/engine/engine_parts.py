"""Build the parts of the engine, once, and run those that work in the background."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from runtime.bus.service_bus import Bus
from runtime.kernel.store import Store
from runtime.kernel.timers import Timers
from schemas.engine.run_documents import RUNS
from wms.audit.audit_log import AuditLog
from wms.encryption import SecretKeys
from wms.engine.brought import KeepsSubscriptions
from wms.engine.effects import Effects
from wms.engine.engine import Engine
from wms.engine.engine_lock import LockKeeper
from wms.engine.handlers import EngineHandlers
from wms.engine.inputs import Inputs
from wms.engine.life.run_acts import describe_decision
from wms.engine.nested.child_forms import ChildForms
from wms.engine.nested.child_workflows import ChildWorkflows
from wms.engine.nested.children import Children
from wms.engine.nested.workflow_queues import WorkflowQueues
from wms.engine.run_records import RunRecords
from wms.engine.run_watch import RunWatch
from wms.engine.step_workers import StepWorkers
from wms.engine.worker_questions import WorkerQuestions
from wms.fleet.fleet import Fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineParts:
    """Runs, the step workers and children that carry them on, and the watch for those who follow a run."""

    engine: Engine
    inputs: Inputs
    lock: LockKeeper
    workers: StepWorkers
    questions: WorkerQuestions
    children: Children
    queues: WorkflowQueues
    handlers: EngineHandlers
    watch: RunWatch

    @asynccontextmanager
    async def wake_runs(self) -> AsyncIterator[None]:
        """Wake runs when they are due, and when step workers come or are lost, during the block.

        All sources of definitions must be known to the engine before.
        """
        async with AsyncExitStack() as stack:
            self.workers.start()
            stack.push_async_callback(self.workers.stop)
            timers = Timers(self.engine.store, RUNS, self.engine.wake_run)
            self.engine.effects.on_wake_at.append(timers.wake_by)
            timers.start()
            stack.push_async_callback(timers.stop)
            yield


@asynccontextmanager
async def run_engine(
    store: Store,
    bus: Bus,
    fleet: Fleet,
    subscriptions: KeepsSubscriptions,
    *,
    keys: SecretKeys,
    source: str,
    silence: timedelta,
) -> AsyncIterator[EngineParts]:
    """Run the engine during the block: it decides, and carries out what it decides. `EngineParts.wake_runs` does the
    rest. `source` names this process in events, and after `silence` a step worker counts as lost.
    """
    async with AsyncExitStack() as stack:
        workers = StepWorkers(store, silence=silence)
        effects = Effects(bus, workers, source=source, keys=keys)
        lock = LockKeeper(store)
        await lock.start()
        stack.push_async_callback(lock.stop)
        engine = Engine(store, effects, workers, subscriptions, lock)
        engine.records.append(RunRecords(AuditLog(store), describe_decision).record_change)
        queues = WorkflowQueues(bus)
        workflows = ChildWorkflows(engine, store, fleet, queues)
        workflows.start()
        stack.callback(workflows.stop)
        questions = WorkerQuestions(bus, store, silence=silence)
        ChildForms(engine, questions)
        stack.push_async_callback(effects.stop)
        yield EngineParts(
            engine=engine,
            inputs=Inputs(engine, store),
            lock=lock,
            workers=workers,
            questions=questions,
            children=Children(engine, store, workflows),
            queues=queues,
            handlers=EngineHandlers(engine, workers),
            watch=RunWatch(store),
        )
