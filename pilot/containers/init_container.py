"""Run the init container once, before the first event."""

import asyncio
from collections.abc import Callable

from pilot.containers.command import RunPlace, Runtime, task_command
from pilot.containers.leftovers import Leftovers
from pilot.containers.mounts import Mount
from pilot.containers.processes import TaskProcess, TaskProcesses
from pilot.containers.run_files import RunFiles, WorkDirectory, read_tail
from pilot.failures.container_failures import (
    INIT,
    container_failed,
    container_not_started,
    container_timed_out,
    os_text,
)
from pilot.failures.error_text import last_words
from pilot.failures.failure import Failure
from pilot.settings import PilotSettings


class InitRun:
    """Runs the init container once. At the end it calls `on_end` with the failure, or with None after a success."""

    def __init__(
        self,
        settings: PilotSettings,
        *,
        children: TaskProcesses,
        work: WorkDirectory,
        leftovers: Leftovers,
        runtime: Runtime,
        external: tuple[Mount, ...],
        on_end: Callable[[Failure | None], None],
    ) -> None:
        self._settings = settings
        self._children = children
        self._work = work
        self._leftovers = leftovers
        self._runtime = runtime
        self._external = external
        self._on_end = on_end
        self._child: TaskProcess | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timed_out = False

    def start_init(self) -> None:
        """Start the init container."""
        assert self._settings.init is not None
        try:
            files = self._work.begin_outputs("init")
            place = RunPlace(data_hub=self._work.data_hub, home=files.home)
            command = task_command(self._runtime, self._settings.init, self._external, place, f"ewms-{files.name}")
            self._child = self._children.spawn_to_files(
                command, stdout=files.stdout, stderr=files.stderr, on_end=lambda code: self._on_exit(files, code)
            )
        except (OSError, ValueError) as error:
            self._on_end(container_not_started(INIT, os_text(error)))
            return
        if self._settings.init_timeout_s is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._settings.init_timeout_s, self._time_out)

    def kill_init(self) -> None:
        """Kill the init container if it runs."""
        if self._child is not None:
            self._children.kill_child(self._child)

    def _time_out(self) -> None:
        self._timed_out = True
        self.kill_init()

    def _on_exit(self, files: RunFiles, code: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        failure: Failure | None = None
        if self._timed_out:
            failure = container_timed_out(INIT, self._settings.init_timeout_s or 0)
        elif self._child is not None and self._child.failure is not None:
            failure = self._child.failure
        elif code != 0:
            words, traceback = last_words(read_tail(files.stderr))
            memory_bytes = self._settings.worker_memory_bytes
            failure = container_failed(INIT, code, words, traceback, memory_bytes=memory_bytes)
        self._on_end(failure)
        self._leftovers.put_away(files, failed=failure is not None)
