"""What a consumer remembers of a queue: its own last events, and in a file those that other programs dealt with.

Without a file, or when the file fails, it remembers in memory alone: an event may then come twice, none is lost.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from ewms.queues.payloads import Recent
from ewms.state_directory import state_directory

if TYPE_CHECKING:
    from ewms.queues.received_file import ReceivedFile

log = logging.getLogger(__name__)

#: Whether and where a consumer remembers across programs: in the default directory, not at all, or in this directory.
Remember = bool | str | Path

#: How long the file's word on an event holds. Another consumer may deal with a copy of it meanwhile.
_FRESH_S = 0.1

#: How many events are remembered in memory: without a file, 40 MB of them; with one, those that may come in a moment.
_ALONE = 200_000
_BESIDE_A_FILE = 10_000

T = TypeVar("T")


def directory_of(remember: Remember) -> Path | None:
    """Return where `remember` says that received events are kept; None is nowhere."""
    if isinstance(remember, bool):
        return state_directory(os.environ) / "received" if remember else None
    return Path(remember)


class Memory:
    """The events that were dealt with. Build it with `Memory.open`; all but `holds` and `add` is for the loop."""

    def __init__(self) -> None:
        self._recent = Recent(_ALONE)
        self._file: ReceivedFile | None = None
        # One thread, because a file system may be slow and the loop must not wait for it.
        self._thread: ThreadPoolExecutor | None = None
        self._where = ""
        #: Of which events the file was asked, and until when its word holds.
        self._asked: tuple[frozenset[str], float] = (frozenset(), 0.0)

    @classmethod
    async def open(cls, directory: Path | None, *, gateway: str, queue: str, before: "Memory") -> Self:
        """Return the memory for `queue` (an mqid) of `gateway`, with a file in `directory`; None is without one.

        It holds what `before` held in memory.
        """
        self = cls()
        self._recent = before._recent
        if directory is not None:
            self._where = str(directory)
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="ewms received")
            self._file = await self._tried(lambda: _open_file(directory, gateway, queue))
        self._recent.capacity = _ALONE if self._file is None else _BESIDE_A_FILE
        return self

    def holds(self, event: str) -> bool | None:
        """Say whether `event` was dealt with; None if that is to be looked up first."""
        if not event:
            return False  # an event without an id cannot be told from others
        if event in self._recent:
            return True
        asked, until = self._asked
        if self._file is None or (event in asked and time.monotonic() < until):
            return False
        return None

    def add(self, event: str) -> None:
        """Remember in memory that `event` was dealt with. Call `record` before it is acknowledged."""
        self._recent.add(event)

    async def look_up(self, events: Iterable[str]) -> None:
        """Ask the file for `events`; afterwards `holds` knows them for a moment."""
        wanted = [event for event in dict.fromkeys(events) if event and event not in self._recent]
        if (file := self._file) is not None and wanted:
            for event in await self._tried(lambda: file.known(wanted, now_s=time.time())) or ():
                self._recent.add(event)
            self._asked = frozenset(wanted), time.monotonic() + _FRESH_S

    async def record(self, events: Sequence[str]) -> None:
        """Write into the file that `events` were dealt with, and return when it is there."""
        ids = [event for event in events if event]
        if (file := self._file) is not None and ids:
            await self._tried(lambda: file.record(ids, now_s=time.time()))

    async def close(self) -> None:
        """Close the file."""
        if (file := self._file) is not None:
            await self._tried(file.close)
        self._file = None
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    async def _tried(self, do: Callable[[], T]) -> T | None:
        """Return what `do` returns; if it fails, say so and go on without the file."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, do)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the file, the events matter more
            log.warning(
                "received events are remembered by this program alone: %s: %s; name a directory of your own in "
                "EWMS_STATE_DIR, or turn this off with remember=False",
                self._where,
                error,
            )
            self._file = None
            self._recent.capacity = _ALONE
            return None


def _open_file(directory: Path, gateway: str, queue: str) -> "ReceivedFile":
    from ewms.queues.received_file import ReceivedFile, file_name  # noqa: PLC0415 - a Python may have been built without SQLite

    return ReceivedFile.open(directory / file_name(gateway, queue), now_s=time.time())
