"""Copy the files that a user sends to workers. The files must lie in the operator's root directories on the access
point.

TMS can read more files than its users may read. A user can also change a link after TMS has checked the link. So TMS
first opens a file, then asks the kernel for the path of the open file, and copies the open file. Jobs get the copies.
So a job that HTCondor makes days later (late materialization) gets the same files as the first job.
"""

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from tms.errors import Unsubmittable

_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_PIECE_BYTES = 4 * 1024 * 1024


class InputFiles:
    """Copies users' files from allowed directories, up to `max_bytes` for one taskforce."""

    def __init__(self, roots: Sequence[Path], *, forbidden: Sequence[Path], max_bytes: int) -> None:
        #: No file may come from `forbidden`, where tokens and keys are, even if a root contains it.
        self._roots = roots
        self._forbidden = forbidden
        self._max_bytes = max_bytes

    def copy_files(self, names: Sequence[str], into: Path) -> list[str]:
        """Copy the files and directories `names` into the directory `into`, and return the paths of the copies.

        Delete an `into` that exists. If there are no names, make no directory.

        Raises:
            Unsubmittable: a file does not exist, lies outside of the roots, or is or contains something other than a
                file or a directory; two files have the same name; or all files together are larger than `max_bytes`.
        """
        shutil.rmtree(into, ignore_errors=True)
        if not names:
            return []
        into.mkdir(mode=0o700)
        n_left = self._max_bytes
        copies = []
        for name in names:
            copy = into / Path(name).name
            n_left -= self._copy_named(name, copy, n_left)
            copies.append(str(copy))
        return copies

    def _copy_named(self, name: str, copy: Path, n_left: int) -> int:
        """Copy the file or directory `name` to `copy`, and return its size in bytes."""
        if not self._roots or not name.startswith("/") or any(ord(c) < 32 for c in name):
            raise self._build_refusal(name)
        if Path(name).name in ("", "..") or copy.exists():
            raise self._build_refusal(name)
        try:
            fd = os.open(name, _FILE)
        except (OSError, ValueError) as error:
            raise self._build_refusal(name) from error
        try:
            place = _find_place(fd)
            # A link whose target has another name would arrive under one of the two names and hide the other.
            if place.name != copy.name or not self._is_allowed(place):
                raise self._build_refusal(name)
            return self._copy_opened(fd, name, copy, n_left)
        except OSError as error:
            raise self._build_refusal(name) from error
        finally:
            os.close(fd)

    def _copy_opened(self, fd: int, name: str, copy: Path, n_left: int) -> int:
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode):
            return _copy_file(fd, copy, n_left, executable=bool(mode & 0o100))
        if not stat.S_ISDIR(mode):
            raise self._build_refusal(name)
        copy.mkdir(mode=0o700)
        n_bytes = 0
        for entry in sorted(os.listdir(fd)):
            # Within a directory, follow no links: open each entry by its name in the open directory.
            entry_fd = os.open(entry, _FILE | os.O_NOFOLLOW, dir_fd=fd)
            try:
                n_bytes += self._copy_opened(entry_fd, name, copy / entry, n_left - n_bytes)
            finally:
                os.close(entry_fd)
        return n_bytes

    def _is_allowed(self, place: Path) -> bool:
        for forbidden in (directory.resolve() for directory in self._forbidden):
            if place.is_relative_to(forbidden) or forbidden.is_relative_to(place):
                return False
        roots = (root.resolve() for root in self._roots)
        return any(place.is_relative_to(root) and place != root for root in roots)

    def _build_refusal(self, name: str) -> Unsubmittable:
        roots = ", ".join(map(str, self._roots))
        return Unsubmittable(
            f"pilot_config.input_files: {name[:200]!r} may not be sent to workers",
            hint=f"name files or directories in {roots}"
            if roots
            else "this site lets users send no files: leave it out",
        )


def _find_place(fd: int) -> Path:
    """Return the path of an open file from the kernel, with all links resolved."""
    return Path(f"/proc/self/fd/{fd}").readlink()


def _copy_file(fd: int, copy: Path, n_left: int, *, executable: bool) -> int:
    n_bytes = 0
    target = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700 if executable else 0o600)
    with os.fdopen(target, "wb") as file:
        while piece := os.read(fd, _PIECE_BYTES):
            n_bytes += len(piece)
            if n_bytes > n_left:
                raise Unsubmittable(
                    "pilot_config.input_files: the files are larger together than EWMS_INPUT_MAX_BYTES",
                    hint="put large files on a shared disk",
                )
            file.write(piece)
    return n_bytes
