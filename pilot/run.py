"""Carry out what the lifecycle says, and tell it what happened: the pilot's shell. It decides nothing.

Everything happens on one event loop by callbacks; a stimulus that comes up while another is carried out waits for it.
"""

import asyncio
import logging
import platform
import sys
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pilot import lifecycle
from pilot.attempts import dead_letter_headers
from pilot.chirp import Chirper
from pilot.container import Place, Runtime, task_command
from pilot.errors import (
    Failure,
    container_failed,
    container_not_started,
    container_timed_out,
    output_refused,
)
from pilot.errortext import last_words
from pilot.files import RunFiles, WorkDirectory, read_outfile, read_tail, remove_run, remove_tree
from pilot.instructions import (
    Adopt,
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
)
from pilot.mounts import Mount
from pilot.payloads import infile, legacy_output, output_type
from pilot.process import Child, Children
from pilot.queues import Queues, output_event_id
from pilot.settings import Queue, Settings
from pilot.state import Policy, State
from pilot.stimuli import (
    Arrived,
    Broke,
    Confirmed,
    Ended,
    Held,
    InitEnded,
    Lost,
    Refused,
    Stimulus,
    StopAsked,
    Tick,
)
from runtime.amqp import Delivery, QueueFull
from schemas.dataevents import DataEvent, Header, HeaderValue
from schemas.errors import EWMSError
from schemas.ids import EventId
from schemas.legacywire import Wire

log = logging.getLogger(__name__)

_DUMPED_BYTES = 16 * 1024


@dataclass(slots=True)
class Run:
    """One run of the task, from its start until its outputs are safe."""

    event: DataEvent | None
    files: RunFiles | None = None
    child: Child | None = None
    timer: asyncio.TimerHandle | None = None
    started_s: float = 0.0
    timed_out: bool = False
    interrupted: bool = False
    output: bytes = b""
    output_type: str = ""
    #: Output queues whose broker holds the output already.
    confirmed: set[int] = field(default_factory=set)


