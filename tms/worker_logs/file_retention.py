"""What becomes of the files of taskforces that are over: compressed, then packed, then removed. Contract 7.5.

job.log       quiet for a day and over (or for a week)  -> job.log.gz
job.log.gz    a week old                                -> removed
<uuid>/       quiet for five days                       -> <uuid>.tar.gz
<uuid>.tar.gz five days old                             -> removed
workers' logs and archives beyond their share           -> the oldest are removed (`log_space.py`)

A directory's age is that of the last word of HTCondor or a pilot in it. What is still in the queue, or followed, is
left alone however old it is: HTCondor may write there tomorrow.
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
from tms.files import Home, TaskforceFiles
from tms.log.checkpoint import from_bytes
from tms.worker_logs.log_space import bound_logs


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """How long files stay as they are."""

    log: timedelta = timedelta(days=1)
    unfinished_log: timedelta = timedelta(days=7)
    packed_log: timedelta = timedelta(days=7)
    directory: timedelta = timedelta(days=5)
    packed_directory: timedelta = timedelta(days=5)


class Keeper:
    """Tidies one TMS's directory. All of it blocks on a disk."""

    def __init__(self, home: Home, ages: Ages, *, max_log_bytes: int | None = None) -> None:
        """`max_log_bytes` is what the workers' logs may have in all; None is no limit."""
        self._home = home
        self._ages = ages
        self._max_log_bytes = max_log_bytes

    def tidy(self, busy: Container[TaskforceUuid], *, now: datetime) -> None:
        """Do what is due by `now` for all taskforces but the `busy` ones."""
        for uuid, files in list(self._home.taskforces()):
            if uuid not in busy:
                _carefully(self._tidied, files, now)
        for packed in list(self._home.packed_taskforces()):
            if now - _changed_at(packed) >= self._ages.packed_directory:
                _carefully(packed.unlink)
        for half in (self._home.root / "taskforces").glob(".*.new"):
            _carefully(half.unlink)
        if self._max_log_bytes is not None:
            _carefully(partial(bound_logs, self._home, busy, max_bytes=self._max_log_bytes))

    def _tidied(self, files: TaskforceFiles, now: datetime) -> None:
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


def _carefully(work: Callable[..., None], *arguments: object) -> None:
    """Do `work`; what is wrong with one taskforce's files must not keep those of the others for ever."""
    try:
        work(*arguments)
    except OSError as error:
        log.error("old files cannot be tidied", error=str(error))


def _is_over(files: TaskforceFiles) -> bool:
    try:
        checkpoint = from_bytes(files.checkpoint.read_bytes())
    except FileNotFoundError:
        return False
    return checkpoint is not None and checkpoint.is_over


def _pack_log(files: TaskforceFiles) -> None:
    partial = files.packed_log.with_name(f".{files.packed_log.name}.new")
    with files.log.open("rb") as source, gzip.open(_private(partial), "wb") as target:
        shutil.copyfileobj(source, target)
    _put(partial, files.packed_log)
    files.log.unlink()


def _pack_directory(directory: Path) -> None:
    packed = directory.with_name(f"{directory.name}.tar.gz")
    partial = packed.with_name(f".{packed.name}.new")
    with _private(partial).open("wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
        # A token has no business in an archive; it is gone already, unless somebody put it back.
        tar.add(directory, arcname=directory.name, filter=_without_token)
    _put(partial, packed)
    shutil.rmtree(directory)


def _without_token(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if member.name.endswith("/ewms_pilot_token") else member


def _private(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return path


def _put(partial: Path, path: Path) -> None:
    """Give the whole file its name; after a crash there is either the old one or both."""
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    partial.rename(path)


def _last_change(files: TaskforceFiles) -> datetime:
    """Return when the newest file was changed; what we pack, and the directories' own times, tell of our tidying."""
    theirs = (p for p in files.directory.rglob("*") if not p.is_dir() and p != files.packed_log)
    return max(map(_changed_at, theirs), default=_changed_at(files.directory))


def _changed_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.lstat().st_mtime).astimezone()
