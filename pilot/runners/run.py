"""The pilot's shell: give the lifecycle its stimuli, and carry out its instructions. The shell decides nothing.

All code runs as callbacks on one event loop.
"""

import asyncio
import logging

from pilot.chirp.sender import Chirper
from pilot.containers.command import Runtime
from pilot.containers.leftovers import printer
from pilot.containers.memory_watch import MemoryWatch
from pilot.containers.mounts import Mount
from pilot.containers.processes import TaskProcesses
from pilot.containers.run_files import WorkDirectory
from pilot.containers.task_interface import RunOutcome
from pilot.errors import QueueGone
from pilot.events.attempt_reports import AttemptReports
from pilot.events.log_excerpts import describe_failure
from pilot.events.publishing import Publishing, TaskRun
from pilot.events.queues import PilotQueues
from pilot.failures.failure import Failure
from pilot.life.instructions import (
    ChirpCounters,
    ChirpStatus,
    CoolDown,
    Instruction,
    KillAll,
    LeaveProcess,
    Listen,
    PublishDeadLetter,
    PublishOutcome,
    PublishOutput,
    RunInit,
    Settle,
    Settlement,
    Start,
    StopListening,
    TakeOverDelivery,
    WarmUp,
)
from pilot.life.retiring import end_of_work_s
from pilot.life.state import Policy, derive_policy
from pilot.life.stimuli import (
    CooledDown,
    EventArrived,
    HeldEvent,
    InitEnded,
    PilotBroken,
    PublishConfirmed,
    PublishRefused,
    RunEnded,
    StopAsked,
    SubscriptionLost,
    Tick,
)
from pilot.logs.run_logs import LogPublisher
from pilot.machine.whereabouts import Whereabouts
from pilot.machine.work_meter import WorkMeter
from pilot.runners.lifecycle_runner import LifecycleRunner
from pilot.runners.program_runner import Containers
from pilot.runners.settlements import HeldDeliveries
from pilot.runners.traced_events import TracedEvents
from pilot.settings import PilotSettings
from runtime.amqp import Delivery
from schemas.errors import EWMSError
from schemas.pilot.pilot_wire import QueueEndpoint
from schemas.pilot.work_report import report_to_text

log = logging.getLogger(__name__)


