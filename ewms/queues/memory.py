"""Remember the handled events of a queue: those of this program in memory, those of other programs in a file.

If there is no file, or the file fails, only the memory counts: an event may then come twice, but none is lost.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from ewms.queues.payloads import RecentIds
from ewms.state_directory import state_directory

if TYPE_CHECKING:
    from ewms.queues.received_file import ReceivedFile

log = logging.getLogger(__name__)

#: Whether and where a consumer remembers across programs. True: in the default directory; False: not; or a directory.
Remember = bool | str | Path

#: How long (seconds) the file's answer about an event holds. Another consumer may deal with a copy meanwhile.
_FRESH_S = 0.1

#: How many events we remember in memory. Without a file: 40 MB of them. With one: those that may come again soon.
_ALONE = 200_000
_BESIDE_A_FILE = 10_000

T = TypeVar("T")


def received_directory(remember: Remember) -> Path | None:
    """Return the directory for the files of received events, as `remember` says. Return None if there is no file."""
    if isinstance(remember, bool):
        return state_directory(os.environ) / "received" if remember else None
    return Path(remember)


class EventMemory:
    """The events that programs of this account have handled. `EventMemory.open_for_queue` makes these objects.

    Any thread may call `is_handled` and `add_event`; call the other methods on the event loop.
    """

    def __init__(self) -> None:
        self._recent = RecentIds(_ALONE)
        self._file: ReceivedFile | None = None
        # A thread for the file, because a file system may be slow and the loop must not wait for it.
        self._thread: ThreadPoolExecutor | None = None
        self._where = ""
        #: The events that the file was last asked about, and until when (monotonic seconds) its answer holds.
        self._asked: tuple[frozenset[str], float] = (frozenset(), 0.0)

    @classmethod
    async def open_for_queue(cls, directory: Path | None, *, gateway: str, queue: str, before: "EventMemory") -> Self:
        """Make the memory for `queue` (an mqid) of `gateway`, with a file in `directory` (None: no file), and return
        it.

        The new memory takes over the events that `before` held in memory.
        """
        self = cls()
        self._recent = before._recent
        if directory is not None:
            self._where = str(directory)
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="ewms received")
            self._file = await self._run_on_file(lambda: _open_file(directory, gateway, queue))
        self._recent.capacity = _ALONE if self._file is None else _BESIDE_A_FILE
        return self

    @property
    def has_file(self) -> bool:
        """Whether the memory writes a file, so that `record_events` waits for it."""
        return self._file is not None

    def is_handled(self, event: str) -> bool | None:
        """Return whether `event` has been handled. Return None if the caller must call `look_up` first."""
        if not event:
            return False  # events without an id cannot be distinguished
        if event in self._recent:
            return True
        asked, until = self._asked
        if self._file is None or (event in asked and time.monotonic() < until):
            return False
        return None

    def add_event(self, event: str) -> None:
        """Remember in memory that `event` is handled. Call `record_events` before you acknowledge the event."""
        self._recent.add_id(event)

    async def look_up(self, events: Iterable[str]) -> None:
        """Read from the file which of `events` have been handled.

        For 0.1 s afterwards, `is_handled` knows the answer for each of them; then it may return None again.
        """
        wanted = [event for event in dict.fromkeys(events) if event and event not in self._recent]
        if (file := self._file) is not None and wanted:
            for event in await self._run_on_file(lambda: file.find_known(wanted, now_s=time.time())) or ():
                self._recent.add_id(event)
            self._asked = frozenset(wanted), time.monotonic() + _FRESH_S

    async def record_events(self, events: Sequence[str]) -> None:
        """Write into the file that `events` are handled. Return after the write."""
        ids = [event for event in events if event]
        if (file := self._file) is not None and ids:
            await self._run_on_file(lambda: file.record_events(ids, now_s=time.time()))

    async def close(self) -> None:
        """Close the file."""
        if (file := self._file) is not None:
            await self._run_on_file(file.close)
        self._file = None
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    async def _run_on_file(self, do: Callable[[], T]) -> T | None:
        """Run `do` in the file's thread, and return its result. If `do` fails, warn, return None, and use the file no
        more.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, do)
        except Exception as error:  # noqa: BLE001 - the events matter more than any error of the file
            log.warning(
                "only this program remembers received events: %s: %s; name a directory of your own in "
                "EWMS_STATE_DIR, or turn this off with remember=False",
                self._where,
                error,
            )
            self._file = None
            self._recent.capacity = _ALONE
            return None


def _open_file(directory: Path, gateway: str, queue: str) -> "ReceivedFile":
    from ewms.queues.received_file import ReceivedFile, file_name  # noqa: PLC0415 - a Python may have been built without SQLite

    return ReceivedFile.open_or_make(directory / file_name(gateway, queue), now_s=time.time())
