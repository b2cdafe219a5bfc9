"""Check a path of the worker, and notice if the file or directory at the path is exchanged after the check.

An account that may write a directory of the path can make the path lead elsewhere. So the pilot first opens the path,
and then asks the kernel for the real path of the opened file. Before each container starts, the pilot checks that the
path still leads to the same file.
"""

import errno
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pilot.containers.allowed_paths import PathFacts, WorkerPlaces
from pilot.containers.command import Command, Runtime
from pilot.containers.mounts import Mount
from pilot.settings import PilotSettings

#: Image files that apptainer mounts have these bytes at these offsets. Source: SIF and squashfs formats.
_MAGIC = ((32, b"SIF_MAGIC"), (0, b"hsqs"))
_HEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class Pin:
    """A checked file or directory of the worker: its real path at the check, and its device and inode."""

    path: str
    device: int
    inode: int

    def check_unchanged(self) -> None:
        """Raise OSError if the path no longer leads to the checked file or directory."""
        status = Path(self.path).stat()
        if (status.st_dev, status.st_ino) != (self.device, self.inode):
            raise OSError(errno.ESTALE, f"{self.path} was exchanged after the pilot began; start the workers anew")


@dataclass(frozen=True, slots=True)
class PinnedRuntime:
    """A runtime whose containers start only if the path of each pin still leads to the file that was checked."""

    runtime: Runtime
    pins: tuple[Pin, ...]

    @property
    def on_host(self) -> bool:
        """Whether the paths in the arguments are paths of the worker, not of a container."""
        return self.runtime.on_host

    @property
    def has_home(self) -> bool:
        """Whether the image has a writable home directory and sets HOME to it."""
        return self.runtime.has_home

    def build_command(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        mounts: Sequence[Mount],
        name: str,
        *,
        listens: bool = False,
    ) -> Command:
        """Return the runtime's command.

        Raises:
            OSError: a pinned path is missing or leads elsewhere by now.
        """
        for pin in self.pins:
            pin.check_unchanged()
        return self.runtime.build_command(arguments, environment, mounts, name, listens=listens)


def look_at(path: str, *, inside: bool) -> tuple[PathFacts, Pin] | None:
    """Return facts about `path`, and a pin on it. Return None if the path does not exist or cannot be read.

    With `inside`, also read what shows an image: a directory's names, or a file's first bytes. A slow file system may
    delay this call.
    """
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        status, root = os.fstat(fd), Path("/").stat()
        opened = Path(f"/proc/self/fd/{fd}")
        real = str(opened.readlink())
        is_directory = stat.S_ISDIR(status.st_mode)
        looked = PathFacts(
            real,
            is_directory,
            is_root=(status.st_dev, status.st_ino) == (root.st_dev, root.st_ino),
            names=frozenset(entry.name for entry in opened.iterdir()) if inside and is_directory else frozenset(),
            is_image_file=inside and stat.S_ISREG(status.st_mode) and _is_image_file(opened),
        )
    except OSError:
        return None
    finally:
        os.close(fd)
    return looked, Pin(real, status.st_dev, status.st_ino)


def find_places(told: PilotSettings, scratch: str) -> WorkerPlaces:
    """Return the directories of this worker for which special rules hold.

    `scratch` is the job's directory from HTCondor; empty without HTCondor.
    """
    own = os.path.realpath(Path.cwd())
    # HTCondor puts the jobs' directories side by side, and runs many jobs as the same user.
    shared = str(Path(scratch).resolve().parent) if scratch else ""
    return WorkerPlaces(
        own=own,
        shared="" if shared == "/" else shared,
        protected=tuple(map(os.path.realpath, told.protected_directories)),
        external_roots=tuple(map(os.path.realpath, told.external_roots)),
        image_roots=tuple(map(os.path.realpath, told.image_roots)),
    )


def _is_image_file(path: Path) -> bool:
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            head = os.read(fd, _HEAD_BYTES)
        finally:
            os.close(fd)
        return any(head[at:].startswith(magic) for at, magic in _MAGIC)
    return False
