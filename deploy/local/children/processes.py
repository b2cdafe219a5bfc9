"""Run servers as children that cannot outlive the launcher, however the launcher ends.

Between the launcher and each child there is a *holder*. The kernel sends the holder a signal when the launcher ends:

    launcher - unshare - server      the server is the first process of a pid namespace: the namespace ends with it
    launcher - keeper - process      the keeper adopts the processes that the process leaves behind, and kills them
"""

import contextlib
import functools
import os
import select
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Any

from deploy.local.children import keeper, time_slices
from deploy.local.children.lifetimes import LifetimeOver, Lifetimes
from deploy.local.choices.prerequisites import allows_namespaces, find_tool
from deploy.local.errors import LaunchError, PortTaken

_TAIL_LINES = 12
_KILL_GRACE_S = 10.0
_TAKEN = ("address already in use", "eaddrinuse", "address in use")


class SeenAs(Enum):
    """The user that a child has inside its namespace. Outside of the namespace the child has the launcher's user."""

    ITSELF = "itself"
    #: HTCondor refuses to run jobs as root; a pool of one uid runs them as this user.
    UID_1 = "uid 1"


class LaunchedProcess:
    """A running child and its log. `LaunchedProcesses.launch` makes these objects."""

    def __init__(
        self, name: str, holder: "subprocess.Popen[bytes]", log: Path, *, namespaced: bool, kept: bool
    ) -> None:
        self.name = name
        self.log = log
        self._holder = holder
        # A namespace ends with its holder. A keeper needs a signal: it kills every process below it, then ends.
        self._end = signal.SIGTERM if kept else signal.SIGKILL
        # With both, the keeper's child is the holder of the namespace.
        self._n_above = 2 if namespaced and kept else 1

    @property
    def is_running(self) -> bool:
        """Return whether the child still runs."""
        return self._holder.poll() is None

    @property
    def exit_status(self) -> int | None:
        """The child's exit status; 128 + n if signal n ended the child; None while it runs."""
        return self._holder.poll()

    @property
    def pid(self) -> int | None:
        """The pid of the server itself on this machine. It is None before the server starts and after its end."""
        pid = self._holder.pid
        with contextlib.suppress(OSError):
            for _ in range(self._n_above):
                if not (children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
                    return None
                pid = int(children[0])
            return pid
        return None

    def send_signal(self, number: signal.Signals) -> None:
        """Send signal `number` to the server itself. Do nothing if the server has ended."""
        if (pid := self.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def open_pidfd(self) -> int | None:
        """Return a new descriptor that becomes readable when the child ends. Return None if the child has ended."""
        return os.pidfd_open(self._holder.pid) if self.is_running else None

    def wait(self, timeout_s: float) -> bool:
        """Wait until the child has ended. Return False if the child still runs after `timeout_s`."""
        try:
            self._holder.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, number: signal.Signals = signal.SIGTERM, *, grace_s: float = 10.0) -> bool:
        """Send signal `number` to the server; kill the child after `grace_s`. Return whether the signal was enough."""
        self.send_signal(number)
        obeyed = self.wait(grace_s)
        if not obeyed:
            self.kill()
        return obeyed

    def kill(self) -> None:
        """Kill the child and every process that it started. All of them have ended when this returns."""
        with _follow_process(self.pid) as await_gone:
            self._holder.send_signal(self._end)
            if not self.wait(_KILL_GRACE_S):
                self._holder.kill()
                self._holder.wait()
            await_gone()

    def describe_failure(self, what: str) -> LaunchError:
        """Return an error that says `what` went wrong, with the child's exit status and the last lines of its log."""
        code = self.exit_status
        ended = f" (exit status {code})" if code is not None else ""
        last_words = last_lines(self.log)
        kind = PortTaken if any(words in last_words.lower() for words in _TAKEN) else LaunchError
        return kind(
            f"{self.name} {what}{ended}; the last lines of its log:\n{last_words}",
            "read the log; if it gives no reason, check memory (`free -h`) and disk space (`df -h`)",
            log=self.log,
        )


class LaunchedProcesses(Lifetimes[LaunchedProcess]):
    """The children of one launch. The children end with the launch, however it ends."""

    def launch(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str],
        cwd: Path | None = None,
        seen_as: SeenAs = SeenAs.ITSELF,
        namespaced: bool = True,
        secluded: Sequence[str] = (),
        short_time_slices: bool = False,
    ) -> LaunchedProcess:
        """Start `command`, and append its output to `log`. The child and the processes that it starts die with this
        process.

        A `namespaced` child gets a pid namespace if this machine allows one. Other children see all pids of the
        machine, which container engines need. `secluded` is a command prefix that runs a command as another account.
        `short_time_slices` suits servers that yield while they wait (`time_slices.py`).

        Raises:
            LaunchError: the launch is over.
        """
        namespaced = namespaced and allows_namespaces()
        # A namespace ends by a death signal. A program that changes its account, such as HTCondor, loses that signal.
        kept = bool(secluded) or not namespaced
        holder = [
            *(_keeper_command() if kept else ()),
            *(_namespace_command(seen_as, has_own=bool(secluded)) if namespaced else ()),
            *secluded,
        ]

        def start() -> LaunchedProcess:
            # The kernel sends the death signal when the *thread* that forked ends. So one thread forks all children,
            # and it lives as long as this process.
            process = _spawner_thread().submit(
                _spawn_with_short_slices if short_time_slices else subprocess.Popen,
                [*holder, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=cwd,
                # Ctrl-C must reach only the launcher, which then stops its children in the right order.
                start_new_session=True,
            )
            return LaunchedProcess(name, process.result(), log, namespaced=namespaced, kept=kept)

        with log.open("ab") as output:
            try:
                return self._start_one(start)
            except LifetimeOver:
                raise LaunchError(f"{name} cannot start: the launch is over", "start again") from None

    def forget_child(self, child: LaunchedProcess) -> None:
        """Forget a child that has ended, so that the end of the block does not kill it."""
        self._forget_one(child)

    def _kill_one(self, one: LaunchedProcess) -> None:
        one.kill()


def await_ready(child: LaunchedProcess, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
    """Wait until `is_ready()` is true. Kill a child that is not ready after `timeout_s`.

    Raises:
        LaunchError: the child ended, or was not ready in time; the error names its log.
    """
    deadline = time.monotonic() + timeout_s
    pause_s = 0.02
    try:
        while not is_ready():
            if child.wait(pause_s):
                raise child.describe_failure("ended while it was starting")
            if time.monotonic() > deadline:
                raise child.describe_failure(f"was not ready after {timeout_s:.0f} s")
            pause_s = min(pause_s * 1.5, 0.25)
    except BaseException:
        child.kill()
        raise


def await_end(children: Iterable[LaunchedProcess]) -> LaunchedProcess:
    """Wait until one of `children` has ended, and return it."""
    all_of_them = list(children)
    while True:
        if (ended := await_first_end(all_of_them, timeout_s=None)) is not None:
            return ended


def await_first_end(children: Iterable[LaunchedProcess], *, timeout_s: float | None) -> LaunchedProcess | None:
    """Wait until one of `children` has ended, and return it. Return None if all still run after `timeout_s`."""
    with contextlib.ExitStack() as opened, selectors.DefaultSelector() as selector:
        for child in children:
            if (descriptor := child.open_pidfd()) is None:
                return child
            opened.callback(os.close, descriptor)
            selector.register(descriptor, selectors.EVENT_READ, child)
        for key, _ in selector.select(timeout_s):
            ended: LaunchedProcess = key.data
            # Collect the exit status; otherwise the next call finds the zombie again.
            ended.wait(_KILL_GRACE_S)
            return ended
    return None


def last_words(log: Path) -> str:
    """Return the last line of `log` that is not empty."""
    return last_lines(log).splitlines()[-1].strip()


def last_lines(log: Path) -> str:
    """Return the last lines of `log`, indented."""
    with contextlib.suppress(OSError):
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        return "\n".join(f"    {line[:300]}" for line in lines[-_TAIL_LINES:]) or "    (nothing)"
    return "    (no log was written)"


def _namespace_command(seen_as: SeenAs, *, has_own: bool) -> list[str]:
    """Return the command of a namespace's holder. If `has_own`, the command makes its own user and mount namespaces."""
    user = ["--user", *_mapping_options(seen_as), "--mount-proc"]
    if has_own:
        # Only root can open a pid namespace alone; other users must first become root in a user namespace.
        user = [] if os.getuid() == 0 else ["--user", "--map-root-user", "--mount-proc"]
    return [
        *(find_tool("setpriv"), "--pdeathsig", "KILL", "--"),
        *(find_tool("unshare"), *user, "--pid", "--fork", "--kill-child", "--"),
    ]


def _spawn_with_short_slices(command: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
    with time_slices.short_time_slices():
        return subprocess.Popen(command, **options)


def _keeper_command() -> list[str]:
    return [sys.executable, "-I", "-S", keeper.__file__, str(os.getpid())]


@contextlib.contextmanager
def _follow_process(pid: int | None) -> Iterator[Callable[[], None]]:
    """Yield a function that waits until the process `pid` has ended, but at most 10 s. `pid` need not be our child."""
    try:
        descriptor = None if pid is None else os.pidfd_open(pid)
    except ProcessLookupError:
        descriptor = None
    if descriptor is None:
        yield lambda: None
        return
    waited_for = [descriptor]

    def await_gone() -> None:
        select.select(waited_for, [], [], _KILL_GRACE_S)

    try:
        yield await_gone
    finally:
        os.close(descriptor)


def _mapping_options(seen_as: SeenAs) -> list[str]:
    if seen_as is SeenAs.UID_1 and os.getuid() == 0:
        return ["--map-user=1", "--map-group=1"]
    return ["--map-root-user"] if os.getuid() == 0 else ["--map-current-user"]


@functools.cache
def _spawner_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
