"""List the workers' logs (stdout and stderr), and read a part of one. WMS has checked the caller's rights.

    taskforces/<uuid>/cluster-<id>/<proc>.out | .err      at first
    taskforces/<uuid>.tar.gz                              later, see `tms.worker_logs.file_retention`

TMS makes the names from numbers and never takes one from a request. It reads regular files only and follows no links.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from schemas.errors import NotFound
from schemas.ids import TaskforceUuid
from schemas.logs import MAX_LOG_FILES, LogAnswer, LogFile, LogQuery, LogsAnswer, LogsQuery, LogStream
from tms.files import TmsDirectory
from tms.worker_logs.packed_logs import PackedLog, list_packed, read_packed

_NAMES = {f".{stream}" for stream in LogStream}


def list_logs(home: TmsDirectory, query: LogsQuery, *, limit: int = MAX_LOG_FILES) -> LogsAnswer:
    """Return the logs of a taskforce from the job `first_proc` on, at most `limit`; there may be none."""
    uuid = query.taskforce_uuid
    directories = _log_directories(home, uuid)
    logs = (
        list(_find_logs(directories))
        if directories
        else [(log.proc, _packed_file(log)) for log in list_packed(home, uuid)]
    )
    logs = sorted(
        ((proc, file) for proc, file in logs if proc >= query.first_proc), key=lambda log: (log[0], log[1].name)
    )
    next_proc = logs[limit][0] if len(logs) > limit else None
    # Keep the two logs of a job on one page.
    return LogsAnswer(files=[file for proc, file in logs[:limit] if proc != next_proc], next_proc=next_proc)


def read_log(home: TmsDirectory, query: LogQuery) -> LogAnswer:
    """Return a part of one log.

    Raises:
        NotFound: there is no such log.
    """
    directories = _log_directories(home, query.taskforce_uuid)
    for directory in directories:
        path = directory / f"{query.proc}.{query.stream}"
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            status = os.fstat(fd)
            if stat.S_ISREG(status.st_mode):
                offset = query.offset if query.offset >= 0 else max(0, status.st_size + query.offset)
                data = os.pread(fd, query.max_bytes, offset)
                return LogAnswer(data=data, offset=offset, n_bytes=status.st_size)
        finally:
            os.close(fd)
    if not directories and (packed := _read_packed(home, query)) is not None:
        return packed
    raise NotFound(
        "no such log",
        hint="with worker_config.do_transfer_worker_stdouterr a log is there once its worker has ended, or has warned "
        "of something",
    )


def _read_packed(home: TmsDirectory, query: LogQuery) -> LogAnswer | None:
    stretch = read_packed(
        home,
        query.taskforce_uuid,
        proc=query.proc,
        stream=query.stream,
        offset=query.offset,
        max_bytes=query.max_bytes,
    )
    if stretch is None:
        return None
    data, offset, n_bytes = stretch
    return LogAnswer(data=data, offset=offset, n_bytes=n_bytes)


def _packed_file(log: PackedLog) -> LogFile:
    return LogFile(name=log.name, n_bytes=log.n_bytes, modified_at=datetime.fromtimestamp(log.modified_at_s, UTC))


def _find_logs(directories: Iterable[Path]) -> Iterator[tuple[int, LogFile]]:
    """Yield the logs in `directories` with the ProcId of each."""
    for directory in directories:
        for path in directory.iterdir():
            proc, status = _parse_proc(path), path.lstat()
            if proc is not None and stat.S_ISREG(status.st_mode):
                modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
                yield proc, LogFile(name=path.name, n_bytes=status.st_size, modified_at=modified_at)


def _log_directories(home: TmsDirectory, uuid: TaskforceUuid) -> list[Path]:
    """Return the log directory of the newest cluster of `uuid`; an empty list without one."""
    try:
        files = home.taskforce_files(uuid)
    except ValueError as error:
        raise NotFound("no such taskforce") from error
    found = files.directory.glob("cluster-*")
    clusters = [path for path in found if path.name[8:].isdecimal() and path.is_dir() and not path.is_symlink()]
    return sorted(clusters, key=lambda path: int(path.name[8:]), reverse=True)[:1]


def _parse_proc(path: Path) -> int | None:
    return int(path.stem) if path.suffix in _NAMES and path.stem.isdecimal() else None
