"""A Python process that has imported modules, and forks itself for each launch of one of them.

WMS takes a second of a core to import all that it needs. A fork of a process that has done so takes some milliseconds,
and is as killable as any process.

    launcher ── module, environment, two sockets ──► fork server ── fork ──► the module, as `python -m` runs it
             ◄── the pid, and a pidfd ─────────────

Run as `python -m tests.campaigns.fork_server FD MODULE...`. It ends when its launcher ends, and kills its forks then.
"""

import asyncio
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_LONGEST_REQUEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Fork:
    """A process that the fork server has launched."""

    pid: int
    pidfd: int

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process has not ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    async def await_stop(self) -> None:
        """Return when the process stands still, or has ended."""
        while _read_state(self.pid) not in "TZX":
            await asyncio.sleep(0.005)

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self.pidfd)


def _read_state(pid: int) -> str:
    """Return the letter for the state of a process, as `ps` shows it: T if it is stopped, X if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


class ForkServer:
    """The launcher's side."""

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, str(theirs.fileno()), *self._modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.wait()

    def launch(self, module: str, environment: dict[str, str], *, words: socket.socket, log: socket.socket) -> Fork:
        """Launch `module` as a process: `words` are its standard input and output, `log` is its standard error."""
        request = json.dumps({"module": module, "environment": environment}).encode()
        with self._turn:
            socket.send_fds(self._connection, [request], [words.fileno(), log.fileno()])
            answer, (pidfd,), _, _ = socket.recv_fds(self._connection, 100, 1)
        return Fork(int(answer), pidfd)


def serve_launches(connection: socket.socket, modules: list[str]) -> None:
    """Launch what is asked for until the launcher ends."""
    for module in modules:
        importlib.import_module(module)
    # Without this the collector would write into every page that the forks share.
    gc.collect()
    gc.freeze()
    forks: list[Fork] = []
    while True:
        request, descriptors, _, _ = socket.recv_fds(connection, _LONGEST_REQUEST, 2)
        if not request:
            break
        if (pid := os.fork()) == 0:
            connection.close()
            _become_module(descriptors, **json.loads(request))
        fork = Fork(pid, os.pidfd_open(pid))
        forks = [*_drop_ended(forks), fork]
        for descriptor in descriptors:
            os.close(descriptor)
        socket.send_fds(connection, [str(pid).encode()], [fork.pidfd])
    for fork in forks:
        fork.send_signal(signal.SIGKILL)


def _drop_ended(forks: list[Fork]) -> list[Fork]:
    running = []
    for fork in forks:
        if os.waitpid(fork.pid, os.WNOHANG) == (0, 0):
            running.append(fork)
        else:
            fork.close()
    return running


def _become_module(descriptors: list[int], module: str, environment: dict[str, str]) -> None:
    status = 1
    try:
        words, log = descriptors
        for descriptor, number in ((words, 0), (words, 1), (log, 2)):
            os.dup2(descriptor, number)
        for descriptor in descriptors:
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(environment)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the process keeps it until its end
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as an interpreter does at the end of a program
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as launcher:
        serve_launches(launcher, sys.argv[2:])
