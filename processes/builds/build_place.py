"""The directory of one build. A repeated step begins again in an empty one; two calls of one build take turns.

<builder>/builds/<build>/   tmp/ home/      of programs in the sandbox
                            repository/     git's objects and the checked-out files
                            code/           the files of the task
                            store/ run/     buildah's layers and containers
                            image/          the OCI image             root/     the same as apptainer's directory
<builder>/builds/<build>.fetched, .built        what of this is complete; no sandbox sees these files
<builder>/locks/<build>     locked by the worker that works on this build
"""

import fcntl
import glob
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from processes.builds.sandbox.runner import SandboxRunner

_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True, slots=True)
class BuildPlace:
    """The directory of one build. `account` owns what sandboxed programs may write; None: the caller does."""

    directory: Path
    runner: SandboxRunner
    account: int | None = None

    @property
    def code(self) -> Path:
        """The files of the task."""
        return self.directory / "code"

    @property
    def oci_image(self) -> Path:
        """The OCI image, a directory."""
        return self.directory / "image"

    @property
    def root(self) -> Path:
        """The image as apptainer runs it, a directory."""
        return self.directory / "root"

    def prepare(self, *, without: Sequence[str] = ()) -> None:
        """Make the directory, and remove what an earlier call left there under the names `without`."""
        for path in (self.directory, self.directory / "tmp", self.directory / "home"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.account is not None:
                os.chown(path, self.account, self.account)
        self.runner.remove_contents(self.directory, [*without, *_list_names(self.directory / "tmp", "tmp")])

    def name_marker(self, what: str) -> Path:
        """Return the path of the file that says that `what` is complete."""
        return self.directory.with_name(f"{self.directory.name}.{what}")

    def remove(self) -> None:
        """Remove the directory with everything in it, and its markers."""
        for marker in self.directory.parent.glob(f"{glob.escape(self.directory.name)}.*"):
            marker.unlink()
        if self.directory.is_dir():
            self.runner.remove_contents(self.directory, _list_names(self.directory))
            shutil.rmtree(self.directory, ignore_errors=True)


def _list_names(directory: Path, below: str = "") -> list[str]:
    return [f"{below}/{entry.name}".lstrip("/") for entry in directory.iterdir()]


def name_build(build: str) -> str:
    """Return a file name for the build with this id, which other people may have chosen."""
    return build if _PLAIN_ID.fullmatch(build) else hashlib.sha256(build.encode()).hexdigest()


@contextmanager
def lock_build(builder: Path, build: str) -> Iterator[None]:
    """Let one call at a time work on `build`. The kernel unlocks it if the worker ends."""
    path = builder / "locks" / name_build(build)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
