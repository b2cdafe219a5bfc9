"""Restart in place every child that ends by itself: RabbitMQ, MongoDB, HTCondor, and EWMS's own processes.

The supervisor never gives up. A child that ends again and again waits longer each time (`restart_backoff.py`), and a
printed line reports the wait. The other children go on running, and reconnect by themselves.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn, Protocol

from deploy.local.children.processes import LaunchedProcess, LaunchedProcesses, await_first_end, last_words
from deploy.local.children.restart_backoff import count_short_lives, delay_s
from deploy.local.choices.ports import check_free
from deploy.local.errors import PortTaken

_PORT_AGAIN_S = 1.0
_SLOW_S = 60.0
_LONGEST_WORDS = 200


class Supervised(Protocol):
    """A server or process that runs as a child and can start again in place."""

    @property
    def name(self) -> str:
        """The server's name for people."""
        ...

    @property
    def child(self) -> LaunchedProcess:
        """The server's current process, or its last one."""
        ...

    @property
    def own_ports(self) -> Mapping[str, int]:
        """The ports on which the server listens, by name."""
        ...

    def relaunch(self) -> LaunchedProcess:
        """Start the server again after its end. Return before it is ready."""
        ...

    def is_ready(self) -> bool:
        """Return whether the server is ready for work."""
        ...


class _Watched:
    """A supervised process, and the time of its start. If `due_at` is set, the process has ended, and starts again
    then.
    """

    def __init__(self, one: Supervised, now: float) -> None:
        self.one = one
        self.started_at = now
        self.due_at: float | None = None
        self.n_short_lives = 0
        self.has_told_port = False


class Supervisor:
    """Restarts each child in `watched` that ends, after a pause if it ends often.

    It calls `tell` with a line for people when a child ends, is back, or cannot start.
    """

    def __init__(
        self,
        watched: Iterable[Supervised],
        children: LaunchedProcesses,
        tell: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watched = [_Watched(one, clock()) for one in watched]
        self._children = children
        self._tell = tell
        self._now = clock

    def run_forever(self) -> NoReturn:
        """Restart each child that ends. Only an exception in this thread, for example from Ctrl-C, ends the loop."""
        while True:
            self.handle_next()

    def handle_next(self) -> None:
        """Wait until a child ends or a restart is due, and handle it."""
        running = {watched.one.child: watched for watched in self._watched if watched.due_at is None}
        due = [watched.due_at for watched in self._watched if watched.due_at is not None]
        ended = await_first_end(running, timeout_s=max(0.0, min(due) - self._now()) if due else None)
        if ended is not None:
            self._note_end(running[ended], ended)
        for watched in self._watched:
            if watched.due_at is not None and watched.due_at <= self._now():
                self._restart_watched(watched)

    def _note_end(self, watched: _Watched, ended: LaunchedProcess) -> None:
        now = self._now()
        watched.n_short_lives = count_short_lives(watched.n_short_lives, lived_s=now - watched.started_at)
        pause_s = delay_s(watched.n_short_lives)
        watched.due_at = now + pause_s
        watched.has_told_port = False
        self._children.forget_child(ended)
        status = f"{ended.name} has ended (exit status {ended.exit_status}"
        if pause_s:
            words = last_words(ended.log)[:_LONGEST_WORDS]
            self._tell(
                f"{status}, {watched.n_short_lives} times in a row); starting it again in {pause_s:g} s; "
                f"the last line of its log: {words}; log: {ended.log}"
            )
        else:
            self._tell(f"{status}); starting it again; log: {ended.log}")

    def _restart_watched(self, watched: _Watched) -> None:
        one = watched.one
        try:
            check_free(one.own_ports)
            child = one.relaunch()
        except PortTaken as error:
            if not watched.has_told_port:
                watched.has_told_port = True
                self._tell(f"{one.name} waits: {error.what}")
            watched.due_at = self._now() + _PORT_AGAIN_S
            return
        except OSError as error:
            watched.n_short_lives += 1
            pause_s = delay_s(watched.n_short_lives)
            watched.due_at = self._now() + pause_s
            self._tell(f"{one.name} cannot be started ({error}); trying again in {pause_s:g} s")
            return
        watched.due_at = None
        watched.started_at = self._now()
        # Wait in a thread: a server may take minutes to read its data, and another child may end meanwhile.
        threading.Thread(
            target=self._report_recovery, args=(one, child), name=f"follow-{one.name}", daemon=True
        ).start()

    def _report_recovery(self, one: Supervised, child: LaunchedProcess) -> None:
        """Print a line when `one` is ready again, and once before if that takes longer than a minute."""
        begin = self._now()
        is_told = False
        while not one.is_ready():
            if child.wait(0.2):
                return
            if not is_told and self._now() - begin > _SLOW_S:
                is_told = True
                self._tell(f"{one.name} does not answer yet; log: {child.log}")
        self._tell(f"{one.name} is back")
