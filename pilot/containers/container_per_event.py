"""Run the task on each event in a container of its own: write the infile, run the container, read the outfile."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pilot.containers.command import Command, RunPlace, Runtime, task_command
from pilot.containers.leftovers import Leftovers
from pilot.containers.mounts import Mount
from pilot.containers.output_tail import Tail
from pilot.containers.processes import TaskProcess, TaskProcesses
from pilot.containers.run_files import RunFiles, WorkDirectory, read_outfile, read_tail, write_output
from pilot.containers.task_interface import RunOutcome
from pilot.events.carried_headers import read_trace
from pilot.events.log_excerpts import read_key
from pilot.events.payloads import build_argument, build_infile, choose_output_type
from pilot.failures.container_failures import (
    TASK,
    container_failed,
    container_not_started,
    container_timed_out,
    os_text,
)
from pilot.failures.error_text import is_runtimes_own, last_lines, last_words
from pilot.failures.failure import Failure
from pilot.logs.run_logs import LoggedRun, LogPublisher, RunLogs
from pilot.settings import PilotSettings
from schemas.attempts.trace_context import ENV_TRACE
from schemas.ids import EventId
from schemas.payloads.data_events import DataEvent
from schemas.pilot.outcomes import TaskStream


@dataclass(slots=True)
class _Run:
    files: RunFiles | None = None
    child: TaskProcess | None = None
    timer: asyncio.TimerHandle | None = None
    timed_out: bool = False
    interrupted: bool = False
    logs: RunLogs | None = None
    #: What is kept of both streams of a run that publishes logs.
    tails: dict[TaskStream, Tail] = field(default_factory=lambda: {stream: Tail() for stream in TaskStream})


class ContainerPerEvent:
    """Runs each event in its own container, and knows which containers run now."""

    def __init__(
        self,
        settings: PilotSettings,
        *,
        children: TaskProcesses,
        work: WorkDirectory,
        leftovers: Leftovers,
        runtime: Runtime,
        external: tuple[Mount, ...],
        log_publisher: LogPublisher,
        on_end: Callable[[int, RunOutcome], None],
    ) -> None:
        self._settings = settings
        self._children = children
        self._work = work
        self._leftovers = leftovers
        self._runtime = runtime
        self._external = external
        self._log_publisher = log_publisher
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._runs: dict[int, _Run] = {}

    def start_run(self, key: int, event: DataEvent | None, attempt: int) -> None:
        """Run a container on `event`. `attempt` is its number."""
        run = self._runs[key] = _Run()
        body = build_infile(event, self._settings.infile_ext) if event else None
        wants_argument = self._settings.payload_argument and isinstance(body, bytes)
        payload = build_argument(body) if wants_argument and isinstance(body, bytes) else None
        if isinstance(body, Failure) or isinstance(payload, Failure):
            self._end_run(key, run, body if isinstance(body, Failure) else payload)  # type: ignore[arg-type]  # one is
            return
        try:
            files = run.files = self._work.begin_run(body)
            place = RunPlace(
                files.task_io, files.infile, files.outfile, self._work.data_hub, files.home, self._work.secrets
            )
            program = self._settings.task
            if trace := self._settings.traceparent if event is None else read_trace(event.headers):
                program = replace(program, environment={**program.environment, ENV_TRACE: trace})
            command = task_command(self._runtime, program, self._external, place, f"ewms-{files.name}", payload=payload)
            if self._settings.logs_queue is None:
                run.child = self._children.spawn_to_files(
                    command, stdout=files.stdout, stderr=files.stderr, on_end=lambda code: self._on_exit(key, run, code)
                )
            else:
                self._start_logged(key, run, command, event, attempt)
        except (OSError, ValueError) as error:
            self._end_run(key, run, container_not_started(TASK, os_text(error)))
            return
        if self._settings.task_timeout_s is not None:
            run.timer = self._loop.call_later(self._settings.task_timeout_s, self._time_out, run)

    def _start_logged(self, key: int, run: _Run, command: Command, event: DataEvent | None, attempt: int) -> None:
        """Start a run whose streams are published. A pipe takes any amount, and a log bomb fills no disk."""
        assert run.files is not None
        run.child, pipes = self._children.spawn_piped(command, on_end=lambda code: self._on_exit(key, run, code))
        os.close(pipes.stdin)
        event_id, event_key = (event.id, read_key(event)) if event else (EventId(""), "")
        run.logs = self._log_publisher.begin_run(
            LoggedRun(run.files.name, event_id, attempt, event_key),
            {TaskStream.STDOUT: pipes.stdout, TaskStream.STDERR: pipes.stderr},
            {stream: tail.add_chunk for stream, tail in run.tails.items()},
        )

    def kill_all(self) -> None:
        """Kill all containers. Their runs end as `interrupted`."""
        for run in self._runs.values():
            if run.child is not None and not run.child.has_ended:
                run.interrupted = True
                self._children.kill_child(run.child)

    def _time_out(self, run: _Run) -> None:
        run.timed_out = True
        if run.child is not None:
            self._children.kill_child(run.child)

    def _on_exit(self, key: int, run: _Run, code: int) -> None:
        assert run.files is not None
        if run.timer is not None:
            run.timer.cancel()
        if run.logs is not None:
            run.logs.end_reading()
            for stream, path in ((TaskStream.STDOUT, run.files.stdout), (TaskStream.STDERR, run.files.stderr)):
                write_output(path, run.tails[stream].copy_end())
        failure: Failure | None = None
        if run.timed_out:
            failure = container_timed_out(TASK, self._settings.task_timeout_s or 0)
        elif run.child is not None and run.child.failure is not None:
            failure = run.child.failure
        elif code != 0:
            stderr = self._read_tail(run.files.stderr)
            words, traceback = last_words(stderr)
            memory_bytes = self._settings.worker_memory_bytes
            failure = container_failed(TASK, code, words, traceback, memory_bytes=memory_bytes)
            failure = replace(failure, by_runtime=not self._runtime.on_host and is_runtimes_own(code, stderr))
        self._end_run(key, run, failure)

    def _end_run(self, key: int, run: _Run, failure: Failure | None) -> None:
        del self._runs[key]
        output, content_type = None, ""
        # An outcome has the outfile of a task that failed, too, if it is readable.
        is_answer = failure is None or (failure.exit_code is not None and self._settings.outcomes_queue is not None)
        if is_answer and run.files is not None and self._settings.outputs:
            body = read_outfile(run.files)
            named = choose_output_type(body, self._settings.outfile_ext) if isinstance(body, bytes) else ""
            if isinstance(body, Failure):
                failure = failure or body
            elif isinstance(named, Failure):
                failure = failure or named
            else:
                output, content_type = body, named
        wrote = self._find_last_lines(run.files) if failure is not None and run.files is not None else ""
        name = run.files.name if run.files is not None and run.child is not None else ""
        self._on_end(key, RunOutcome(output, content_type, failure, run.interrupted, wrote, name, run.logs))
        # By now the slot has its next event, so the cleaning delays no event.
        if run.files is not None:
            may_reuse = run.child is not None and run.child.ended_alone
            self._leftovers.put_away(run.files, failed=failure is not None and not run.interrupted, may_reuse=may_reuse)

    def _find_last_lines(self, files: RunFiles) -> str:
        return last_lines(self._read_tail(files.stderr)) or last_lines(self._read_tail(files.stdout))

    def _read_tail(self, path: str) -> str:
        """Return the end of what a run wrote. It goes into errors and reports, so it has no secret in it."""
        return self._work.mask.mask_end(read_tail(path))
