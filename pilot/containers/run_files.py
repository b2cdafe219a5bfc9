"""The pilot's files on the worker. Each run has a directory with its infile, its outfile and its output.

    <parent>/ewms-pilot-data/<uuid>/task-io/{infile-<uuid>.<ext>,outfile-<uuid>.<ext>}
                             <uuid>/home/
                             <uuid>/outputs/{stdoutfile,stderrfile}
                             init-<hex>/home/
                             init-<hex>/outputs/{stdoutfile,stderrfile}
                             warm-<hex>/home/
                             warm-<hex>/outputs/stderrfile
                             data-hub/

At the path of its outfile a task may leave a link, a FIFO or a huge file. So the pilot opens the path without following
links, accepts only a regular file, and reads at most `MAX_EVENT_BYTES`. These calls are a large part of the cost of an
event, so this module uses `os`, which takes half of pathlib's time. `pilot.containers.run_directories` makes the
directories.
"""

import os
import shutil
import stat
import uuid
from contextlib import suppress
from dataclasses import dataclass

from pilot.containers.run_directories import RunDirectories
from pilot.failures.event_failures import outfile_too_large, outfile_unreadable
from pilot.failures.failure import Failure
from pilot.failures.secret_mask import SecretMask
from schemas.broker.topology import MAX_EVENT_BYTES

#: The name of the directory with all of a pilot's files.
DATA_DIRECTORY = "ewms-pilot-data"
_STDERR_TAIL = 64 * 1024


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The paths of one run's files on the worker. `infile` and `outfile` are names inside `task_io`."""

    name: str
    directory: str
    task_io: str
    outputs: str
    infile: str
    outfile: str

    @property
    def home(self) -> str:
        """The path of the run's home directory."""
        return f"{self.directory}/home"

    @property
    def stdout(self) -> str:
        """The path of the file that takes the run's standard output."""
        return f"{self.outputs}/stdoutfile"

    @property
    def stderr(self) -> str:
        """The path of the file that takes the run's standard error."""
        return f"{self.outputs}/stderrfile"


class WorkDirectory:
    """All of a pilot's files. With `shared` (docker), containers run as another user, who may write their files."""

    def __init__(self, parent: str, *, infile_ext: str, outfile_ext: str, shared: bool = False) -> None:
        self.path = f"{os.path.realpath(parent)}/{DATA_DIRECTORY}"
        self.data_hub = f"{self.path}/data-hub"
        #: The directory with the task's secrets; empty without secrets. `write_secrets` makes it.
        self.secrets = ""
        #: Hides the values of these secrets in all that leaves this worker.
        self.mask = SecretMask()
        self._infile_ext, self._outfile_ext = infile_ext, outfile_ext
        self._mode = 0o777 if shared else 0o700
        self.shared = shared
        self.directories = RunDirectories(self.path, shared=shared)

    def make_directories(self) -> None:
        """Make the directories that exist longer than a run. Other accounts of the worker cannot look into them."""
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        os.chmod(self.path, 0o700)
        os.makedirs(self.data_hub, exist_ok=True)
        os.chmod(self.data_hub, self._mode)

    def begin_run(self, infile: bytes | None) -> RunFiles:
        """Provide the directory of one run of the task. Write the infile, unless `infile` is None."""
        name = uuid.uuid4().hex
        directory = self.directories.provide_directory(name)
        task_io, outputs = f"{directory}/task-io", f"{directory}/outputs"
        infile_name = f"infile-{name}.{self._infile_ext}"
        if infile is not None:
            fd = os.open(f"{task_io}/{infile_name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                written = os.write(fd, infile)
                while written < len(infile):
                    written += os.write(fd, infile[written:])
            finally:
                os.close(fd)
        return RunFiles(
            name=name,
            directory=directory,
            task_io=task_io,
            outputs=outputs,
            infile=infile_name if infile is not None else "",
            outfile=f"outfile-{name}.{self._outfile_ext}",
        )

    def begin_outputs(self, kind: str) -> RunFiles:
        """Make the directory of a run that has no infile and no outfile. `kind` begins its name."""
        name = f"{kind}-{uuid.uuid4().hex}"
        directory = f"{self.path}/{name}"
        os.makedirs(f"{directory}/outputs", mode=0o700)
        os.mkdir(f"{directory}/home", 0o700)
        return RunFiles(name, directory, "", f"{directory}/outputs", "", "")


def remove_run(files: RunFiles) -> bool:
    """Remove a run's files by a few fast calls. Return False if some remain: then call `remove_tree`."""
    try:
        if files.task_io:
            for name in os.listdir(files.task_io):
                os.unlink(f"{files.task_io}/{name}")
            os.rmdir(files.task_io)
        os.unlink(files.stdout)
        os.unlink(files.stderr)
        os.rmdir(files.outputs)
        os.rmdir(files.home)
        os.rmdir(files.directory)
    except OSError:
        return False
    return True


def remove_tree(directory: str) -> None:
    """Remove a directory and all that is in it, even subdirectories without the right to list or write them.

    Links are removed, not followed. Errors are ignored.
    """
    for parent, names, _ in os.walk(directory):
        for name in names:
            with suppress(OSError):
                if not os.path.islink(f"{parent}/{name}"):
                    os.chmod(f"{parent}/{name}", 0o700)
    shutil.rmtree(directory, ignore_errors=True)


def read_outfile(files: RunFiles) -> bytes | Failure | None:
    """Return the outfile's bytes, or a failure if the outfile is too large or unreadable.

    Return None if the task wrote no outfile.
    """
    path = f"{files.task_io}/{files.outfile}"
    try:
        # O_NONBLOCK: the pilot must not hang if the task has left a FIFO here.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        return outfile_unreadable(f"the outfile cannot be opened: {error.strerror} (links are not followed)")
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return outfile_unreadable("the outfile is not a regular file")
        if status.st_size > MAX_EVENT_BYTES:
            return outfile_too_large(status.st_size, MAX_EVENT_BYTES)
        body = os.read(fd, status.st_size + 1)
        while chunk := os.read(fd, MAX_EVENT_BYTES + 1 - len(body)):
            body += chunk
        return body if len(body) <= MAX_EVENT_BYTES else outfile_too_large(len(body), MAX_EVENT_BYTES)
    except OSError as error:
        return outfile_unreadable(f"the outfile cannot be read: {error.strerror}")
    finally:
        os.close(fd)


def write_output(path: str, content: bytes) -> None:
    """Write what is kept of a run's output into the file that would have taken it. A full disk costs only that text."""
    with suppress(OSError):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(fd, content)
        finally:
            os.close(fd)


def read_tail(path: str, n_bytes: int = _STDERR_TAIL) -> str:
    """Return the last `n_bytes` of a text file. Return "" if the file is missing or unreadable."""
    try:
        with open(path, "rb") as file:
            file.seek(-min(n_bytes, os.fstat(file.fileno()).st_size), os.SEEK_END)
            return file.read(n_bytes).decode(errors="replace")
    except OSError:
        return ""
