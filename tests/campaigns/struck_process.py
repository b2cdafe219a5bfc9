"""A process that is killed or frozen at points of its code, and started again whenever it ends."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Self

from tests.campaigns.fork_server import Fork, ForkServer

#: `answer 7: launched 12` is the answer to the command with the number 7.
_ANSWER = re.compile(r"^answer (\d+): (.+)$")
#: The pause between the end of a process and its next start, and between two tries of a command, in seconds.
_PAUSE_S = 0.1
#: Stands for the number of an answer when the process has ended.
_STRUCK = -1


class PointAct(StrEnum):
    """What a process does to itself at a point: the actions of `runtime.failpoints` that a campaign uses."""

    KILL = "kill"
    #: It stands still while the campaign strikes something, and goes on afterwards.
    STOP = "stop"


class StruckProcess:
    """A Python module as a process. It is started again after each end, until the block ends."""

    def __init__(
        self,
        forks: ForkServer,
        module: str,
        environment: Mapping[str, str],
        log: Path,
        *,
        points: Mapping[str, PointAct],
        on_stop: Callable[[str], Awaitable[None]],
    ) -> None:
        """The process meets each of the `points` once. At those of STOP it goes on when `on_stop` returns."""
        self._forks = forks
        self._module = module
        self._environment = environment
        self._log = log
        self._on_stop = on_stop
        #: The points that it has not passed yet.
        self.left = dict(points)
        self._fork: Fork | None = None
        self._words: asyncio.StreamWriter | None = None
        self._answers: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
        self._n_given = 0
        self._life: asyncio.Task[None] | None = None
        self._is_up = asyncio.Event()
        self._stops: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._life = asyncio.create_task(self._live())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._life is not None
        self._life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._life

    async def give(self, command: Mapping[str, Any], *, within_s: float = 20.0) -> str:
        """Give a command to the process; return its answer, or "" if it was struck or is silent for too long."""
        self._n_given = number = self._n_given + 1
        try:
            async with asyncio.timeout(within_s):
                await self._is_up.wait()
                assert self._words is not None
                while not self._answers.empty():
                    self._answers.get_nowait()
                self._words.write(json.dumps({"number": number, **command}).encode() + b"\n")
                # The answer to an earlier command may come now: the process stood still.
                while (found := await self._answers.get())[0] not in (number, _STRUCK):
                    pass
                return found[1]
        except TimeoutError:
            return ""

    async def insist(self, **command: Any) -> str:
        """Give a command until the process has carried it out, or refuses it for good; return its answer."""
        while not (answer := await self.give(command)) or answer.startswith("refused Unavailable"):
            await asyncio.sleep(_PAUSE_S)
        return answer

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self._fork is not None:
            self._fork.send_signal(number)

    async def _live(self) -> None:
        with self._log.open("ab") as log:
            while True:
                await self._live_once(log)
                self._answers.put_nowait((_STRUCK, ""))
                await asyncio.sleep(_PAUSE_S)

    async def _live_once(self, log: BinaryIO) -> None:
        armed = ",".join(f"{point}:{act}" for point, act in self.left.items())
        environment = {**os.environ, **self._environment, "EWMS_FAILPOINT": armed}
        (words, their_words), (said, their_log) = socket.socketpair(), socket.socketpair()
        with their_words, their_log:
            fork = self._fork = self._forks.launch(self._module, environment, words=their_words, log=their_log)
        answers, self._words = await asyncio.open_unix_connection(sock=words)
        lines, unused = await asyncio.open_unix_connection(sock=said)
        try:
            # Both end with the process.
            await asyncio.gather(self._read_answers(answers), self._read_log(fork, lines, log))
        finally:
            self._is_up.clear()
            self._fork = None
            fork.send_signal(signal.SIGKILL)
            fork.close()
            self._words.close()
            unused.close()

    async def _read_answers(self, stream: asyncio.StreamReader) -> None:
        # A killed process leaves a reset connection if it had not read all that was given to it.
        with contextlib.suppress(ConnectionError):
            while line := await stream.readline():
                if line == b"up\n":
                    self._is_up.set()
                elif found := _ANSWER.match(line.decode()):
                    self._answers.put_nowait((int(found[1]), found[2]))

    async def _read_log(self, fork: Fork, stream: asyncio.StreamReader, log: BinaryIO) -> None:
        while line := await stream.readline():
            log.write(line)
            log.flush()
            if line.startswith(b"failpoint "):
                point = line.decode().split()[1]
                if self.left.pop(point, None) is PointAct.STOP:
                    stop = asyncio.create_task(self._stand_still(fork, point))
                    self._stops.add(stop)
                    stop.add_done_callback(self._stops.discard)

    async def _stand_still(self, fork: Fork, point: str) -> None:
        try:
            # It says first that it is going to stand still.
            await fork.await_stop()
            await self._on_stop(point)
        finally:
            if fork is self._fork:
                fork.send_signal(signal.SIGCONT)
