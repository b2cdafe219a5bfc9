"""Compress, then pack, then remove the files of taskforces that are over. Contract 7.5.

job.log       unchanged for a day, taskforce over (or a week)  -> job.log.gz
job.log.gz    a week old                                       -> removed
<uuid>/       unchanged for five days                          -> <uuid>.tar.gz
<uuid>.tar.gz five days old                                    -> removed
workers' logs and archives beyond their share                  -> the oldest are removed (`log_space.py`)

A directory's age counts from the last write of HTCondor or a pilot in it. TMS never touches the files of a taskforce
that is in the queue or followed, even if they are old, because HTCondor may still write there.
"""

import gzip
import os
import shutil
import tarfile
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from runtime.telemetry import log
from schemas.ids import TaskforceUuid
from schemas.pilot.job_names import PRIVATE_FILES
from tms.files import TaskforceFiles, TmsDirectory
from tms.log.checkpoint import checkpoint_from_bytes
from tms.worker_logs.log_space import bound_logs


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionAges:
    """How long files stay before TMS compresses, packs or removes them."""

    log: timedelta = timedelta(days=1)
    unfinished_log: timedelta = timedelta(days=7)
    packed_log: timedelta = timedelta(days=7)
    directory: timedelta = timedelta(days=5)
    packed_directory: timedelta = timedelta(days=5)


class FileRetention:
    """Tidies the directory of one TMS. Its methods block on the disk."""

    def __init__(self, home: TmsDirectory, ages: RetentionAges, *, max_log_bytes: int | None = None) -> None:
        """`max_log_bytes` limits the size of all workers' logs and archives together. None means no limit."""
        self._home = home
        self._ages = ages
        self._max_log_bytes = max_log_bytes

    def tidy_files(self, busy: Container[TaskforceUuid], *, now: datetime) -> None:
        """Compress, pack and remove the files that are due at `now`, of all taskforces except the `busy` ones."""
        for uuid, files in list(self._home.list_taskforces()):
            if uuid not in busy:
                _log_failure_of(self._tidy_taskforce, files, now)
        for packed in list(self._home.list_archives()):
            if now - _changed_at(packed) >= self._ages.packed_directory:
                _log_failure_of(packed.unlink)
        for half in (self._home.root / "taskforces").glob(".*.new"):
            _log_failure_of(half.unlink)
        if self._max_log_bytes is not None:
            _log_failure_of(partial(bound_logs, self._home, busy, max_bytes=self._max_log_bytes))

    def _tidy_taskforce(self, files: TaskforceFiles, now: datetime) -> None:
        if now - _last_change(files) >= self._ages.directory:
            _pack_directory(files.directory)
            log.info("files of an old taskforce packed", taskforce_uuid=files.directory.name)
            return
        with suppress(FileNotFoundError):
            limit = self._ages.log if _is_over(files) else self._ages.unfinished_log
            if now - _changed_at(files.log) >= limit:
                _pack_log(files)
        with suppress(FileNotFoundError):
            if now - _changed_at(files.packed_log) >= self._ages.packed_log:
                files.packed_log.unlink()


def _log_failure_of(work: Callable[..., None], *arguments: object) -> None:
    """Call `work`, and log an OSError that it raises. A fault in one taskforce's files must not stop the tidying of
    others.
    """
    try:
        work(*arguments)
    except OSError as error:
        log.error("old files cannot be tidied", error=str(error))


def _is_over(files: TaskforceFiles) -> bool:
    try:
        checkpoint = checkpoint_from_bytes(files.checkpoint.read_bytes())
    except FileNotFoundError:
        return False
    return checkpoint is not None and checkpoint.is_over


def _pack_log(files: TaskforceFiles) -> None:
    partial = files.packed_log.with_name(f".{files.packed_log.name}.new")
    with files.log.open("rb") as source, gzip.open(_create_private(partial), "wb") as target:
        shutil.copyfileobj(source, target)
    _put_into_place(partial, files.packed_log)
    files.log.unlink()


def _pack_directory(directory: Path) -> None:
    packed = directory.with_name(f"{directory.name}.tar.gz")
    partial = packed.with_name(f".{packed.name}.new")
    with _create_private(partial).open("wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
        # Keep the token and the secrets out of the archive. TMS has normally removed them before.
        tar.add(directory, arcname=directory.name, filter=_without_private_files)
    _put_into_place(partial, packed)
    shutil.rmtree(directory)


def _without_private_files(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if member.name.rpartition("/")[2] in PRIVATE_FILES else member


def _create_private(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return path


def _put_into_place(partial: Path, path: Path) -> None:
    """Rename the complete file to its final name. After a crash the old file is there, with or without the new one."""
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    partial.rename(path)


def _last_change(files: TaskforceFiles) -> datetime:
    """Return when HTCondor or a pilot last changed a file. Ignore the changes that TMS makes when it tidies."""
    theirs = (p for p in files.directory.rglob("*") if not p.is_dir() and p != files.packed_log)
    return max(map(_changed_at, theirs), default=_changed_at(files.directory))


def _changed_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.lstat().st_mtime).astimezone()
