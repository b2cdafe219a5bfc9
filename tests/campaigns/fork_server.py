"""A Python process that has imported modules, and forks itself for each launch of one of them.

WMS takes a second of a core to import all that it needs. A fork of a process that has done so takes some milliseconds,
and is as killable as any process.

    launcher ── module, environment, streams ──► fork server ── fork ──► the module, as `python -m` runs it
             ◄── the pid, and a pidfd ──────────

A fork has the environment, the arguments, the directory and the three streams that its launcher gives it.
Run as `python -m tests.campaigns.fork_server FD MODULE...`. It ends when its launcher ends, and kills its forks then.
"""

import asyncio
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

_LONGEST_REQUEST = 1 << 20
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
        (status, their_status), ours = socket.socketpair(), [os.pipe() for _ in range(3)]
        (read_in, write_in), (read_out, write_out), (read_err, write_err) = ours
        theirs = [read_in, write_out, write_err, their_status.fileno()]
        fork = self._launch(
            theirs,
            module=program,
            words=[program, *words],
            environment=dict(environment),
            directory=str(directory or Path.cwd()),
        )
        for descriptor in theirs[:3]:
            os.close(descriptor)
        their_status.close()
        killer = threading.Timer(timeout_s, fork.kill_group)
        killer.start()
        try:
            with ThreadPoolExecutor(3) as streams:
                streams.submit(_write_all, write_in, stdin)
                out, err = (streams.submit(_read_all, each) for each in (read_out, read_err))
            with status:
                ended = status.recv(100)
        finally:
            killer.cancel()
            fork.close()
        if not ended:
            raise TimeoutError(f"{program} {words}: it did not end within {timeout_s:g} s")
        return subprocess.CompletedProcess([program, *words], int(ended), out.result(), err.result())

    def _launch(self, streams: list[int], **request: Any) -> Fork:
        """Launch a process. `streams` are its three standard streams, and perhaps where its exit status goes."""
        with self._turn:
            socket.send_fds(self._connection, [json.dumps(request).encode()], streams)
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
    forks: list[Fork] = []
    while True:
        request, descriptors, _, _ = socket.recv_fds(connection, _LONGEST_REQUEST, 4)
        if not request:
            break
        if (pid := os.fork()) == 0:
            connection.close()
            if len(descriptors) > len(_STREAMS):
                _report_status(descriptors.pop())
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


def _report_status(to: int) -> None:
    """Return in a child of this process. In this one, wait for the child, write its exit status, and end."""
    # All that the child starts ends with it, if it takes too long.
    os.setpgid(0, 0)
    if (pid := os.fork()) == 0:
        os.close(to)
        return
    for stream in _STREAMS:
        os.close(stream)
    _, status = os.waitpid(pid, 0)
    os.write(to, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become_module(
    descriptors: list[int], module: str, words: list[str], environment: dict[str, str], directory: str = "."
) -> None:
    status = 1
    try:
        for descriptor, stream in zip(descriptors, _STREAMS, strict=True):
            os.dup2(descriptor, stream)
        for descriptor in set(descriptors):
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(directory)
        # The process keeps them until its end.
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        sys.argv = words
        if os.sep in module:
            runpy.run_path(module, run_name="__main__")
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = _read_exit_code(end)
    except BaseException:  # noqa: BLE001 - as an interpreter does at the end of a program
        sys.excepthook(*sys.exc_info())
    finally:
        # An imported module may have kept the streams from before the fork, as defaults of its functions for example.
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            # The readers may have gone.
            with contextlib.suppress(OSError, AttributeError):
                stream.flush()
        os._exit(status)


def _read_exit_code(end: SystemExit) -> int:
    """Return the exit status as an interpreter does: a text goes to standard error."""
    if end.code is None or isinstance(end.code, int):
        return int(end.code or 0)
    print(end.code, file=sys.stderr)
    return 1


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as launcher:
        serve_launches(launcher, sys.argv[2:])
