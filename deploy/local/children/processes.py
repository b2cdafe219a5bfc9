"""Run servers as children that cannot outlive the launcher, whichever way it ends.

Between the launcher and each child stands a *holder*, which the kernel tells of the launcher's end:

    launcher - unshare - server      the server is the first process of a pid namespace, and all of that ends with it
    launcher - keeper - process      the keeper adopts what the process leaves behind, and kills it
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

from deploy.local.children import keeper
from deploy.local.children.lifetimes import LifetimeOver, Lifetimes
from deploy.local.errors import LaunchError, PortTaken
from deploy.local.prerequisites import allows_namespaces, find_tool

_TAIL_LINES = 12
_KILL_GRACE_S = 10.0
_TAKEN = ("address already in use", "eaddrinuse", "address in use")


class SeenAs(Enum):
    """The user that a child has inside its namespace; outside it always has the launcher's."""

    ITSELF = "itself"
    #: HTCondor refuses to run jobs as root, and a pool of one uid needs no other user than this.
    UID_1 = "uid 1"


class LaunchedProcess:
    """A running child and its log; made by `LaunchedProcesses.launch`."""

    def __init__(
        self, name: str, holder: "subprocess.Popen[bytes]", log: Path, *, namespaced: bool, kept: bool
    ) -> None:
        self.name = name
        self.log = log
        self._holder = holder
        # A namespace ends with its holder; a keeper has to be told, and ends when it has killed everything.
        self._end = signal.SIGTERM if kept else signal.SIGKILL
        # Below a keeper the holder of a namespace comes first.
        self._n_above = 2 if namespaced and kept else 1

    @property
    def is_running(self) -> bool:
        """Say whether the child has not ended yet."""
        return self._holder.poll() is None

    @property
    def exit_status(self) -> int | None:
        """The child's exit status, 128 + n if signal n ended it; `None` while it runs."""
        return self._holder.poll()

    @property
    def pid(self) -> int | None:
        """The pid of the server itself as this machine counts; `None` before it is there and once it is gone."""
        pid = self._holder.pid
        with contextlib.suppress(OSError):
            for _ in range(self._n_above):
                if not (children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
                    return None
                pid = int(children[0])
            return pid
        return None

    def send_signal(self, number: signal.Signals) -> None:
        """Send `number` to the server itself; nothing happens if it is gone."""
        if (pid := self.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def open_pidfd(self) -> int | None:
        """Open a descriptor that can be read once the child has ended; `None` if it has already."""
        return os.pidfd_open(self._holder.pid) if self.is_running else None

    def wait(self, timeout_s: float) -> bool:
        """Wait until the child has ended; `False` if it has not within `timeout_s`."""
        try:
            self._holder.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, number: signal.Signals = signal.SIGTERM, *, grace_s: float = 10.0) -> bool:
        """End the child: `number` to the server, and all of it at once after `grace_s`; `True` if it obeyed."""
        self.send_signal(number)
        obeyed = self.wait(grace_s)
        if not obeyed:
            self.kill()
        return obeyed

    def kill(self) -> None:
        """End the child and everything it started, at once: all of it is gone when this returns."""
        with _follow_process(self.pid) as await_gone:
            self._holder.send_signal(self._end)
            if not self.wait(_KILL_GRACE_S):
                self._holder.kill()
                self._holder.wait()
            await_gone()

    def describe_failure(self, what: str) -> LaunchError:
        """Return an error that says `what` went wrong with this child, with its exit status and last words."""
        code = self.exit_status
        ended = f" (exit status {code})" if code is not None else ""
        last_words = last_lines(self.log)
        kind = PortTaken if any(words in last_words.lower() for words in _TAKEN) else LaunchError
        return kind(
            f"{self.name} {what}{ended}; its last words:\n{last_words}",
            "read the log; if it says nothing, check memory (`free -h`) and disk space (`df -h`)",
            log=self.log,
        )


class LaunchedProcesses(Lifetimes[LaunchedProcess]):
    """The children of one launch. None outlives the launch, however it ends."""

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
    ) -> LaunchedProcess:
        """Start `command`, output to `log` (appended), so that it and all that it starts dies with this process.

        `namespaced` children get a pid namespace where this machine allows one; the others keep the machine's own
        view, which container engines need. `secluded` are words that run a command as another account.

        Raises:
            LaunchError: the launch is over already.
        """
        namespaced = namespaced and allows_namespaces()
        # A program that changes its account, as HTCondor does, loses the death signal by which a namespace ends.
        kept = bool(secluded) or not namespaced
        holder = [
            *(_keeper_command() if kept else ()),
            *(_namespace_command(seen_as, has_own=bool(secluded)) if namespaced else ()),
            *secluded,
        ]

        def start() -> LaunchedProcess:
            # The kernel sends the death signal when the *thread* that forked ends, so one thread forks all children
            # and lives as long as this process.
            process = _spawner_thread().submit(
                subprocess.Popen,
                [*holder, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=cwd,
                # Ctrl-C on the terminal is for the launcher, which stops its children in the right order.
                start_new_session=True,
            )
            return LaunchedProcess(name, process.result(), log, namespaced=namespaced, kept=kept)

        with log.open("ab") as output:
            try:
                return self._start_one(start)
            except LifetimeOver:
                raise LaunchError(f"{name} is not started any more: the launch is over", "start again") from None

    def forget(self, child: LaunchedProcess) -> None:
        """Forget a child that has ended."""
        self._forget_one(child)

    def _kill_one(self, one: LaunchedProcess) -> None:
        one.kill()


def await_ready(child: LaunchedProcess, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
    """Wait until `is_ready()` is true, at most `timeout_s`; a child that is not ready by then is ended.

    Raises:
        LaunchError: the child ended, or was not ready in time; names its log.
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
    """Wait until one of `children` has ended, and return it; `None` if none has within `timeout_s`."""
    with contextlib.ExitStack() as opened, selectors.DefaultSelector() as selector:
        for child in children:
            if (descriptor := child.open_pidfd()) is None:
                return child
            opened.callback(os.close, descriptor)
            selector.register(descriptor, selectors.EVENT_READ, child)
        for key, _ in selector.select(timeout_s):
            ended: LaunchedProcess = key.data
            # Takes the exit status: a zombie would be found again.
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
    """Return the holder of a pid namespace; `has_own`: the command brings a user and a mount namespace of its own."""
    user = ["--user", *_mapping_options(seen_as), "--mount-proc"]
    if has_own:
        # Only root can do without: anybody else is root in here first.
        user = [] if os.getuid() == 0 else ["--user", "--map-root-user", "--mount-proc"]
    return [
        *(find_tool("setpriv"), "--pdeathsig", "KILL", "--"),
        *(find_tool("unshare"), *user, "--pid", "--fork", "--kill-child", "--"),
    ]


def _keeper_command() -> list[str]:
    return [sys.executable, "-I", "-S", keeper.__file__, str(os.getpid())]


@contextlib.contextmanager
def _follow_process(pid: int | None) -> Iterator[Callable[[], None]]:
    """Yield a function that waits until process `pid`, which is not our child, is gone."""
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
