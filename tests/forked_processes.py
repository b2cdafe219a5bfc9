"""Modules of ours as processes that tests start, watch and kill, like those of `asyncio.create_subprocess_exec`.

A start of `python -m wms` takes 1.7 s of a core, and nearly all of it is imports. So a process that has imported the
module already forks instead (`tests.campaigns.fork_server`). Tests of what a process shows of itself in /proc, of its
memory, and of accounts and namespaces start the module themselves.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.campaigns.fork_server import Fork
from tests.commands import start_server

#: Module -> what it imports. The module itself must run once only.
_IMPORTED = {
    "ewms.worker": ("ewms.worker.app",),
    "mqs": ("mqs.app",),
    "pilot": ("pilot.app",),
    "tests.integration.runtime.kernel_process": ("runtime.bus.service_bus", "runtime.kernel.relay"),
    "tests.integration.tms.as_account": ("tms.app", "deploy.local.children.unprivileged"),
    "tms": ("tms.app",),
    "wms": ("wms.app",),
}


class ForkedProcess:
    """A running module, with the part of `asyncio.subprocess.Process` that tests use."""

    def __init__(self, fork: Fork, status: socket.socket, readers: Sequence[asyncio.StreamReader | None]) -> None:
        self.pid = fork.pid
        #: The exit status, or -n after signal n; None while it runs.
        self.returncode: int | None = None
        self.stdout, self.stderr = readers
        self._fork = fork
        self._end = asyncio.create_task(self._await_end(status))

    async def wait(self) -> int:
        """Wait until it has ended. Return its exit status, or -n after signal n."""
        return await asyncio.shield(self._end)

    async def communicate(self) -> tuple[bytes, bytes]:
        """Read both streams until their ends, and wait for the end of the process. A stream without a pipe is empty."""
        read = [stream.read() if stream else _read_nothing() for stream in (self.stdout, self.stderr)]
        output, errors = await asyncio.gather(*read)
        await self.wait()
        return output, errors

    def send_signal(self, number: int) -> None:
        """Send a signal, if it has not ended."""
        if self.returncode is None:
            self._fork.send_signal(signal.Signals(number))

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    async def _await_end(self, status: socket.socket) -> int:
        with status, contextlib.closing(self._fork):
            status.setblocking(False)
            told = await asyncio.get_running_loop().sock_recv(status, 100)
            # Without a word the server has ended, and killed it.
            self.returncode = int(told or -signal.SIGKILL)
        return self.returncode


async def start_module(
    module: str,
    *words: str,
    environment: Mapping[str, str],
    directory: Path | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    passed_on: Sequence[int] = (),
) -> ForkedProcess:
    """Start `module`, one of those above, as `python -m` does, with an empty standard input.

    `stdout` and `stderr` are as in `subprocess`: PIPE, DEVNULL, a file, or None for this process's own. The process has
    the descriptors `passed_on`.
    """
    server = start_server(*_IMPORTED[module])
    with contextlib.ExitStack() as opened:
        nothing = opened.enter_context(Path(os.devnull).open("rb+"))
        streams, readers = [nothing.fileno()], []
        for number, wanted in ((1, stdout), (2, stderr)):
            reader = None
            if wanted is None:
                streams.append(number)
            elif wanted == subprocess.DEVNULL:
                streams.append(nothing.fileno())
            elif wanted == subprocess.PIPE:
                ours, theirs = os.pipe()
                opened.callback(os.close, theirs)
                streams.append(theirs)
                reader = await _open_reader(ours)
            else:
                streams.append(wanted if isinstance(wanted, int) else wanted.fileno())
            readers.append(reader)
        fork, status = await asyncio.to_thread(
            server.start,
            module,
            *words,
            streams=streams,
            environment=environment,
            directory=directory,
            passed_on=passed_on,
        )
    return ForkedProcess(fork, status, readers)


async def _open_reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    return reader


async def _read_nothing() -> bytes:
    return b""
