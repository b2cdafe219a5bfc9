"""Carry out the faults of a plan on a running system: signals to processes, whole servers with all that they run."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from deploy.local.children.processes import LaunchedProcess
from deploy.local.errors import LaunchError
from deploy.local.system.stack import Stack
from tests.campaigns.faults import Act, Fault, Victim
from tests.system.pilots import find_pilots

_SIGNALS = {Act.KILL: signal.SIGKILL, Act.RESTART: signal.SIGTERM}


class Strikes:
    """The faults of one run, each in a thread of its own; the end of the block waits until all are over."""

    def __init__(self, stack: Stack, faults: tuple[Fault, ...], taskforces: Callable[[], list[str]]) -> None:
        self._stack = stack
        self._faults = faults
        self._taskforces = taskforces
        self._threads: list[threading.Thread] = []
        #: Faults that found nothing to strike, for the report.
        self.missed: list[Fault] = []

    def __enter__(self) -> "Strikes":
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def begin(self) -> None:
        """Start the clock of every fault."""
        for fault in self._faults:
            thread = threading.Thread(target=self._strike, args=(fault,), name=f"strike {fault.victim}")
            thread.start()
            self._threads.append(thread)

    def _strike(self, fault: Fault) -> None:
        time.sleep(fault.delay_s)
        pids = self._find_pids(fault.victim, fault.act)
        if not pids:
            self.missed.append(fault)
            return
        if fault.act is Act.PAUSE:
            _send(pids, signal.SIGSTOP)
            time.sleep(fault.pause_s)
            _send(pids, signal.SIGCONT)
        else:
            _send(pids, _SIGNALS[fault.act])

    def _find_pids(self, victim: Victim, act: Act) -> list[int]:
        if victim is Victim.PILOT:
            return [pid for uuid in self._taskforces() for pid in find_pilots(uuid)][:1]
        server = self._find_child(victim).pid
        if server is None:
            return []
        # A pause has to reach what does the work: a master that stands still alone stops nobody.
        return list_tree(server) if act is Act.PAUSE else [server]

    def _find_child(self, victim: Victim) -> LaunchedProcess:
        services = self._stack.services
        match victim:
            case Victim.MONGOD:
                return services.mongodb.child
            case Victim.RABBITMQ:
                return services.rabbitmq.child
            case Victim.POOL:
                assert services.condor is not None
                return services.condor.child
            case _:
                return self._stack.get_child(victim.value)


def start_watching(stack: Stack) -> None:
    """Have whatever ends started again, as `make up` does, in a thread that goes on until the servers are stopped."""

    def watch() -> None:
        # A server that was stopped has no process to look at, and none is started after the end of the launch.
        with suppress(RuntimeError, LaunchError):
            stack.watch_children(lambda _: None)

    threading.Thread(target=watch, daemon=True).start()


def list_tree(ancestor: int) -> list[int]:
    """Return `ancestor` and every process below it."""
    pids = [ancestor]
    for pid in pids:
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                pids += map(int, (task / "children").read_text().split())
    return pids


def send_to_tree(ancestor: int, number: signal.Signals) -> None:
    """Send a signal to `ancestor` and to every process below it."""
    _send(list_tree(ancestor), number)


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
