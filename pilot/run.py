"""The pilot's shell: tell the lifecycle what happened, and carry out its instructions. It decides nothing.

Everything runs as callbacks on one event loop. A stimulus that arrives while another is handled waits in a queue.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from typing import Any

from pilot.chirp.sender import Chirper
from pilot.containers.command import Runtime
from pilot.containers.leftovers import printer
from pilot.containers.memory_watch import MemoryWatch
from pilot.containers.mounts import Mount
from pilot.containers.processes import Children
from pilot.containers.run_files import WorkDirectory
from pilot.containers.task_interface import Outcome
from pilot.errors import Failure, QueueGone
from pilot.events.attempt_reports import Reports
from pilot.events.log_excerpts import excerpt_input, name_event
from pilot.events.publishing import Publishing, Run
from pilot.events.queues import Queues
from pilot.life import lifecycle
from pilot.life.instructions import (
    Adopt,
    CoolDown,
    Count,
    Exit,
    How,
    Instruction,
    KillAll,
    Listen,
    PublishDeadLetter,
    PublishOutput,
    Report,
    RunInit,
    Settle,
    Start,
    StopListening,
    WarmUp,
)
from pilot.life.retiring import end_of_work_s
from pilot.life.state import Policy, State, policy
from pilot.life.stimuli import (
    Arrived,
    Broke,
    Confirmed,
    Cooled,
    Ended,
    Held,
    InitEnded,
    Lost,
    Refused,
    Stimulus,
    StopAsked,
    Tick,
)
from pilot.program_runner import Containers
from pilot.settings import Queue, Settings
from pilot.whereabouts import Whereabouts
from runtime.amqp import Delivery
from schemas.errors import EWMSError

log = logging.getLogger(__name__)


class Pilot:
    """One pilot at work."""

    def __init__(
        self,
        settings: Settings,
        *,
        queues: Queues,
        children: Children,
        work: WorkDirectory,
        chirper: Chirper,
        runtime: Runtime,
        init_runtime: Runtime | None,
        external: tuple[Mount, ...],
        born_s: float,
        whereabouts: Whereabouts,
        charges_events: bool,
    ) -> None:
        """`born_s` is when this process began, on the event loop's clock. The worker's runtime counts from there."""
        self._settings = settings
        self._born_s = born_s
        self._whereabouts = whereabouts
        self._charges_events = charges_events
        self._queues = queues
        self._chirper = chirper
        self._reports = Reports(settings, queues, whereabouts)
        self._publishing = Publishing(settings, queues, on_end=self._published)
        self._containers = Containers(
            settings,
            children=children,
            work=work,
            runtime=runtime,
            init_runtime=init_runtime,
            external=external,
            on_end=self._ended,
            on_init_end=lambda failure: self.feed(InitEnded(self._loop.time(), failure)),
            on_cold=lambda: self.feed(Cooled(self._loop.time())),
        )
        self._memory = MemoryWatch(children, settings.worker_memory_bytes or 0)
        self._loop = asyncio.get_running_loop()
        self._state: State | None = None
        self._stimuli: deque[Stimulus] = deque()
        self._busy = False
        self._next_key = 1
        self._deliveries: dict[int, tuple[Queue, Delivery]] = {}
        self._runs: dict[int, Run] = {}
        #: Background work. At the end the pilot waits for the settlements, and for the end of listening before them. It
        #: cancels the others.
        self._settlements: set[asyncio.Task[None]] = set()
        self._others: set[asyncio.Task[None]] = set()
        #: The last end of listening.
        self._stopping: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._exit: asyncio.Future[int] = self._loop.create_future()
        queues.on_delivery = self._on_delivery
        queues.on_lost = self._on_lost
        queues.on_gone = self._on_gone

    async def run(self) -> int:
        """Run the pilot until it leaves. Return the exit status."""
        self._state, instructions = lifecycle.begin(self._policy(), self._loop.time())
        self._memory.start()
        self._carry_out(instructions)
        try:
            return await self._exit
        finally:
            await self._memory.stop()
            await self._containers.gone()
            if self._timer is not None:
                self._timer.cancel()
            abandoned = (*self._publishing.under_way, *self._others)
            for task in abandoned:
                task.cancel()
            await asyncio.gather(
                *self._settlements,
                *abandoned,
                self._reports.finish(),
                self._containers.removed(),
                return_exceptions=True,
            )

    def _policy(self) -> Policy:
        ends_s = end_of_work_s(self._born_s, self._settings.worker_runtime_s)
        return policy(self._settings, ends_s=ends_s, charges_events=self._charges_events)

    def stop(self) -> None:
        """Ask the pilot to leave."""
        self.feed(StopAsked(self._loop.time()))

    def feed(self, stimulus: Stimulus) -> None:
        """Tell the lifecycle what happened, and carry out its instructions."""
        self._stimuli.append(stimulus)
        if self._busy or self._state is None:
            return
        self._carry_out(())

    def _carry_out(self, instructions: list[Instruction] | tuple[()]) -> None:
        assert self._state is not None
        self._busy = True
        try:
            for instruction in instructions:
                self._do(instruction)
            while self._stimuli:
                self._state, more = lifecycle.advance(self._state, self._stimuli.popleft())
                for instruction in more:
                    self._do(instruction)
        finally:
            self._busy = False
        self._set_timer()

    def _set_timer(self) -> None:
        """Set the timer so that a tick comes when it is due.

        An early tick does no harm. It costs less than setting the timer anew for every event.
        """
        assert self._state is not None
        due_s = lifecycle.wake_at(self._state)
        if due_s is None or (self._timer is not None and self._timer.when() <= due_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.feed(Tick(self._loop.time(), self._queues.standing, self._queues.complaint))

    def _do(self, instruction: Instruction) -> None:
        match instruction:
            case Start(key):
                self._start(key)
            case PublishOutput(key, after_s):
                self._publishing.output(key, self._runs[key], after_s)
            case Settle(key, how, failure):
                self._report(key, failure, gave_up=False)
                self._settle(key, how)
            case Count(n_failed, n_success, failure, held):
                self._chirper.counters(n_failed=n_failed, n_success=n_success, failure=failure)
                if failure is not None and held is not None:
                    self._log_failure(failure, held)
            case PublishDeadLetter(key, failure, attempt, after_s):
                if not after_s:  # for the first time
                    self._report(key, failure, gave_up=True)
                self._publishing.dead_letter(
                    key, *self._deliveries[key], failure=failure, attempt=attempt, after_s=after_s
                )
            case Report(status, error, traceback, is_bad):
                log.log(logging.ERROR if error else logging.INFO, "%s%s", status, f": {error}" if error else "")
                if traceback:
                    log.error("the last task's own words:\n%s", traceback)
                self._chirper.status(status, error, traceback, bad_machine=self._whereabouts.machine if is_bad else "")
            case Listen(prefetch):
                self._spawn(self._listen(prefetch), self._others)
            case StopListening():
                self._stopping = self._spawn(self._queues.stop_listening(), self._settlements)
            case Adopt(key, other):
                self._deliveries[key] = self._deliveries.pop(other)
            case RunInit():
                self._containers.run_init()
            case WarmUp():
                self._containers.warm_up()
            case CoolDown():
                self._containers.cool_down()
            case KillAll():
                self._containers.kill_all()
            case Exit(status):
                if not self._exit.done():
                    self._exit.set_result(status)

    def _log_failure(self, failure: Failure, held: Held) -> None:
        """Log which event failed, why, and how its input begins. The log belongs to the owner of the input."""
        entry = self._deliveries.get(held.key)
        event = entry[1].event if entry else None
        lines = [f"{name_event(event, attempt=held.attempt, queue=held.queue)} failed: {failure}"]
        if event is not None:
            lines.append(f"its input: {excerpt_input(event)}")
        if failure.traceback and printer.may_print(len(failure.traceback)):
            lines.append(failure.traceback)
        log.warning("%s", "\n".join(lines))

    def _spawn(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)
        return task

    # Events in.

    async def _listen(self, prefetch: int) -> None:
        try:
            await self._queues.listen(prefetch)
        except EWMSError as error:
            gone = isinstance(error, QueueGone)
            self.feed(Broke(self._loop.time(), f"{type(error).__name__}({error.reason!r})", gone))
        else:
            self.feed(Tick(self._loop.time(), self._queues.standing))

    def _on_delivery(self, queue: Queue, delivery: Delivery) -> None:
        key, self._next_key = self._next_key, self._next_key + 1
        self._deliveries[key] = (queue, delivery)
        held = Held(key, delivery.id, delivery.attempt, queue.mqid, n_returned=delivery.n_released)
        self.feed(Arrived(self._loop.time(), held))

    def _on_gone(self, error: QueueGone) -> None:
        log.critical("%s", error.reason)
        self.feed(Broke(self._loop.time(), f"{type(error).__name__}({error.reason!r})", gone=True))

    def _on_lost(self, queue: Queue) -> None:
        log.warning("the subscription to queue %s was lost, and what it had lent", queue)
        self.feed(Lost(self._loop.time(), queue.mqid))

    def _settle(self, key: int, how: How) -> None:
        self._runs.pop(key, None)
        self._publishing.drop(key)
        entry = self._deliveries.pop(key, None)
        if entry is None:
            return
        _, delivery = entry
        match how:
            case How.ACK:
                self._spawn(_settled(delivery.ack()), self._settlements)
            case How.REJECT:
                self._spawn(_settled(delivery.reject()), self._settlements)
            case How.DISCARD:
                self._spawn(_settled(delivery.reject(requeue=False)), self._settlements)
            case How.RETURN:
                self._spawn(_settled(self._give_back(delivery)), self._settlements)
            case How.FORGET:
                log.info("the delivery of event %s was lost; the broker will deliver it again", delivery.id)

    async def _give_back(self, delivery: Delivery) -> bool:
        """Release `delivery` once this pilot has stopped listening, if it was told to.

        Until then the broker would lend the event to this pilot again, and each time counts: an event that was given
        back often passes for one that fails.
        """
        if self._stopping is not None:
            await asyncio.wait((self._stopping,))
        return await delivery.release()

    # Runs.

    def _start(self, key: int) -> None:
        entry = self._deliveries.get(key)
        event, attempt = (entry[1].event, entry[1].attempt) if entry else (None, 1)
        self._runs[key] = Run(event, started_s=self._loop.time())
        self._containers.task.start(key, event, attempt)

    def _ended(self, key: int, outcome: Outcome) -> None:
        run = self._runs.get(key)
        if run is None:  # it was abandoned
            return
        has_output = outcome.output is not None
        if outcome.output is not None:
            run.output, run.output_type = outcome.output, outcome.output_type
        now_s = self._loop.time()
        run.last_lines, run.ended_s = outcome.last_lines, now_s
        self.feed(
            Ended(
                now_s,
                key,
                took_s=now_s - run.started_s,
                has_output=has_output,
                failure=outcome.failure,
                interrupted=outcome.interrupted,
            )
        )

    # Events out.

    def _report(self, key: int, failure: Failure | None, *, gave_up: bool) -> None:
        """Report the attempt if it failed. An event that is given up without a run is reported with the time now."""
        entry = self._deliveries.get(key)
        if failure is None or entry is None:
            return
        now_s = self._loop.time()
        run = self._runs.get(key) or Run(entry[1].event, started_s=now_s, ended_s=now_s)
        self._reports.report(*entry, run, failure=failure, gave_up=gave_up)

    def _published(self, key: int, refused: Failure | None, passing: bool) -> None:
        now_s = self._loop.time()
        self.feed(Confirmed(now_s, key) if refused is None else Refused(now_s, key, refused, passing))


async def _settled(settling: Coroutine[Any, Any, bool]) -> None:
    if not await settling:
        log.info("a delivery was lost before it could be settled; its event comes again")
