"""Follow one job event log from a checkpoint: read new records, add them to the tally, remember how far TMS has read.

Every method blocks on the disk, so callers run it in a thread. Only one thread may read a log at a time.
"""

import hashlib
import os
from pathlib import Path

from runtime.telemetry import counter, log
from tms.files import TaskforceFiles, keep_output, write_private
from tms.log.checkpoint import Checkpoint, checkpoint_from_bytes, checkpoint_to_bytes
from tms.log.job_events import parse_log
from tms.log.statuses import Tally
from tms.log.work_metrics import record_work

#: The size of one read: large enough to be cheap, and small enough that a busy log does not delay the others.
SLICE_BYTES = 4 * 1024 * 1024
#: A log without a record end in this many bytes is damaged. TMS skips these bytes.
MAX_RECORD_BYTES = 64 * 1024 * 1024
#: A new log may have the inode of the old one. So TMS compares this many first bytes to notice a replaced log.
_HEAD_BYTES = 1024

_held = counter("workers_held_total", "Holds of jobs that the job event logs show, by HTCondor's reason.", ["reason"])


class JobLog:
    """One job event log: how far TMS has read it, and the tally up to there."""

    def __init__(
        self, files: TaskforceFiles, *, n_workers: int, cluster_id: int | None, keeps_output: bool = False
    ) -> None:
        """If `keeps_output`, keep the output of each worker's run that ends. Otherwise the job's next run overwrites
        it.
        """
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
        self._keeps_output = keeps_output
        #: Up to this place, this or an earlier TMS has kept the output of the runs that ended.
        self._kept_offset = _read_place(files.kept_output) if keeps_output else 0

    def load_checkpoint(self) -> bool:
        """Continue from the checkpoint. Return False if there is no readable checkpoint."""
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
        """Set the number of workers and the cluster that the submit has returned. From now on, other clusters' events
        are skipped.
        """
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
        """Read the next part of the log, at most `SLICE_BYTES`. Return whether the log was replaced.

        If the log was replaced, read from its first byte with an empty tally. A record longer than `SLICE_BYTES` is
        read whole.
        """
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
        """Write the checkpoint, unless it is the same as the one written last."""
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
        is_read_again = self.offset < self._kept_offset
        size = min(SLICE_BYTES, self._kept_offset - self.offset) if is_read_again else SLICE_BYTES
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
        before = self.tally.times.sum_work()
        self.tally.fold_events(parsed.events)
        record_work(before, self.tally.times.sum_work())
        self._cluster_id = self.tally.cluster_id
        if self._keeps_output and not is_read_again:
            self._keep_output(self.offset + parsed.n_bytes)
        self.tally.ended_runs.clear()
        for reason, n_holds in self.tally.new_holds.items():
            _held.labels(reason).inc(n_holds)
        self.tally.new_holds.clear()
        self.n_corrupt += parsed.n_corrupt
        self.offset += parsed.n_bytes

    def _keep_output(self, place: int) -> None:
        """Keep the output of the runs that ended before the offset `place`, and remember `place`.

        After a crash, or when the log was replaced, TMS reads the log again. By then the files may be those of a later
        run. So TMS writes `place` before it renames the files: a crash in between loses the output of a run, but never
        mixes up two runs.
        """
        if not self.tally.ended_runs or self._cluster_id is None:
            return
        directory = self._files.output_directory(self._cluster_id)
        if not directory.is_dir():
            return
        try:
            write_private(self._files.kept_output, f"{place}\n".encode())
        except OSError as error:
            log.error("TMS cannot remember whose output it has kept", error=str(error))
        self._kept_offset = place
        keep_output(directory, self.tally.ended_runs)

    def _is_another(self, fd: int) -> bool:
        status = os.fstat(fd)
        if not self.offset:
            return False
        n_bytes, digest = self._head
        return status.st_ino != self._inode or status.st_size < self.offset or _hash_head(fd, n_bytes) != digest

    def _begin_anew(self) -> None:
        self.tally = Tally(self._n_workers, cluster_id=self._cluster_id)
        self.offset, self.n_corrupt, self._head = 0, 0, (0, "")


def _read_place(path: Path) -> int:
    try:
        return int(path.read_bytes())
    except (OSError, ValueError):
        return 0


def _hash_head(fd: int, n_bytes: int) -> str:
    return hashlib.blake2b(os.pread(fd, n_bytes, 0), digest_size=16).hexdigest()
