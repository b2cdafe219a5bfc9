"""Read the workers' stdout and stderr from the archive of an old taskforce.

    taskforces/<uuid>.tar.gz   with   <uuid>/cluster-<id>/<proc>.out | .err

Every read unpacks the archive from its beginning. So TMS reads one archive at a time.
"""

import re
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from schemas.ids import TaskforceUuid
from schemas.questions.worker_logs import LogStream
from tms.files import TmsDirectory

_LOG = re.compile(r"cluster-([0-9]{1,10})/([0-9]{1,7})\.(out|err)", re.ASCII)
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class PackedLog:
    """One log in an archive."""

    proc: int
    stream: LogStream
    n_bytes: int
    modified_at_s: float

    @property
    def name(self) -> str:
        """Return the log's name within its taskforce, for example `17.out`."""
        return f"{self.proc}.{self.stream}"


def list_packed(home: TmsDirectory, uuid: TaskforceUuid) -> list[PackedLog]:
    """Return the logs of the newest cluster in the archive of `uuid`. Without an archive, return an empty list."""
    with _open_archive(home, uuid) as tar:
        found = list(_find_logs(tar, uuid)) if tar is not None else []
    newest = max((cluster for cluster, _, _ in found), default=0)
    return [log for cluster, log, _ in found if cluster == newest]


def read_packed(
    home: TmsDirectory, uuid: TaskforceUuid, *, proc: int, stream: LogStream, offset: int, max_bytes: int
) -> tuple[bytes, int, int] | None:
    """Return a part of a log in the archive of `uuid`, the part's offset, and the size of the whole log.

    Return None if there is no such log. A negative `offset` counts from the end of the log.
    """
    with _open_archive(home, uuid) as tar:
        found = list(_find_logs(tar, uuid)) if tar is not None else []
        newest = max((cluster for cluster, _, _ in found), default=0)
        for cluster, log, member in found:
            if (cluster, log.proc, log.stream) == (newest, proc, stream) and tar is not None:
                begin = offset if offset >= 0 else max(0, member.size + offset)
                file = tar.extractfile(member)
                if file is None or begin >= member.size:
                    return b"", begin, member.size
                file.seek(begin)
                return file.read(max_bytes), begin, member.size
    return None


@contextmanager
def _open_archive(home: TmsDirectory, uuid: TaskforceUuid) -> Iterator[tarfile.TarFile | None]:
    path: Path = home.archive_path(uuid)
    with _one_at_a_time:
        try:
            tar = tarfile.open(path, "r:gz")  # noqa: SIM115 - closed below; only its opening may fail so
        except FileNotFoundError:
            yield None
            return
        with tar:
            yield tar


def _find_logs(tar: tarfile.TarFile, uuid: TaskforceUuid) -> Iterator[tuple[int, PackedLog, tarfile.TarInfo]]:
    """Yield the cluster id, the log and the archive member of each regular file that is named like a log."""
    for member in tar:
        named = _LOG.fullmatch(member.name.removeprefix(f"{uuid}/"))
        if named is not None and member.isreg():
            yield int(named[1]), PackedLog(int(named[2]), LogStream(named[3]), member.size, member.mtime), member
