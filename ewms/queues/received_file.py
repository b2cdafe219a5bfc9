"""The file of the handled events of one queue, so that another program of the account does not get them again.

    $EWMS_STATE_DIR or $XDG_STATE_HOME/ewms or ~/.local/state/ewms       directories 0700
      received/<gateway and queue>.v1.sqlite3                            0600, 60 bytes an event

A file keeps the last million events of its queue, each for seven days. Files that no program has written for seven days
are removed. If all files together have more than 1 GiB, the oldest are removed too.

Machines often share home directories (NFS), and SQLite's write-ahead log does not work there. So the file uses the
plain rollback journal. Source: SQLite documentation, "Write-Ahead Logging", section 1.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

#: How long (seconds) an event counts as received. Source: guarantee G2.
LIFE_S = 7 * 24 * 3600.0

MAX_EVENTS = 1_000_000
MAX_BYTES = 1 << 30

_SUFFIX = ".v1.sqlite3"
_JOURNAL = "-journal"

#: How long (seconds) another process may keep the file locked before this one goes on without the file.
_LOCK_PATIENCE_S = 5.0

#: How many values we put into one statement; an old SQLite takes at most 999.
_MOST_VALUES = 900

_SCHEMA = """
CREATE TABLE IF NOT EXISTS received (
    n INTEGER PRIMARY KEY,      -- grows, so the oldest are found without an index
    id BLOB NOT NULL UNIQUE,    -- a digest
    at REAL NOT NULL            -- seconds of the epoch
)
"""
_ADD = """
INSERT INTO received (id, at) VALUES (?, ?)
ON CONFLICT (id) DO UPDATE SET at = excluded.at WHERE at <= ?
"""
_DROP_OLDEST = """
DELETE FROM received WHERE n IN (SELECT n FROM received ORDER BY n LIMIT ?)
AND (at <= ? OR n <= (SELECT max(n) FROM received) - ?)
"""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of received events in the directory."""

    path: Path
    written_at: float
    n_bytes: int


def file_name(gateway: str, queue: str) -> str:
    """Return the name of the file for `queue` (an mqid) of the server at `gateway`."""
    return _digest_text(f"{gateway}\n{queue}").hex() + _SUFFIX


def find_outdated(files: Iterable[KeptFile], *, now_s: float, max_bytes: int = MAX_BYTES) -> list[Path]:
    """Return the files to remove: those older than seven days, and the oldest while all have more than `max_bytes`."""
    gone, n_bytes = [], 0
    for file in sorted(files, key=lambda file: file.written_at, reverse=True):
        n_bytes += file.n_bytes
        if file.written_at <= now_s - LIFE_S or n_bytes > max_bytes:
            gone.append(file.path)
    return gone


class ReceivedFile:
    """An open file of received events. `ReceivedFile.open_or_make` makes these objects. Use each in one thread at a
    time.

    Several processes may have the file open. Every method raises `OSError` or `sqlite3.Error` if it fails.
    """

    def __init__(self, path: Path, *, max_events: int) -> None:
        self._path = path
        self._database = _open_database(path)
        self._max_events = max_events

    @classmethod
    def open_or_make(cls, path: Path, *, now_s: float, max_events: int = MAX_EVENTS) -> Self:
        """Open the file at `path`, or make it. Remove outdated files in the same directory.

        If the file is damaged and no database, an empty file replaces it.
        """
        _make_directory(path.parent)
        for old in find_outdated(_kept_files(path.parent, but=path), now_s=now_s):
            _remove_file(old)
        try:
            return cls(path, max_events=max_events)
        except sqlite3.DatabaseError as error:
            if not _is_torn(error):
                raise
            _remove_file(path)
            return cls(path, max_events=max_events)

    def find_known(self, ids: Sequence[str], *, now_s: float) -> set[str]:
        """Return those of `ids` that were recorded less than seven days before `now_s`."""
        by_digest = {_digest_text(id_): id_ for id_ in ids}
        digests = list(by_digest)
        found: set[str] = set()
        with self._replace_if_torn():
            for start in range(0, len(digests), _MOST_VALUES):
                some = digests[start : start + _MOST_VALUES]
                # We format only question marks into the statement.
                query = f"SELECT id FROM received WHERE at > ? AND id IN ({','.join('?' * len(some))})"  # noqa: S608
                found.update(by_digest[row[0]] for row in self._database.execute(query, (now_s - LIFE_S, *some)))
        return found

    def record_events(self, ids: Sequence[str], *, now_s: float) -> None:
        """Record all of the events `ids` as handled, or none. Delete some of the events beyond the limits."""
        until = now_s - LIFE_S
        with self._replace_if_torn(), _write_transaction(self._database):
            self._database.executemany(_ADD, [(_digest_text(id_), now_s, until) for id_ in ids])
            # Delete up to twice as many as came, so that deleting keeps up.
            self._database.execute(_DROP_OLDEST, (2 * len(ids) + 100, until, self._max_events))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def _replace_if_torn(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if _is_torn(error):
                # The next program that opens it starts with an empty file.
                _remove_file(self._path)
            raise


def _digest_text(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def _is_torn(error: sqlite3.DatabaseError) -> bool:
    # Its subclasses mean something else: a lock, a full disk, a file that may not be read.
    return type(error) is sqlite3.DatabaseError


def _make_directory(directory: Path) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.mkdir(exist_ok=True, mode=0o700)
    if directory.stat().st_uid != os.getuid():
        # Its owner could replace our file, and so make us leave events out.
        raise PermissionError(f"{directory} belongs to another user")


def _open_database(path: Path) -> sqlite3.Connection:
    # SQLite would give a new file the umask's mode, and its journal gets the file's mode; so we make the file.
    # We do not open a file that exists: closing it here would end the locks that this process may hold on it.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    database = sqlite3.connect(path, timeout=_LOCK_PATIENCE_S, isolation_level=None, check_same_thread=False)
    try:
        # Keeping the journal and truncating it costs less than creating and removing it each time.
        database.execute("PRAGMA journal_mode = TRUNCATE")
        # If the machine crashes, the last seconds may be lost, and events come twice. A killed process loses nothing.
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def _write_transaction(database: sqlite3.Connection) -> Iterator[None]:
    # Lock for writing from the start: two transactions that read first and then write would block each other.
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise


def _kept_files(directory: Path, *, but: Path) -> Iterator[KeptFile]:
    for path in directory.glob(f"*{_SUFFIX}"):
        # Another process may remove the file meanwhile.
        with suppress(FileNotFoundError):
            status = path.stat()
            if path != but:
                yield KeptFile(path, status.st_mtime, status.st_size)


def _remove_file(path: Path) -> None:
    for each in (path, path.with_name(path.name + _JOURNAL)):
        each.unlink(missing_ok=True)
