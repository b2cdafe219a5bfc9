"""List the workers' logs (stdout and stderr), and read a part of a log. WMS has checked the caller's rights.

    taskforces/<uuid>/cluster-<id>/<proc>.out | .err      at first; `.before` after the name: the job's run before
    taskforces/<uuid>.tar.gz                              later, see `tms.worker_logs.file_retention`

TMS makes the names from numbers and never takes a name from a request. TMS reads regular files only and follows no
links.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from schemas.errors import NotFound
from schemas.ids import TaskforceUuid
from schemas.questions.worker_logs import MAX_LOG_FILES, LogAnswer, LogFile, LogQuery, LogsAnswer, LogsQuery, LogStream
from tms.files import BEFORE, TmsDirectory
from tms.worker_logs.packed_logs import PackedLog, list_packed, read_packed

_NAMES = {f".{stream}" for stream in LogStream}


def list_logs(home: TmsDirectory, query: LogsQuery, *, limit: int = MAX_LOG_FILES) -> LogsAnswer:
    """Return the logs of a taskforce, at most `limit`, in the order of their jobs, from the job `first_proc` on.

    Raises:
        NotFound: `taskforce_uuid` is not the id of a taskforce.
    """
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
    """Return the part of a log that `query` asks for.

    Raises:
        NotFound: there is no such log.
    """
    directories = _log_directories(home, query.taskforce_uuid)
    for directory in directories:
        with contextlib.ExitStack() as opened:
            parts = [
                part
                for name in _names_of(query.proc, query.stream)
                if (part := _open_part(directory / name, opened)) is not None
            ]
            if parts:
                return _read_parts(parts, query.offset, query.max_bytes)
    if not directories and (packed := _read_packed(home, query)) is not None:
        return packed
    raise NotFound(
        "no such log",
        hint="with worker_config.do_transfer_worker_stdouterr a log is there once its worker has ended, or has warned "
        "of something",
    )


def _names_of(proc: int, stream: LogStream) -> tuple[str, str]:
    """Return the names of the two files of a log: the output of the run before the last, and of the last run."""
    return f"{proc}.{stream}{BEFORE}", f"{proc}.{stream}"


def _open_part(path: Path, opened: contextlib.ExitStack) -> tuple[int, int] | None:
    """Open `path` until `opened` closes. Return the descriptor and the size. Return None if `path` is no regular
    file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    opened.callback(os.close, fd)
    status = os.fstat(fd)
    return (fd, status.st_size) if stat.S_ISREG(status.st_mode) else None


def _read_parts(parts: Sequence[tuple[int, int]], offset: int, max_bytes: int) -> LogAnswer:
    """Return a part of the log that consists of `parts`, which are pairs of descriptor and size."""
    n_bytes = sum(size for _, size in parts)
    begin = at = offset if offset >= 0 else max(0, n_bytes + offset)
    data = b""
    for fd, size in parts:
        if at < size and len(data) < max_bytes:
            data += os.pread(fd, min(max_bytes - len(data), size - at), at)
        at = max(0, at - size)
    return LogAnswer(data=data, offset=begin, n_bytes=n_bytes)


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
    """Yield the ProcId and the description of each log in `directories`.

    The size of a log includes the output of the job's run before.
    """
    for directory in directories:
        found: dict[str, tuple[int, list[os.stat_result]]] = {}
        for path in directory.iterdir():
            last = path.with_name(path.name.removesuffix(BEFORE))
            proc, status = _parse_proc(last), path.lstat()
            if proc is not None and stat.S_ISREG(status.st_mode):
                found.setdefault(last.name, (proc, []))[1].append(status)
        for name, (proc, parts) in found.items():
            modified_at = datetime.fromtimestamp(max(part.st_mtime for part in parts), UTC)
            yield proc, LogFile(name=name, n_bytes=sum(part.st_size for part in parts), modified_at=modified_at)


def _log_directories(home: TmsDirectory, uuid: TaskforceUuid) -> list[Path]:
    """Return a list with the log directory of the newest cluster of `uuid`. Return an empty list if there is none.

    Raises:
        NotFound: `uuid` is not the id of a taskforce.
    """
    try:
        files = home.taskforce_files(uuid)
    except ValueError as error:
        raise NotFound("no such taskforce") from error
    found = files.directory.glob("cluster-*")
    clusters = [path for path in found if path.name[8:].isdecimal() and path.is_dir() and not path.is_symlink()]
    return sorted(clusters, key=lambda path: int(path.name[8:]), reverse=True)[:1]


def _parse_proc(path: Path) -> int | None:
    return int(path.stem) if path.suffix in _NAMES and path.stem.isdecimal() else None