class Pilot:
    """A pilot at work."""

    def __init__(
        self,
        settings: PilotSettings,
        *,
        queues: PilotQueues,
        children: TaskProcesses,
        work: WorkDirectory,
        chirper: Chirper,
        runtime: Runtime,
        init_runtime: Runtime | None,
        external: tuple[Mount, ...],
        born_s: float,
        whereabouts: Whereabouts,
        charges_events: bool,
    ) -> None:
        """`born_s` is when this process began, on the event loop's clock. The worker's runtime counts from then on."""
        self._settings = settings
        self._born_s = born_s
        self._whereabouts = whereabouts
        self._charges_events = charges_events
        self._queues = queues
        self._chirper = chirper
        self._reports = AttemptReports(settings, queues, whereabouts)
        self._publishing = Publishing(settings, queues, whereabouts, mask=work.mask, on_end=self._on_published)
        self._logs = LogPublisher(settings, queues, work.mask)
        self._containers = Containers(
            settings,
            children=children,
            work=work,
            runtime=runtime,
            init_runtime=init_runtime,
            external=external,
            log_publisher=self._logs,
            on_end=self._on_run_end,
            on_init_end=lambda failure: self._life.handle_stimulus(InitEnded(self._loop.time(), failure)),
            on_cold=lambda: self._life.handle_stimulus(CooledDown(self._loop.time())),
        )
        self._memory = MemoryWatch(children, settings.worker_memory_bytes or 0)
        self._loop = asyncio.get_running_loop()
        self._life = LifecycleRunner(self._carry_out, make_tick=self._make_tick, clock=self._loop)
        self._held = HeldDeliveries()
        self._meter = WorkMeter(self._reports.pilot, settings.concurrency)
        chirper.read_work = self._read_work
        self._runs: dict[int, TaskRun] = {}
        self._traced = TracedEvents(self._reports, one_in=settings.trace_one_in)
        #: The tasks that begin subscriptions. At its end the pilot cancels them, but it waits for settlements.
        self._beginnings: set[asyncio.Task[None]] = set()
        self._exit: asyncio.Future[int] = self._loop.create_future()
        queues.on_delivery = self._on_delivery
        queues.on_lost = self._on_lost
        queues.on_gone = self._on_gone

    async def run(self) -> int:
        """Run the pilot until it leaves. Return the exit status."""
        self._memory.start_watching()
        self._life.begin_life(self._build_policy())
        try:
            return await self._exit
        finally:
            await self._memory.stop_watching()
            await self._containers.end_all()
            self._life.cancel_timer()
            abandoned = (*self._publishing.under_way, *self._beginnings)
            for task in abandoned:
                task.cancel()
            await asyncio.gather(
                *self._held.under_way,
                *abandoned,
                self._reports.finish_sending(),
                self._logs.finish_sending(),
                self._containers.wait_for_removals(),
                return_exceptions=True,
            )

    def _build_policy(self) -> Policy:
        ends_s = end_of_work_s(self._born_s, self._settings.worker_runtime_s)
        return derive_policy(self._settings, ends_s=ends_s, charges_events=self._charges_events)

    def ask_to_stop(self) -> None:
        """Ask the pilot to leave, and return at once. `run` returns when the pilot has left."""
        self._life.handle_stimulus(StopAsked(self._loop.time()))

    def _make_tick(self) -> Tick:
        return Tick(self._loop.time(), self._queues.is_standing, self._queues.complaint)

    def _carry_out(self, instruction: Instruction) -> None:
        match instruction:
            case Start(key):
                self._start_run(key)
            case PublishOutput(key, after_s):
                self._publishing.publish_output(key, self._runs[key], after_s)
            case Settle(key, how, failure):
                self._report_attempt(key, failure, gave_up=False, counts=how.counts)
                self._settle_delivery(key, how)
            case ChirpCounters(n_failed, n_success, failure, held):
                self._chirper.set_counters(n_failed=n_failed, n_success=n_success, failure=failure)
                if failure is not None and held is not None:
                    self._log_failure(failure, held)
            case PublishDeadLetter(key, failure, attempt, after_s):
                if not after_s:  # for the first time
                    self._report_attempt(key, failure, gave_up=True, counts=True)
                self._traced.note_dead_letter(key)
                self._publishing.publish_dead_letter(
                    key, *self._held.get_delivery(key), failure=failure, attempt=attempt, after_s=after_s
                )
            case PublishOutcome(key, failure, attempt, after_s):
                self._traced.note_outcome(key, failure)
                self._publishing.publish_outcome(key, self._find_run(key, attempt), failure, after_s)
            case ChirpStatus(status, error, traceback, is_bad):
                log.log(logging.ERROR if error else logging.INFO, "%s%s", status, f": {error}" if error else "")
                if traceback:
                    log.error("the output of the last failed task:\n%s", traceback)
                self._chirper.set_status(
                    status, error, traceback, bad_machine=self._whereabouts.machine if is_bad else ""
                )
            case Listen(prefetch):
                beginning = self._loop.create_task(self._begin_listening(prefetch))
                self._beginnings.add(beginning)
                beginning.add_done_callback(self._beginnings.discard)
            case StopListening():
                self._held.stop_listening(self._queues.stop_listening())
            case TakeOverDelivery(key, other):
                self._held.take_over(key, other)
                self._traced.forget_attempt(other)
            case RunInit():
                self._containers.run_init()
            case WarmUp():
                self._containers.warm_up()
            case CoolDown():
                self._containers.cool_down()
            case KillAll():
                self._containers.kill_all()
            case LeaveProcess(status):
                if not self._exit.done():
                    self._exit.set_result(status)

    def _log_failure(self, failure: Failure, held: HeldEvent) -> None:
        """Log a failed event. The same user owns its input and the log."""
        entry = self._held.find_delivery(held.key)
        event = entry[1].event if entry else None
        with_traceback = bool(failure.traceback) and printer.may_print(len(failure.traceback))
        lines = describe_failure(failure, event, attempt=held.attempt, queue=held.queue, with_traceback=with_traceback)
        log.warning("%s", lines)

    async def _begin_listening(self, prefetch: int) -> None:
        try:
            await self._queues.start_listening(prefetch)
        except EWMSError as error:
            gone = isinstance(error, QueueGone)
            self._life.handle_stimulus(
                PilotBroken(self._loop.time(), f"{type(error).__name__}({error.reason!r})", gone)
            )
        else:
            self._life.handle_stimulus(Tick(self._loop.time(), self._queues.is_standing))

    def _on_delivery(self, queue: QueueEndpoint, delivery: Delivery) -> None:
        key = self._held.add_delivery(queue, delivery)
        self._traced.note_delivery(key, delivery)
        held = HeldEvent(key, delivery.id, delivery.attempt, queue.mqid, n_returned=delivery.n_released)
        self._life.handle_stimulus(EventArrived(self._loop.time(), held))

    def _on_gone(self, error: QueueGone) -> None:
        log.critical("%s", error.reason)
        self._life.handle_stimulus(
            PilotBroken(self._loop.time(), f"{type(error).__name__}({error.reason!r})", gone=True)
        )

    def _on_lost(self, queue: QueueEndpoint) -> None:
        log.warning("the subscription to queue %s was lost, together with its unsettled deliveries", queue)
        self._life.handle_stimulus(SubscriptionLost(self._loop.time(), queue.mqid))

    def _find_run(self, key: int, attempt: int) -> TaskRun:
        """Return the run of `key`. An event that was given up without a run gets a record of one."""
        if key not in self._runs:
            entry = self._held.find_delivery(key)
            self._runs[key] = TaskRun(entry[1].event if entry else None, attempt=attempt)
        return self._runs[key]

    def _settle_delivery(self, key: int, how: Settlement) -> None:
        run, entry = self._runs.pop(key, None), self._held.find_delivery(key)
        self._publishing.drop_publication(key)
        self._held.settle_delivery(key, how, on_acknowledged=self._traced.end_attempt(key, entry, run))

    def _start_run(self, key: int) -> None:
        entry = self._held.find_delivery(key)
        event, attempt = (entry[1].event, entry[1].attempt) if entry else (None, 1)
        traced = self._traced.find_attempt(key)
        self._runs[key] = TaskRun(event, attempt=attempt, started_s=self._loop.time(), traced=traced)
        self._meter.begin_run(key, self._runs[key].started_s)
        self._containers.task.start_run(key, event, attempt)

    def _read_work(self, wall_ms: int) -> str:
        work = self._meter.read_work(self._loop.time(), wall_ms=wall_ms, peak_bytes=self._memory.peak_bytes)
        return report_to_text(work) if work is not None else ""

    def _on_run_end(self, key: int, outcome: RunOutcome) -> None:
        now_s, failure, interrupted = self._loop.time(), outcome.failure, outcome.interrupted
        self._meter.end_run(key, now_s, has_failed=failure is not None, was_interrupted=interrupted)
        run = self._runs.get(key)
        if run is None:  # it was abandoned
            return
        has_output = outcome.output is not None
        if outcome.output is not None:
            run.output, run.output_type = outcome.output, outcome.output_type
        run.last_lines, run.ended_s = outcome.last_lines, now_s
        run.name, run.logs = outcome.name, outcome.logs
        took_s = now_s - run.started_s
        ended = RunEnded(now_s, key, took_s=took_s, has_output=has_output, failure=failure, interrupted=interrupted)
        self._life.handle_stimulus(ended)

    def _report_attempt(self, key: int, failure: Failure | None, *, gave_up: bool, counts: bool) -> None:
        """Report the attempt if it has failed. If the event was given up without a run, report the present time."""
        entry = self._held.find_delivery(key)
        if failure is None or entry is None:
            return
        now_s = self._loop.time()
        run = self._runs.get(key) or TaskRun(entry[1].event, started_s=now_s, ended_s=now_s)
        self._reports.report_attempt(*entry, run, failure=failure, gave_up=gave_up, counts=counts)

    def _on_published(self, key: int, refused: Failure | None, passing: bool) -> None:
        now_s = self._loop.time()
        self._life.handle_stimulus(
            PublishConfirmed(now_s, key) if refused is None else PublishRefused(now_s, key, refused, passing)
        )