def policy(settings: Settings) -> Policy:
    """Return what the lifecycle needs of the settings."""
    return Policy(
        concurrency=settings.concurrency,
        first_timeout_s=settings.first_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        drain_grace_s=settings.drain_grace_s,
        reconnect_timeout_s=settings.reconnect_timeout_s,
        quarantine_s=settings.quarantine_s,
        stop_on_error=settings.stop_on_error,
        okay_errors=settings.okay_errors,
        max_failures_in_a_row=settings.max_failures_in_a_row,
        prefetch=settings.prefetch,
        has_init=settings.init is not None,
        source=not settings.inputs,
    )


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
    ) -> None:
        self._settings = settings
        self._queues = queues
        self._children = children
        self._work = work
        self._chirper = chirper
        self._runtime = runtime
        self._init_runtime = init_runtime
        self._external = external
        self._loop = asyncio.get_running_loop()
        self._state: State | None = None
        self._stimuli: deque[Stimulus] = deque()
        self._busy = False
        self._next_key = 1
        self._deliveries: dict[int, tuple[Queue, Delivery]] = {}
        self._runs: dict[int, Run] = {}
        self._publishing: dict[int, asyncio.Task[None]] = {}
        #: What goes on beside: some is waited for at the end, the rest is let go.
        self._settlements: set[asyncio.Task[None]] = set()
        self._others: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._init_child: Child | None = None
        self._exit: asyncio.Future[int] = self._loop.create_future()
        queues.on_delivery = self._on_delivery
        queues.on_lost = self._on_lost

    async def run(self) -> int:
        """Live, and return the exit status."""
        self._state, instructions = lifecycle.begin(policy(self._settings), self._loop.time())
        self._carry_out(instructions)
        try:
            return await self._exit
        finally:
            await self._children.kill_all()
            if self._timer is not None:
                self._timer.cancel()
            abandoned = (*self._publishing.values(), *self._others)
            for task in abandoned:
                task.cancel()
            await asyncio.gather(*self._settlements, *abandoned, return_exceptions=True)

    def stop(self) -> None:
        """Ask the pilot to leave."""
        self.feed(StopAsked(self._loop.time()))

    def feed(self, stimulus: Stimulus) -> None:
        """Tell the lifecycle what happened, and do what it says."""
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
        """See to it that a tick comes when it is due; one that comes early does no harm, and costs less than this."""
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
                self._publish(key, self._publish_output(key, after_s))
            case Settle(key, how):
                self._settle(key, how)
            case Count(n_failed, n_success, failure):
                self._chirper.counters(n_failed=n_failed, n_success=n_success, failure=failure)
                if failure is not None:
                    log.warning("task failed: %s", failure)
            case PublishDeadLetter(key, failure, attempt, after_s):
                self._publish(key, self._publish_dead_letter(key, failure, attempt, after_s))
            case Report(status, error, traceback):
                log.log(logging.ERROR if error else logging.INFO, "%s%s", status, f": {error}" if error else "")
                self._chirper.status(status, error, traceback)
            case Listen(prefetch):
                self._spawn(self._listen(prefetch), self._others)
            case StopListening():
                self._spawn(self._queues.stop_listening(), self._others)
            case Adopt(key, other):
                self._deliveries[key] = self._deliveries.pop(other)
            case RunInit():
                self._run_init()
            case KillAll():
                self._kill_all()
            case Exit(status):
                if not self._exit.done():
                    self._exit.set_result(status)

    def _spawn(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        task = self._loop.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)

    # Events in.

    async def _listen(self, prefetch: int) -> None:
        try:
            await self._queues.listen(prefetch)
        except EWMSError as error:
            self.feed(Broke(self._loop.time(), f"{type(error).__name__}({error.reason!r})"))
        else:
            self.feed(Tick(self._loop.time(), self._queues.standing))

    def _on_delivery(self, queue: Queue, delivery: Delivery) -> None:
        key, self._next_key = self._next_key, self._next_key + 1
        self._deliveries[key] = (queue, delivery)
        self.feed(Arrived(self._loop.time(), Held(key, delivery.id, delivery.attempt, queue.mqid)))

    def _on_lost(self, queue: Queue) -> None:
        log.warning("the subscription to queue %s was lost, and what it had lent", queue.mqid)
        self.feed(Lost(self._loop.time(), queue.mqid))

    def _settle(self, key: int, how: How) -> None:
        self._runs.pop(key, None)
        if (publishing := self._publishing.pop(key, None)) is not None:
            publishing.cancel()
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
                self._spawn(_settled(delivery.release()), self._settlements)
            case How.FORGET:
                log.info("the delivery of event %s was lost; the broker will deliver it again", delivery.id)

    # Runs.

    def _start(self, key: int) -> None:
        entry = self._deliveries.get(key)
        event = entry[1].event if entry else None
        run = self._runs[key] = Run(event, started_s=self._loop.time())
        body = infile(event, self._settings.infile_ext) if event else None
        if isinstance(body, Failure):
            self._ended(key, run, body)
            return
        try:
            files = run.files = self._work.begin_run(body)
            place = Place(files.task_io, files.infile, files.outfile, self._work.data_hub)
            command = task_command(self._runtime, self._settings.task, self._external, place, f"ewms-{files.name}")
            run.child = self._children.spawn(
                command, stdout=files.stdout, stderr=files.stderr, on_end=lambda code: self._on_end(key, run, code)
            )
        except (OSError, ValueError) as error:
            self._ended(key, run, container_not_started("task", _os_text(error)))
            return
        if self._settings.task_timeout_s is not None:
            run.timer = self._loop.call_later(self._settings.task_timeout_s, self._time_out, run)

    def _time_out(self, run: Run) -> None:
        run.timed_out = True
        if run.child is not None:
            self._children.kill(run.child)

    def _on_end(self, key: int, run: Run, code: int) -> None:
        assert run.files is not None
        if run.timer is not None:
            run.timer.cancel()
        failure: Failure | None = None
        if run.timed_out:
            failure = container_timed_out("task", self._settings.task_timeout_s or 0)
        elif code != 0:
            text, traceback = last_words(read_tail(run.files.stderr))
            failure = container_failed("task", code, text, traceback)
        self._ended(key, run, failure)

    def _ended(self, key: int, run: Run, failure: Failure | None) -> None:
        has_output = False
        if failure is None and run.files is not None and self._settings.outputs:
            body = read_outfile(run.files)
            content_type = output_type(body, self._settings.outfile_ext) if isinstance(body, bytes) else ""
            if isinstance(body, Failure):
                failure = body
            elif isinstance(content_type, Failure):
                failure = content_type
            elif body is not None:
                has_output, run.output, run.output_type = True, body, content_type
        now_s = self._loop.time()
        self.feed(
            Ended(
                now_s,
                key,
                took_s=now_s - run.started_s,
                has_output=has_output,
                failure=failure,
                interrupted=run.interrupted,
            )
        )
        # The slot has its next event by now; the rest is housekeeping.
        if run.files is not None:
            self._put_away(run.files, failed=failure is not None and not run.interrupted)

    def _put_away(self, files: RunFiles, *, failed: bool) -> None:
        if failed or self._settings.dump_output:
            for name, path in (("stdout", files.stdout), ("stderr", files.stderr)):
                if text := read_tail(path, _DUMPED_BYTES):
                    print(f"--- {name} of {files.name}\n{text}\n---", file=sys.stderr)  # noqa: T201 - it is the output
        if not self._settings.keep_files and not remove_run(files):
            self._spawn(asyncio.to_thread(remove_tree, files.directory), self._settlements)

    def _kill_all(self) -> None:
        for run in self._runs.values():
            if run.child is not None and not run.child.ended:
                run.interrupted = True
                self._children.kill(run.child)
        if self._init_child is not None:
            self._children.kill(self._init_child)

    def _run_init(self) -> None:
        assert self._settings.init is not None
        assert self._init_runtime is not None
        place = Place(data_hub=self._work.data_hub)
        timeout_s = self._settings.init_timeout_s
        timer: asyncio.TimerHandle | None = None
        timed_out = False

        def ended(code: int) -> None:
            if timer is not None:
                timer.cancel()
            failure: Failure | None = None
            if timed_out:
                failure = container_timed_out("init", timeout_s or 0)
            elif code != 0:
                failure = container_failed("init", code, *last_words(read_tail(files.stderr)))
            self.feed(InitEnded(self._loop.time(), failure))
            self._put_away(files, failed=failure is not None)

        def time_out() -> None:
            nonlocal timed_out
            timed_out = True
            self._children.kill(child)

        try:
            files = self._work.begin_init()
            command = task_command(self._init_runtime, self._settings.init, self._external, place, f"ewms-{files.name}")
            child = self._init_child = self._children.spawn(
                command, stdout=files.stdout, stderr=files.stderr, on_end=ended
            )
        except (OSError, ValueError) as error:
            self.feed(InitEnded(self._loop.time(), container_not_started("init", _os_text(error))))
            return
        if timeout_s is not None:
            timer = self._loop.call_later(timeout_s, time_out)

    # Events out.

    def _publish(self, key: int, work: Coroutine[Any, Any, None]) -> None:
        task = self._publishing[key] = self._loop.create_task(work)
        task.add_done_callback(lambda task: self._on_published(key, task))

    def _on_published(self, key: int, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if self._publishing.get(key) is task:
            del self._publishing[key]
        match task.exception():
            case None:
                self.feed(Confirmed(self._loop.time(), key))
            case EWMSError(reason=reason) as error:
                log.warning("the broker refused what was published: %s", reason)
                passing = isinstance(error, QueueFull)
                self.feed(Refused(self._loop.time(), key, output_refused(reason), passing))
            case error:
                log.error("publishing failed", exc_info=error)
                self.feed(Refused(self._loop.time(), key, output_refused(type(error).__name__), passing=False))

    async def _publish_output(self, key: int, after_s: float) -> None:
        if after_s:
            await asyncio.sleep(after_s)
        run = self._runs[key]
        missing = [(index, queue) for index, queue in enumerate(self._settings.outputs) if index not in run.confirmed]
        if len(missing) == 1:
            await self._publish_to(run, *missing[0])
        else:
            await asyncio.gather(*(self._publish_to(run, index, queue) for index, queue in missing))

    async def _publish_to(self, run: Run, index: int, queue: Queue) -> None:
        parent = run.event.id if run.event else EventId("")
        headers: dict[str, HeaderValue] = {}
        if parent:
            headers[Header.PARENT] = parent
        if run.event and Header.TRACE in run.event.headers:
            headers[Header.TRACE] = run.event.headers[Header.TRACE]
        event_id = output_event_id(parent, self._settings.task_id, index)
        body, content_type = run.output, run.output_type
        if queue.wire is Wire.LEGACY and (packed := legacy_output(body, content_type, headers)) is not None:
            body, content_type = packed, ""
        await self._queues.publish(queue, DataEvent(body, event_id, content_type, headers))
        run.confirmed.add(index)

    async def _publish_dead_letter(self, key: int, failure: Failure, attempt: int, after_s: float) -> None:
        if after_s:
            await asyncio.sleep(after_s)
        queue, delivery = self._deliveries[key]
        if not self._settings.workflow_id:
            raise EWMSError("EWMS_PILOT_WORKFLOW_ID is not set, so the broker makes the dead letter")
        headers = dead_letter_headers(
            delivery.headers.items(),
            failure,
            attempt=attempt,
            queue=queue.mqid,
            settings=self._settings,
            worker=platform.node(),
            now=datetime.fromtimestamp(time.time(), UTC),
        )
        event_id = delivery.id or output_event_id(EventId(""), self._settings.task_id, 0)
        await self._queues.publish_dead(queue, DataEvent(delivery.body, event_id, delivery.content_type, headers))


async def _settled(settling: Coroutine[Any, Any, bool]) -> None:
    if not await settling:
        log.info("a delivery was lost before it could be settled; its event comes again")


def _os_text(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
