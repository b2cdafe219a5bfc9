"""The workers' stdout and stderr, for whom WMS has let through to them: which there are, and a stretch of one.

    taskforces/<uuid>/cluster-<id>/<proc>.out | .err

Names are made from numbers here, never taken from a request; nothing that is a link, or no file, is opened.
"""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from schemas.errors import NotFound
from schemas.ids import TaskforceUuid
from schemas.logs import MAX_LOG_FILES, LogAnswer, LogFile, LogQuery, LogsAnswer, LogsQuery, Stream
from tms.home import Home

_NAMES = {f".{stream}" for stream in Stream}


def listed(home: Home, query: LogsQuery, *, limit: int = MAX_LOG_FILES) -> LogsAnswer:
    """Return the logs of a taskforce; none is fine."""
    found = sorted(
        (proc, entry.name, entry)
        for directory in _directories(home, query.taskforce_uuid)
        for entry in directory.iterdir()
        if (proc := _proc(entry)) is not None and proc >= query.first_proc
    )
    next_proc = found[limit][0] if len(found) > limit else None
    files = []
    for proc, name, path in found[:limit]:
        # A job's two logs stay together.
        if proc == next_proc:
            break
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
            files.append(LogFile(name=name, n_bytes=status.st_size, modified_at=modified_at))
    return LogsAnswer(files=files, next_proc=next_proc)


def read(home: Home, query: LogQuery) -> LogAnswer:
    """Return a stretch of one log.

    Raises:
        NotFound: there is no such log.
    """
    for directory in _directories(home, query.taskforce_uuid):
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
    raise NotFound(
        "no such log", hint="logs exist once a job has ended, if worker_config.do_transfer_worker_stdouterr was set"
    )


def _directories(home: Home, uuid: TaskforceUuid) -> list[Path]:
    """Return where the logs of `uuid` may be; the newest cluster first, should there ever have been two."""
    try:
        files = home.taskforce(uuid)
    except ValueError as error:
        raise NotFound("no such taskforce") from error
    found = files.directory.glob("cluster-*")
    clusters = [path for path in found if path.name[8:].isdecimal() and path.is_dir() and not path.is_symlink()]
    return sorted(clusters, key=lambda path: int(path.name[8:]), reverse=True)[:1]


def _proc(path: Path) -> int | None:
    return int(path.stem) if path.suffix in _NAMES and path.stem.isdecimal() else None
