"""Run the task on each event in a container of its own: write the infile, run the container, read the outfile."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from pilot.containers.command import RunPlace, Runtime, task_command
from pilot.containers.leftovers import Leftovers
from pilot.containers.mounts import Mount
from pilot.containers.processes import TaskProcess, TaskProcesses
from pilot.containers.run_files import RunFiles, WorkDirectory, read_outfile, read_tail
from pilot.containers.task_interface import RunOutcome
from pilot.errors import TASK, Failure, container_failed, container_not_started, container_timed_out, os_text
from pilot.events.payloads import build_infile, choose_output_type
from pilot.failures.error_text import is_runtimes_own, last_lines, last_words
from pilot.settings import PilotSettings
from schemas.payloads.data_events import DataEvent


@dataclass(slots=True)
class _Run:
    files: RunFiles | None = None
    child: TaskProcess | None = None
    timer: asyncio.TimerHandle | None = None
    timed_out: bool = False
    interrupted: bool = False


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
        on_end: Callable[[int, RunOutcome], None],
    ) -> None:
        self._settings = settings
        self._children = children
        self._work = work
        self._leftovers = leftovers
        self._runtime = runtime
        self._external = external
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._runs: dict[int, _Run] = {}

    def start_run(self, key: int, event: DataEvent | None, attempt: int) -> None:
        """Run a container on `event`. Ignore `attempt`, its number: only warm tasks use it."""
        run = self._runs[key] = _Run()
        body = build_infile(event, self._settings.infile_ext) if event else None
        if isinstance(body, Failure):
            self._end_run(key, run, body)
            return
        try:
            files = run.files = self._work.begin_run(body)
            place = RunPlace(files.task_io, files.infile, files.outfile, self._work.data_hub, files.home)
            command = task_command(self._runtime, self._settings.task, self._external, place, f"ewms-{files.name}")
            run.child = self._children.spawn_to_files(
                command, stdout=files.stdout, stderr=files.stderr, on_end=lambda code: self._on_exit(key, run, code)
            )
        except (OSError, ValueError) as error:
            self._end_run(key, run, container_not_started(TASK, os_text(error)))
            return
        if self._settings.task_timeout_s is not None:
            run.timer = self._loop.call_later(self._settings.task_timeout_s, self._time_out, run)

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
        failure: Failure | None = None
        if run.timed_out:
            failure = container_timed_out(TASK, self._settings.task_timeout_s or 0)
        elif run.child is not None and run.child.failure is not None:
            failure = run.child.failure
        elif code != 0:
            stderr = read_tail(run.files.stderr)
            words, traceback = last_words(stderr)
            memory_bytes = self._settings.worker_memory_bytes
            failure = container_failed(TASK, code, words, traceback, memory_bytes=memory_bytes)
            failure = replace(failure, by_runtime=not self._runtime.on_host and is_runtimes_own(code, stderr))
        self._end_run(key, run, failure)

    def _end_run(self, key: int, run: _Run, failure: Failure | None) -> None:
        del self._runs[key]
        output, content_type = None, ""
        if failure is None and run.files is not None and self._settings.outputs:
            body = read_outfile(run.files)
            named = choose_output_type(body, self._settings.outfile_ext) if isinstance(body, bytes) else ""
            if isinstance(body, Failure):
                failure = body
            elif isinstance(named, Failure):
                failure = named
            else:
                output, content_type = body, named
        wrote = _last_lines(run.files) if failure is not None and run.files is not None else ""
        self._on_end(key, RunOutcome(output, content_type, failure, run.interrupted, wrote))
        # By now the slot has its next event, so the cleaning delays no event.
        if run.files is not None:
            self._leftovers.put_away(run.files, failed=failure is not None and not run.interrupted)


def _last_lines(files: RunFiles) -> str:
    return last_lines(read_tail(files.stderr)) or last_lines(read_tail(files.stdout))
