"""A Python process that has imported modules, and forks itself for each launch of one of them.

WMS takes a second of a core to import all that it needs. A fork of a process that has done so takes some milliseconds,
and is as killable as any process.

    launcher ── module, environment, streams ──► fork server ── fork ──► the module, as `python -m` runs it
             ◄── the pid, and a pidfd ──────────
             ◄── at its end: its exit status, if the launcher has sent a socket for that

A fork has the environment, the arguments, the directory and the three streams that its launcher gives it, and the
descriptors that it passes on. /proc/PID/cmdline and /proc/PID/environ show those of the server.
Run as `python -m tests.campaigns.fork_server FD MODULE...`. It ends when its launcher ends, and kills its forks then.
"""

import asyncio
import contextlib
import gc
import importlib
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from tests.campaigns.forked_module import become_module

_LONGEST_REQUEST = 1 << 20
_MOST_DESCRIPTORS = 8
_STREAMS = (0, 1, 2)


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

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return bool(select.select([self.pidfd], [], [], 0)[0])

    async def await_end(self) -> None:
        """Return when the process has ended."""
        while not self.has_ended:
            await asyncio.sleep(0.01)

    def kill_group(self) -> None:
        """Kill the process and all that it has started. It must lead a group of its own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

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

    def launch(
        self, module: str, environment: dict[str, str], *, words: socket.socket, log: socket.socket | BinaryIO
    ) -> Fork:
        """Launch `module` as a process: `words` are its standard input and output, `log` is its standard error."""
        streams = [words.fileno(), words.fileno(), log.fileno()]
        return self._launch(streams, module=module, words=[module], environment=environment)

    def run(
        self,
        program: str,
        *words: str,
        stdin: str = "",
        environment: Mapping[str, str],
        directory: Path | None = None,
        timeout_s: float = 150.0,
    ) -> "subprocess.CompletedProcess[str]":
        """Run `program`, a module or the path of a script, with the arguments `words`; return how it ended.

        Raises:
            TimeoutError: it did not end in time. It is killed.
        """
        ours = [os.pipe() for _ in range(3)]
        (read_in, write_in), (read_out, write_out), (read_err, write_err) = ours
        theirs = [read_in, write_out, write_err]
        # All that it starts ends with it, if it takes too long.
        fork, status = self.start(
            program, *words, streams=theirs, environment=environment, directory=directory, leads_group=True
        )
        for descriptor in theirs:
            os.close(descriptor)
        took_too_long = threading.Event()

        def kill_late() -> None:
            took_too_long.set()
            fork.kill_group()

        killer = threading.Timer(timeout_s, kill_late)
        killer.start()
        try:
            with ThreadPoolExecutor(3) as opened:
                opened.submit(_write_all, write_in, stdin)
                out, err = (opened.submit(_read_all, each) for each in (read_out, read_err))
            with status:
                ended = int(status.recv(100))
        finally:
            killer.cancel()
            fork.close()
        if took_too_long.is_set():
            raise TimeoutError(f"{program} {words}: it did not end within {timeout_s:g} s")
        return subprocess.CompletedProcess([program, *words], ended, out.result(), err.result())

    def start(
        self,
        program: str,
        *words: str,
        streams: Sequence[int],
        environment: Mapping[str, str],
        directory: Path | None = None,
        passed_on: Sequence[int] = (),
        leads_group: bool = False,
    ) -> tuple[Fork, socket.socket]:
        """Launch `program`, a module or the path of a script, with the arguments `words`.

        `streams` are its three standard streams. It has the descriptors `passed_on` under the same numbers. Return the
        process, and a socket from which its exit status comes at its end, as `subprocess` shows it.
        """
        status, theirs = socket.socketpair()
        with theirs:
            fork = self._launch(
                [*streams, theirs.fileno(), *passed_on],
                module=program,
                words=[program, *words],
                environment=dict(environment),
                directory=str(directory or Path.cwd()),
                passed_on=list(passed_on),
                leads_group=leads_group,
            )
        return fork, status

    def _launch(self, descriptors: list[int], **request: Any) -> Fork:
        """Launch a process. `descriptors` are its standard streams, where its exit status goes, and what it gets."""
        with self._turn:
            socket.send_fds(self._connection, [json.dumps(request).encode()], descriptors)
            answer, (pidfd,), _, _ = socket.recv_fds(self._connection, 100, 1)
        return Fork(int(answer), pidfd)


def _write_all(descriptor: int, text: str) -> None:
    # A command may end without reading all of its input.
    with contextlib.suppress(BrokenPipeError), open(descriptor, "w") as stream:
        stream.write(text)


def _read_all(descriptor: int) -> str:
    with open(descriptor) as stream:
        return stream.read()


def serve_launches(connection: socket.socket, modules: list[str]) -> None:
    """Launch what is asked for until the launcher ends."""
    for module in modules:
        importlib.import_module(module)
    # Without this the collector would write into every page that the forks share.
    gc.collect()
    gc.freeze()
    forks: dict[int, tuple[Fork, int | None]] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            for pidfd in ready & forks.keys():
                selector.unregister(pidfd)
                _report_end(*forks.pop(pidfd))
            if connection.fileno() not in ready:
                continue
            if (launched := _launch_fork(connection)) is None:
                break
            forks[launched[0].pidfd] = launched
            selector.register(launched[0].pidfd, selectors.EVENT_READ)
    for fork, _ in forks.values():
        fork.send_signal(signal.SIGKILL)


def _launch_fork(connection: socket.socket) -> tuple[Fork, int | None] | None:
    """Launch the process that is asked for. Return it with the descriptor for its status; None: no launcher is left."""
    message, descriptors, _, _ = socket.recv_fds(connection, _LONGEST_REQUEST, _MOST_DESCRIPTORS)
    if not message:
        return None
    request = json.loads(message)
    streams, others = descriptors[: len(_STREAMS)], descriptors[len(_STREAMS) :]
    status, passed_on = others[0] if others else None, others[1:]
    numbers, leads_group = request.pop("passed_on", []), request.pop("leads_group", False)
    if (pid := os.fork()) == 0:
        if leads_group:
            os.setpgid(0, 0)
        become_module(dict(zip([*_STREAMS, *numbers], [*streams, *passed_on], strict=True)), **request)
    if leads_group:
        # Whichever of the two is first; the launcher may kill the group at once.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
    for descriptor in (*streams, *passed_on):
        os.close(descriptor)
    fork = Fork(pid, os.pidfd_open(pid))
    socket.send_fds(connection, [str(pid).encode()], [fork.pidfd])
    return fork, status


def _report_end(fork: Fork, status: int | None) -> None:
    """Write the exit status of a process that has ended, and forget the process."""
    _, ended = os.waitpid(fork.pid, 0)
    fork.close()
    if status is not None:
        # The launcher may not wait for it.
        with contextlib.suppress(OSError):
            os.write(status, str(os.waitstatus_to_exitcode(ended)).encode())
        os.close(status)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as launcher:
        serve_launches(launcher, sys.argv[2:])
