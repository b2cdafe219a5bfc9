"""The files of one TMS, all under its own directory.

lock   epoch                       the running TMS holds the lock; the epoch counts the starts
taskforces/<uuid>/        0700
    submission.json                what was submitted, to report it again
    ewms_pilot_task.json           travels with each job
    ewms_pilot_token      0600     travels with each job; removed when the cluster leaves
    ewms_pilot_secrets    0600     the same, if the task has secrets
    inputs/                        copies of the user's input files; removed when the cluster leaves
    job.log   checkpoint           HTCondor's job event log, and how far TMS has read it
    kept-output                    up to where in the log TMS has kept the output of the runs that ended
    cluster-<id>/<proc>.out|.err   the workers' output, where the task asked for it; `.before`: of the run before
"""

import contextlib
import fcntl
import json
import os
import shutil
import stat
import threading
from asyncio import Future, get_running_loop
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.ids import TASKFORCE_UUID, TaskforceUuid
from schemas.pilot.job_names import SECRETS_FILE, TASK_FILE, TOKEN_FILE
from schemas.questions.worker_logs import LogStream


@dataclass(frozen=True, slots=True)
class TaskforceFiles:
    """The files of one taskforce."""

    directory: Path

    @property
    def log(self) -> Path:
        """Return the path of the job event log, which HTCondor writes."""
        return self.directory / "job.log"

    @property
    def packed_log(self) -> Path:
        """Return the path of the compressed log. It replaces the log when the log has not changed for some time."""
        return self.directory / "job.log.gz"

    @property
    def checkpoint(self) -> Path:
        """Return the path of the log's checkpoint."""
        return self.directory / "checkpoint"

    @property
    def kept_output(self) -> Path:
        """Return the path of the file with a byte offset in the log. TMS has kept the output of all runs that ended
        before it.
        """
        return self.directory / "kept-output"

    @property
    def task(self) -> Path:
        """Return the path of the pilots' task file."""
        return self.directory / TASK_FILE

    @property
    def token(self) -> Path:
        """Return the path of the pilots' token file."""
        return self.directory / TOKEN_FILE

    @property
    def secrets(self) -> Path:
        """Return the path of the file with the task's secrets. It exists only if the task has some."""
        return self.directory / SECRETS_FILE

    @property
    def inputs(self) -> Path:
        """Return the path of the directory with the user's input files."""
        return self.directory / "inputs"

    @property
    def _submission_path(self) -> Path:
        return self.directory / "submission.json"

    def output_directory(self, cluster_id: int) -> Path:
        """Return the directory in which the pool puts the workers' stdout and stderr: `<proc>.out` and `<proc>.err`."""
        return self.directory / f"cluster-{cluster_id}"

    def create_directory(self) -> None:
        """Make the directory, readable by its owner only."""
        self.directory.parent.mkdir(mode=0o700, exist_ok=True)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write_submission(self, submission: dict[str, Any]) -> None:
        """Write `submission` to a file: the data that `TaskforceSubmitted` reports, and the request that renews the
        token.
        """
        write_private(self._submission_path, json.dumps(submission, indent=1).encode() + b"\n")

    def read_submission(self) -> dict[str, Any]:
        """Return the data that `write_submission` wrote last. Return an empty dictionary if there is no readable
        file.
        """
        try:
            kept = json.loads(self._submission_path.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}

    def remove_inputs(self) -> None:
        """Remove the files that only jobs need: the token, the secrets and the input files. Call this when no more jobs
        can start.
        """
        self.token.unlink(missing_ok=True)
        self.secrets.unlink(missing_ok=True)
        shutil.rmtree(self.inputs, ignore_errors=True)


class TmsDirectory:
    """The directory of one TMS."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock_fd: int | None = None

    def taskforce_files(self, uuid: TaskforceUuid) -> TaskforceFiles:
        """Return the paths of the files of `uuid`. The files need not exist.

        Raises:
            ValueError: `uuid` is not the id of a taskforce. The id becomes part of a path, so its form matters.
        """
        if not TASKFORCE_UUID.fullmatch(uuid):
            raise ValueError(f"not the id of a taskforce: {uuid!r}")
        return TaskforceFiles(self.root / "taskforces" / uuid)

    def list_taskforces(self) -> Iterator[tuple[TaskforceUuid, TaskforceFiles]]:
        """Yield each taskforce that has a directory, with its files, in the order of the ids."""
        for directory in sorted((self.root / "taskforces").glob("TF-*")):
            if TASKFORCE_UUID.fullmatch(directory.name):
                yield TaskforceUuid(directory.name), TaskforceFiles(directory)

    def archive_path(self, uuid: TaskforceUuid) -> Path:
        """Return the path of the archive for the files of `uuid`. The archive need not exist.

        Raises:
            ValueError: `uuid` is not the id of a taskforce.
        """
        directory = self.taskforce_files(uuid).directory
        return directory.with_name(f"{directory.name}.tar.gz")

    def list_archives(self) -> Iterator[Path]:
        """Yield the archives that exist."""
        yield from (self.root / "taskforces").glob("TF-*.tar.gz")

    async def acquire_lock(self) -> int:
        """Wait until no other TMS works in this directory. Return the new epoch, which is higher than all earlier ones.

        The kernel holds the lock, and releases it when the process ends in any way.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await _wait_for_lock(self._lock_fd)
        return self.next_epoch()

    def next_epoch(self) -> int:
        """Return a number that is higher than all numbers that this method has returned, also before a restart of
        TMS.
        """
        file = self.root / "epoch"
        try:
            epoch = int(file.read_text()) + 1
        except FileNotFoundError:
            epoch = 1
        write_private(file, f"{epoch}\n".encode())
        return epoch

    def release_lock(self) -> None:
        """Release the lock, so that another TMS can work in this directory."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None


#: The end of the name of a log that a job wrote in its run before.
BEFORE = ".before"


def keep_output(directory: Path, procs: Iterable[int]) -> None:
    """Rename the output files of the jobs `procs`, whose run has just ended. HTCondor overwrites these files in the
    next run.

    Only the output of one earlier run stays. Do nothing for a job without output. Call this once for each end of a run:
    a second call would rename the output of the next run.
    """
    for proc in procs:
        for stream in LogStream:
            path = directory / f"{proc}.{stream}"
            with contextlib.suppress(OSError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and status.st_size:
                    path.replace(path.with_name(path.name + BEFORE))


def write_private(path: Path, data: bytes) -> None:
    """Write `data` to `path`, readable by its owner only. After a crash, `path` has the old or the new content, never a
    part.
    """
    partial = path.with_name(f".{path.name}.new")
    partial.unlink(missing_ok=True)
    # Create the file with its mode. Another user could open it before a later chmod.
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    directory_fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory_fd)
    finally:
        os.close(directory_fd)


async def _wait_for_lock(fd: int) -> None:
    """Wait for the lock in a separate thread. A shutdown does not wait for the thread, which may wait for days."""
    loop = get_running_loop()
    locked: Future[None] = loop.create_future()

    def take_lock() -> None:
        fcntl.flock(fd, fcntl.LOCK_EX)
        loop.call_soon_threadsafe(_settle_future, locked)

    threading.Thread(target=take_lock, name="tms-lock", daemon=True).start()
    await locked


def _settle_future(future: Future[None]) -> None:
    if not future.done():
        future.set_result(None)
