"""Send the pilot's chirps: to HTCondor by htchirp, or into an inherited pipe.

The pilot never waits for a chirp: a background task sends each chirp, and repeats a chirp that failed.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from pilot.chirp import attributes
from pilot.chirp.attributes import UnsentChirps, Value
from pilot.chirp.proxy import ChirpProxy
from pilot.failures.failure import Failure
from schemas.fleet.statuses import PilotStatus
from schemas.pilot.job_names import ChirpAttribute
from schemas.pilot.options import Chirp, ChirpDest

log = logging.getLogger(__name__)

#: Seconds from a failed chirp to the next try. The last number also holds for all later tries.
_AGAIN_S = (0.5, 2.0, 10.0, 60.0)

#: How many seconds the pilot waits for its last chirps before it ends.
FLUSH_S = 10.0


class ChirpChannel(Protocol):
    """The way by which chirps leave the pilot: HTCondor, a pipe, or none."""

    async def send_values(self, values: Mapping[ChirpAttribute, Value]) -> None:
        """Send all of `values`.

        Raises:
            OSError: the values cannot be sent now.
        """


class PipeChirp:
    """Writes chirps into a pipe to the launcher of a local pool, one line for each attribute."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        os.set_blocking(fd, False)
        self._fd = fd

    async def send_values(self, values: Mapping[ChirpAttribute, Value]) -> None:
        # One write a line: each is below PIPE_BUF, so it goes whole or not at all.
        for line in attributes.format_lines(values.items()):
            os.write(self._fd, f"{line}\n".encode())


class CondorChirp:
    """Chirps through HTCondor's proxy. The library for that blocks, so its calls run in a separate thread."""

    def __init__(self, dest: ChirpDest, proxy: ChirpProxy | None) -> None:
        self._dest = dest
        self._proxy = proxy
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chirp")

    async def send_values(self, values: Mapping[ChirpAttribute, Value]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._send_blocking, dict(values))

    def _send_blocking(self, values: dict[ChirpAttribute, Value]) -> None:
        if self._proxy is None:
            raise OSError("HTCondor has given this job no chirp proxy; the job needs WantIOProxy")
        with self._proxy.open_connection() as proxy:
            if self._dest is ChirpDest.JOB_EVENT_LOG:
                for line in attributes.format_lines(values.items()):
                    proxy.ulog(line)
            else:
                for attribute, value in values.items():
                    proxy.set_job_attr(attribute.value, attributes.format_expression(value))


class NoChirp:
    """Drops all chirps, because the pilot can send them neither to HTCondor nor into a pipe."""

    async def send_values(self, values: Mapping[ChirpAttribute, Value]) -> None:
        return


def choose_channel(settings: Chirp, proxy: ChirpProxy | None) -> ChirpChannel:
    """Return the channel for chirps that `settings` name. `proxy` is HTCondor's chirp proxy.

    If `settings` name a pipe that is not open, return the channel that drops all chirps.
    """
    if not settings.wanted:
        return NoChirp()
    if settings.fd is None:
        return CondorChirp(settings.dest, proxy)
    try:
        return PipeChirp(settings.fd)
    except OSError as error:
        log.warning(
            "EWMS_PILOT_HTCHIRP_FD is not the number of an open pipe, so no chirps are sent: %s", error.strerror
        )
        return NoChirp()


class Chirper:
    """Keeps the chirps that are not sent yet, and sends them when they are due."""

    def __init__(self, voice: ChirpChannel, interval_s: float) -> None:
        self._voice = voice
        #: Returns the work so far, which goes with every chirp; "" if there is none yet. The argument is the present
        #: time, in milliseconds since 1970.
        self.read_work: Callable[[int], str] = lambda _: ""
        self._backlog = UnsentChirps(interval_s)
        self._changed = asyncio.Event()
        self._silent = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._n_failed = 0

    def start_chirping(self) -> None:
        """Begin to send chirps in the background. The first chirp has the start time and the status STARTED."""
        self._backlog = replace(
            self._backlog, values={ChirpAttribute.STARTED_AT: int(time.time()), **self._backlog.values}
        )
        self.set_status(PilotStatus.STARTED)
        self._task = asyncio.create_task(self._send_when_due(), name="chirps")

    def set_status(self, status: PilotStatus, error: str = "", traceback: str = "", *, bad_machine: str = "") -> None:
        """Chirp a status, its error and its traceback without waiting for the interval.

        If `bad_machine` is given, also chirp that name, with the time.
        """
        bad = f"{int(time.time())} {bad_machine}" if bad_machine else ""
        self._backlog = attributes.with_status(self._backlog, status, error, traceback, bad_machine=bad)
        self._changed.set()

    def set_counters(self, *, n_failed: int, n_success: int, failure: Failure | None = None) -> None:
        """Chirp the counters, and the last task's `failure` if there is one, when they are due."""
        self._backlog = attributes.with_counters(
            self._backlog,
            n_failed=n_failed,
            n_success=n_success,
            error=failure.signature if failure else "",
            traceback=failure.traceback if failure else "",
        )
        self._changed.set()

    async def close(self) -> None:
        """Send the chirps that are not sent yet, for at most `FLUSH_S` seconds. Then stop chirping."""
        if self._task is None:
            return
        self._backlog = replace(self._backlog, urgent=bool(self._backlog.values))
        self._silent.clear()
        self._closing.set()
        self._changed.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self._silent.wait()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _send_when_due(self) -> None:
        while True:
            due_s = attributes.due_at(self._backlog)
            wait_s = None if due_s is None else max(0.0, due_s - time.monotonic())
            if wait_s is None or wait_s > 0:
                if wait_s is None:
                    self._silent.set()
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._changed.wait()
                continue
            self._backlog, values = attributes.take_values(self._backlog, time.monotonic())
            values[ChirpAttribute.LAST_UPDATED] = int(time.time())
            if work := self.read_work(int(time.time() * 1000)):
                values[ChirpAttribute.WORK] = work
            try:
                await self._voice.send_values(values)
                self._n_failed = 0
            except Exception as error:  # noqa: BLE001 - HTCondor's bindings raise what they like; the loop must go on
                is_usual = isinstance(error, OSError | ImportError)
                log.warning("could not chirp: %s", error if is_usual else repr(error))
                self._backlog = attributes.put_back(self._backlog, values)
                pause_s = _AGAIN_S[min(self._n_failed, len(_AGAIN_S) - 1)]
                self._n_failed += 1
                if self._closing.is_set():
                    await asyncio.sleep(_AGAIN_S[0])
                    continue
                # `close` ends a long pause: the last chirps have less time than the pause would take.
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._closing.wait()
