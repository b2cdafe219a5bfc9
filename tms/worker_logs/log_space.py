"""Keep workers' logs within their share of the disk: remove the oldest logs of taskforces that are over.

Archives of old taskforces count as logs, because they contain little else.
"""

import shutil
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path

from runtime.telemetry import log
from schemas.ids import TaskforceUuid
from tms.files import TmsDirectory


@dataclass(frozen=True, slots=True)
class KeptLogs:
    """A directory of logs, or an archive, with its size and the time of its last write. If `is_busy`, TMS must keep
    it.
    """

    path: Path
    n_bytes: int
    written_at_s: float
    is_busy: bool = False


def choose_to_remove(kept: Iterable[KeptLogs], *, max_bytes: int) -> list[KeptLogs]:
    """Return the entries of `kept` to remove, the oldest first, so that the rest has at most `max_bytes`.

    Busy entries stay, even if they have more than `max_bytes`.
    """
    kept = list(kept)
    excess = sum(one.n_bytes for one in kept) - max_bytes
    gone = []
    for one in sorted(kept, key=lambda one: one.written_at_s):
        if excess <= 0:
            break
        if not one.is_busy:
            gone.append(one)
            excess -= one.n_bytes
    return gone


def bound_logs(home: TmsDirectory, busy: Container[TaskforceUuid], *, max_bytes: int) -> None:
    """Remove the oldest logs until the rest has at most `max_bytes`. Logs of `busy` taskforces stay. This blocks on the
    disk.
    """
    for one in choose_to_remove(_find_kept(home, busy), max_bytes=max_bytes):
        log.warning("removed workers' logs: they had more than EWMS_WORKER_LOGS_MAX_BYTES", path=str(one.path))
        if one.path.is_dir():
            shutil.rmtree(one.path, ignore_errors=True)
        else:
            one.path.unlink(missing_ok=True)


def _find_kept(home: TmsDirectory, busy: Container[TaskforceUuid]) -> Iterable[KeptLogs]:
    for uuid, files in home.list_taskforces():
        for directory in files.directory.glob("cluster-*"):
            logs = [path.lstat() for path in directory.iterdir()] if not directory.is_symlink() else []
            if logs:
                n_bytes = sum(status.st_size for status in logs)
                yield KeptLogs(directory, n_bytes, max(status.st_mtime for status in logs), uuid in busy)
    for archive in home.list_archives():
        status = archive.lstat()
        yield KeptLogs(archive, status.st_size, status.st_mtime)
