"""The directory of one build. A repeated step begins again in an empty one; two calls of one build take turns.

<builder>/builds/<build>/   repository/     git's objects and the checked-out files
                            code/           the files of the task
                            store/ run/     buildah's layers and containers
                            image/          the OCI image             root/     the same as apptainer's directory
<builder>/builds/<build>.tmp/ .home/        of programs in the sandbox, which cannot replace these directories by links
<builder>/builds/<build>.fetched, .built        what of this is complete; no sandbox sees these files
<builder>/locks/<build>     locked by the worker that works on this build
"""

import fcntl
import glob
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from processes.builds.build_errors import BuildFailed
from processes.builds.sandbox.plan import list_beside
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
        """Make the directory, and remove what an earlier call left there under the names `without`.

        The directories of temporary files are new and empty then.

        Raises:
            BuildFailed: one of the paths is no directory, or something could not be removed.
        """
        self._clear(without)
        for path in (self.directory, *list_beside(self.directory)):
            self._make_directory(path)

    def _clear(self, names: Sequence[str]) -> None:
        """Remove `names` below the directory, and the directories beside it with what is in them."""
        doomed = [name for name in names if os.path.lexists(self.directory / name)]
        beside = list_beside(self.directory)
        # A sandbox costs more than all else here. A clean place needs none.
        if not [path for path in beside if not _is_removed_empty(path)] and not doomed:
            return
        for path in (self.directory, *beside):
            self._make_directory(path)
        self.runner.clear(self.directory, doomed)
        try:
            for path in beside:
                path.rmdir()
        except OSError as error:
            raise BuildFailed(f"cleaning up: {path} cannot be emptied: {error.strerror}; ask the operator") from error

    def _make_directory(self, path: Path) -> None:
        # The account of builds passes through the parent.
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            if not stat.S_ISDIR(path.lstat().st_mode):
                raise BuildFailed(f"{path} is no directory, although the builder made one; ask the operator") from None
        if self.account is not None:
            os.chown(path, self.account, self.account, follow_symlinks=False)

    def name_marker(self, what: str) -> Path:
        """Return the path of the file that says that `what` is complete."""
        return self.directory.with_name(f"{self.directory.name}.{what}")

    def remove(self) -> None:
        """Remove the directory with everything in it, what lies beside it, and its markers."""
        beside = list_beside(self.directory)
        for marker in self.directory.parent.glob(f"{glob.escape(self.directory.name)}.*"):
            if marker not in beside:
                marker.unlink()
        if not any(os.path.lexists(path) for path in (self.directory, *beside)):
            return
        self._make_directory(self.directory)
        self._clear([path.name for path in self.directory.iterdir()])
        shutil.rmtree(self.directory, ignore_errors=True)


def _is_removed_empty(directory: Path) -> bool:
    """Remove `directory` if it is empty. Return whether nothing is at its path now. No link is followed."""
    try:
        directory.rmdir()
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


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
