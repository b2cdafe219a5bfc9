"""Copy the end of the pilot's own log to the access point while the pilot works.

HTCondor transfers a job's standard error when the job ends by itself, but not when `finish` or `abort` removes the job.
So after each warning the pilot copies the end of its log through the job's chirp proxy, to the path where HTCondor
would put the log. If the job ends by itself, HTCondor replaces the copy by the whole log.
"""

import asyncio
import logging
import os
import stat
from contextlib import suppress

from pilot.chirp.proxy import ChirpProxy

log = logging.getLogger(__name__)

#: The most bytes that a copy has, counted from the end of the log.
MAX_BYTES = 64 * 1024
#: The first copy waits, because more lines may follow at once. Each further copy waits twice as long as the copy
#: before. So ten thousand workers whose tasks all fail write at most a megabyte a second together.
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 600.0
_TIMEOUT_S = 10.0
_LAST_S = 5.0
_MODE = 0o600


def next_wait_s(wait_s: float) -> float:
    """Return how many seconds the next copy waits, if the copy before waited `wait_s`."""
    return min(2 * wait_s, _LONGEST_WAIT_S)


def open_own_log() -> int | None:
    """Open this process's standard error to read, and return the descriptor. Return None if that is not a file."""
    with suppress(OSError):
        fd = os.open("/proc/self/fd/2", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
    return None


class LogCopy(logging.Handler):
    """Copies the log after each warning. Add this handler to the root logger."""

    def __init__(self, destination: str, proxy: ChirpProxy, source: int) -> None:
        """`destination` is a path on the access point. `source` is a descriptor that reads the log."""
        super().__init__(logging.WARNING)
        self._destination = destination
        self._proxy = proxy
        self._source = source
        self._has_news = asyncio.Event()
        self._hurry = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    def start_copying(self) -> None:
        """Begin to copy in the background."""
        self._task = self._loop.create_task(self._copy_repeatedly(), name="log copy")

    def emit(self, record: logging.LogRecord) -> None:
        """Note that the log has a new warning to copy. Any thread may call this."""
        if record.name != log.name:
            self._loop.call_soon_threadsafe(self._has_news.set)

    def copy_now(self) -> None:
        """Copy at once, because HTCondor may kill this pilot in a moment."""
        self._hurry.set()
        self._has_news.set()

    async def close_copy(self) -> None:
        """Copy the last lines, and stop copying."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._has_news.is_set():
            with suppress(TimeoutError, OSError):
                await asyncio.wait_for(asyncio.to_thread(self._copy_log), _LAST_S)

    async def _copy_repeatedly(self) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            await self._has_news.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), wait_s)
            self._hurry.clear()
            self._has_news.clear()
            try:
                await asyncio.wait_for(asyncio.to_thread(self._copy_log), _TIMEOUT_S)
            except (OSError, TimeoutError) as error:
                log.info("the log cannot be copied to the access point: %s", error or "no answer")
            except Exception:
                log.exception("copying the log to the access point failed")
            wait_s = next_wait_s(wait_s)

    def _copy_log(self) -> None:
        size = os.fstat(self._source).st_size
        data = os.pread(self._source, MAX_BYTES, max(0, size - MAX_BYTES))
        with self._proxy.open_connection() as proxy:
            proxy.write(data, self._destination, flags="wct", mode=_MODE)
