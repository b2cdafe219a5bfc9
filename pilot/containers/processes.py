"""Run commands as children of the pilot, and end each command with all processes that it has started.

`posix_spawn` starts a command in a new session, without a shell, with only its three standard descriptors. A pidfd on
the event loop reports the end of the command. The pilot is a subreaper: processes that a task leaves behind, even in
another session, become children of the pilot, which finds and kills them.
"""

import asyncio
import os
import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

from pilot.containers.command import Command
from pilot.containers.process_tree import kill_tree, read_session, reap_child
from pilot.failures.failure import Failure
from schemas.rules.placeholders import ENV_RUN

#: Python ignores some of these signals or handles them. A program expects the default reaction to each.
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT)

#: The exit code of a program that SIGKILL has ended, and of a container in which SIGKILL ended the task.
_KILLED = 128 + signal.SIGKILL

#: How many seconds the pilot waits for a container engine to end its container.
_ENGINE_S = 10.0


class TaskProcess:
    """A command that runs. It calls `on_end` once, with the exit code: 128 + n if signal n ended the command.

    A docker container is not the command's child. So a docker command counts as ended only after the engine has removed
    the command's container.
    """

    def __init__(self, pid: int, command: Command, on_end: Callable[[int], None]) -> None:
        self.pid = pid
        self.command = command
        self.killer: TaskProcess | None = None
        #: Why the pilot or the kernel ended the command; None in other cases. `on_failure` is called with the failure
        #: before `on_end` is called.
        self.failure: Failure | None = None
        self.on_failure: Callable[[Failure], None] = lambda _: None
        self.was_killed = False
        #: Whether the command ended by itself, and left no process behind. Containers of an engine are not known.
        self.ended_alone = False
        self._on_end = on_end
        self._code: int | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the command itself has ended."""
        return self._code is not None

    def note_exit(self, code: int) -> None:
        """Note that the command has ended with `code`."""
        self._code = code

    def note_end(self) -> None:
        """Call `on_end` if the command has ended, and its `kill_argv` command too, if that was started."""
        if self._code is not None and (self.killer is None or self.killer.has_ended):
            self._on_end(self._code)


class Pipes(NamedTuple):
    """The pilot's ends of a command's standard streams. They do not block. The caller must close them."""

    stdin: int
    stdout: int
    stderr: int


class TaskProcesses:
    """All children of this process. A pilot has one of these."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running: dict[int, TaskProcess] = {}
        self._none_left = asyncio.Event()
        #: Called with a child that SIGKILL has ended, if the signal did not come from the pilot.
        self.on_killed: Callable[[TaskProcess], None] = lambda _: None
        # Orphans become children of the main thread. The main thread also starts all commands.
        self._list = f"/proc/self/task/{threading.main_thread().native_id}/children"

    @property
    def running(self) -> tuple[TaskProcess, ...]:
        """The children that still run."""
        return tuple(self._running.values())

    def spawn_to_files(
        self, command: Command, *, stdout: str, stderr: str, on_end: Callable[[int], None]
    ) -> TaskProcess:
        """Start `command`, and write its output to the files `stdout` and `stderr`.

        Raises:
            OSError: the command cannot be started.
        """
        write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        return self._spawn_child(
            command,
            (
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, stdout, write, 0o600),
                (os.POSIX_SPAWN_OPEN, 2, stderr, write, 0o600),
            ),
            on_end,
        )

    def spawn_piped(self, command: Command, *, on_end: Callable[[int], None]) -> tuple[TaskProcess, Pipes]:
        """Start `command` with a pipe to each of its three streams.

        Raises:
            OSError: the command cannot be started.
        """
        ends: list[int] = []
        try:
            for _ in range(3):
                ends += os.pipe()
            theirs_in, ours_in, ours_out, theirs_out, ours_err, theirs_err = ends
            for fd in (ours_in, ours_out, ours_err):
                os.set_blocking(fd, False)
            # No other child inherits our ends: Python opens pipes close-on-exec.
            dups = ((theirs_in, 0), (theirs_out, 1), (theirs_err, 2))
            child = self._spawn_child(command, tuple((os.POSIX_SPAWN_DUP2, fd, target) for fd, target in dups), on_end)
        except BaseException:
            for fd in ends:
                os.close(fd)
            raise
        for fd, _ in dups:
            os.close(fd)
        return child, Pipes(ours_in, ours_out, ours_err)

    def _spawn_child(self, command: Command, file_actions: Sequence[Any], on_end: Callable[[int], None]) -> TaskProcess:
        pid = os.posix_spawn(
            find_program(command),
            command.argv,
            command.environment,
            file_actions=file_actions,
            setsid=True,
            setsigmask=(),
            setsigdef=_DEFAULT_SIGNALS,
        )
        return self._watch_child(TaskProcess(pid, command, on_end))

    def kill_child(self, child: TaskProcess) -> None:
        """Kill `child` and all its descendants at once. Do nothing if it has ended or is being killed."""
        if child.has_ended or child.killer is not None:
            return
        child.was_killed = True
        if child.command.kill_argv:
            removal = Command(child.command.kill_argv, child.command.environment)
            with suppress(OSError):
                child.killer = self.spawn_to_files(
                    removal, stdout=os.devnull, stderr=os.devnull, on_end=lambda _: child.note_end()
                )
                self._loop.call_later(_ENGINE_S, self._give_up_on, child.killer)
        kill_tree(child.pid)

    @staticmethod
    def _give_up_on(killer: TaskProcess) -> None:
        if not killer.has_ended:
            kill_tree(killer.pid)

    async def kill_all(self) -> None:
        """Kill all children. Return as soon as all have ended, but after `_ENGINE_S` + 1 seconds at the latest."""
        killers = {child.killer for child in self._running.values()}
        for child in list(self._running.values()):
            if child not in killers:
                self.kill_child(child)
        if self._running:
            self._none_left.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_ENGINE_S + 1):
                    await self._none_left.wait()

    def kill_strays(self) -> bool:
        """Kill and reap the processes that ended commands have left behind. Return whether there were surely none.

        While a command runs, spare a stray that belongs to a running command, or whose environment is unreadable.
        """
        try:
            with open(self._list, "rb") as file:
                pids = [int(pid) for pid in file.read().split()]
        except OSError:  # a kernel without this list: then only process groups can be killed
            return False
        strays = [pid for pid in pids if pid not in self._running]
        if not strays:
            return True
        sessions = set(self._running)
        for pid in strays:
            if reap_child(pid) or read_session(pid) in sessions:
                continue
            if not self._running or not self._belongs_to_run(pid):
                kill_tree(pid)
                reap_child(pid)
        return False

    def _watch_child(self, child: TaskProcess) -> TaskProcess:
        fd = os.pidfd_open(child.pid)
        self._running[child.pid] = child

        def note_end() -> None:
            self._loop.remove_reader(fd)
            os.close(fd)
            # As long as the leader is not reaped, no other group can get this number.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            _, status = os.waitpid(child.pid, 0)
            del self._running[child.pid]
            # A container engine's helpers outlive its client on purpose, and clean up.
            if not child.command.kill_argv:
                child.ended_alone = self.kill_strays() and not child.was_killed
            code = os.waitstatus_to_exitcode(status)
            code = code if code >= 0 else 128 - code
            child.note_exit(code)
            if code == _KILLED and not child.was_killed:
                self.on_killed(child)
            child.note_end()
            if not self._running:
                self._none_left.set()

        self._loop.add_reader(fd, note_end)
        return child

    def _belongs_to_run(self, pid: int) -> bool:
        """Return whether the process `pid` has the name of a running command in its environment, or is unreadable."""
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                mine = file.read()
        except OSError:
            return True  # the environment is unreadable: leave the process alone until no command runs
        marks = (child.command.environment.get(ENV_RUN, "") for child in self._running.values())
        return any(f"{ENV_RUN}={mark}".encode() in mine for mark in marks if mark)


def find_program(command: Command) -> str:
    """Return the path of the command's program, found by PATH in the command's own environment.

    Raises:
        FileNotFoundError: no directory in PATH has the program.
    """
    name = command.argv[0]
    if "/" in name:
        return name
    search_path = command.environment.get("PATH", os.defpath)
    path = _search_program(name, search_path)
    if not os.access(path, os.X_OK):  # it was moved since it was found
        _search_program.cache_clear()
        path = _search_program(name, search_path)
    return path


@lru_cache(maxsize=64)
def _search_program(name: str, search_path: str) -> str:
    path = shutil.which(name, path=search_path)
    if path is None:
        raise FileNotFoundError(f"there is no program {name!r} in PATH")
    return path
