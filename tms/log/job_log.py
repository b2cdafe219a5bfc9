"""Follow one job event log from a checkpoint: read new records, fold them into the tally, remember the place.

Every method blocks on the disk, so callers run it in a thread. Only one thread may read a log at a time.
"""

import hashlib
import os

from tms.files import TaskforceFiles, write_private
from tms.log.checkpoint import Checkpoint, checkpoint_from_bytes, checkpoint_to_bytes
from tms.log.job_events import parse_log
from tms.log.statuses import Tally

#: The size of one read: large enough to be cheap, and small enough that a busy log does not delay the others.
SLICE_BYTES = 4 * 1024 * 1024
#: A log without a record end in this many bytes is damaged. TMS skips these bytes.
MAX_RECORD_BYTES = 64 * 1024 * 1024
#: A new log may have the inode of the old one. So TMS compares this many first bytes to notice a replaced log.
_HEAD_BYTES = 1024


class JobLog:
    """One job event log: the place up to which it was read, and the tally up to there."""

    def __init__(self, files: TaskforceFiles, *, n_workers: int, cluster_id: int | None) -> None:
        self._files = files
        self._n_workers = n_workers
        self._cluster_id = cluster_id
        self.tally = Tally(n_workers, cluster_id=cluster_id)
        self.n_corrupt = 0
        self.is_over = False
        self.offset = 0
        #: Whether the last read stopped before the end of the log.
        self.is_behind = False
        self._inode = 0
        self._head = (0, "")
        self._saved: tuple[int, int, bool] | None = None

    def load_checkpoint(self) -> bool:
        """Continue from the checkpoint. Return whether there is a readable checkpoint."""
        try:
            checkpoint = checkpoint_from_bytes(self._files.checkpoint.read_bytes())
        except FileNotFoundError:
            return False
        if checkpoint is None:
            return False
        self.tally, self.n_corrupt, self.is_over = checkpoint.tally, checkpoint.n_corrupt, checkpoint.is_over
        self.offset, self._inode, self._head = checkpoint.offset, checkpoint.inode, checkpoint.head
        self._cluster_id = self.tally.cluster_id
        self._n_workers = self.tally.n_workers
        self._saved = (self._inode, self.offset, self.is_over)
        return True

    def expect_cluster(self, *, n_workers: int, cluster_id: int) -> None:
        """Note the result of the submit. From now on, only events of `cluster_id` count."""
        self._n_workers = self.tally.n_workers = n_workers
        self._cluster_id = self.tally.cluster_id = cluster_id

    def lag_bytes(self) -> int:
        """Return how many bytes of the log are unread; negative if the log was replaced or cut."""
        try:
            status = self._files.log.stat()
        except FileNotFoundError:
            return 0
        return status.st_size - self.offset if status.st_ino == self._inode or not self._inode else -1

    def read_new(self) -> bool:
        """Read at most `SLICE_BYTES`. Return whether the log was replaced, so that the tally began anew."""
        try:
            fd = os.open(self._files.log, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            began_anew = self._is_another(fd)
            if began_anew:
                self._begin_anew()
            self._inode = os.fstat(fd).st_ino
            self._read_slice(fd)
            if self._head[0] < min(_HEAD_BYTES, self.offset):
                n_bytes = min(_HEAD_BYTES, self.offset)
                self._head = (n_bytes, _hash_head(fd, n_bytes))
            return began_anew
        finally:
            os.close(fd)

    def save_checkpoint(self) -> None:
        """Write the checkpoint if it has changed."""
        place = (self._inode, self.offset, self.is_over)
        if place == self._saved:
            return
        checkpoint = Checkpoint(
            inode=self._inode,
            offset=self.offset,
            head=self._head,
            n_corrupt=self.n_corrupt,
            is_over=self.is_over,
            tally=self.tally,
        )
        write_private(self._files.checkpoint, checkpoint_to_bytes(checkpoint))
        self._saved = place

    def _read_slice(self, fd: int) -> None:
        size = SLICE_BYTES
        while True:
            data = os.pread(fd, size, self.offset)
            parsed = parse_log(data, cluster_id=self._cluster_id)
            if parsed.n_bytes or len(data) < size or size >= MAX_RECORD_BYTES:
                break
            size *= 2
        self.is_behind = len(data) == size
        if not parsed.n_bytes and len(data) >= MAX_RECORD_BYTES:
            self.offset += len(data)
            self.n_corrupt += 1
            return
        self.tally.fold_events(parsed.events)
        self._cluster_id = self.tally.cluster_id
        self.n_corrupt += parsed.n_corrupt
        self.offset += parsed.n_bytes

    def _is_another(self, fd: int) -> bool:
        status = os.fstat(fd)
        if not self.offset:
            return False
        n_bytes, digest = self._head
        return status.st_ino != self._inode or status.st_size < self.offset or _hash_head(fd, n_bytes) != digest

    def _begin_anew(self) -> None:
        self.tally = Tally(self._n_workers, cluster_id=self._cluster_id)
        self.offset, self.n_corrupt, self._head = 0, 0, (0, "")


def _hash_head(fd: int, n_bytes: int) -> str:
    return hashlib.blake2b(os.pread(fd, n_bytes, 0), digest_size=16).hexdigest()
