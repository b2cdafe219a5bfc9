"""Read the files of a task, and copy them, without following a symbolic link. The files may change meanwhile.

The digest covers for each file: its path, whether it is executable, and its content or its link's target.
"""

import hashlib
import os
import stat
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from processes.builds.build_errors import BuildFailed
from processes.builds.sandbox.limits import describe_bytes
from processes.builds.sources.links import leads_out

DOCKERFILE = "Dockerfile"

_MAX_FILES = 100_000
_CHUNK = 1 << 20
_NO_LINK = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def digest_code(top: Path, *, max_bytes: int) -> str:
    """Return `sha256:` and the digest of the files in the directory `top`.

    Raises:
        BuildFailed: a file is neither a plain file, a directory nor a link within `top`, or there is too much.
    """
    return _TreeReader(max_bytes).read_tree(top)


def copy_code(top: Path, destination: Path, *, max_bytes: int, owner: int | None = None) -> str:
    """Copy the files of `top` into the new directory `destination`, and return their digest.

    Raises:
        BuildFailed: as `digest_code`.
    """
    destination.mkdir(mode=0o755)
    give_path(destination, owner)
    return _TreeReader(max_bytes, destination, owner).read_tree(top)


def find_directory(top: Path, below: str) -> Path:
    """Return the directory `below` in `top`. No part of `below` may be a link.

    Raises:
        BuildFailed: there is no such directory.
    """
    place = top
    for part in PurePosixPath(below).parts:
        place /= part
        try:
            is_directory = stat.S_ISDIR(os.lstat(place).st_mode)
        except OSError:
            is_directory = False
        if not is_directory:
            raise BuildFailed(f"subdirectory: the repository has no directory {below!r}; name one that it has")
    return place


def read_dockerfile(code: Path, *, max_bytes: int = 1 << 20) -> str:
    """Return the text of the Dockerfile in `code`.

    Raises:
        BuildFailed: there is none, or it is no plain text file.
    """
    try:
        descriptor = os.open(code / DOCKERFILE, _NO_LINK | os.O_NONBLOCK)
    except OSError as error:
        raise BuildFailed(f"the task has no {DOCKERFILE}; add a plain file of this name beside the code") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > max_bytes:
            raise BuildFailed(f"the {DOCKERFILE} is no plain file of at most {describe_bytes(max_bytes)}; make it one")
        try:
            return file.read(max_bytes).decode()
        except UnicodeDecodeError as error:
            raise BuildFailed(f"the {DOCKERFILE} is no UTF-8 text; save it as UTF-8") from error


@dataclass(slots=True)
class _TreeReader:
    """Reads a tree once. With a `destination` it copies the tree to there, for the account `owner`."""

    max_bytes: int
    destination: Path | None = None
    owner: int | None = None
    n_bytes: int = 0
    n_files: int = 0
    lines: list[bytes] = field(default_factory=list)

    def read_tree(self, top: Path) -> str:
        try:
            for path, directories, files, descriptor in os.fwalk(top, follow_symlinks=False):
                directories[:] = sorted(name for name in directories if name != ".git")
                below = PurePosixPath(os.path.relpath(path, top))
                for name in sorted([*files, *directories]):
                    self._read_entry(descriptor, name, below / name)
        except OSError as error:
            raise BuildFailed(f"the task's files cannot be read: {error.strerror}; check their rights") from error
        digest = hashlib.sha256(b"\n".join(sorted(self.lines)))
        return f"sha256:{digest.hexdigest()}"

    def _read_entry(self, directory: int, name: str, path: PurePosixPath) -> None:
        self.n_files += 1
        if self.n_files > _MAX_FILES:
            raise BuildFailed(f"the task has more than {_MAX_FILES} files; remove what the image does not need")
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        target = self.destination / path if self.destination is not None else None
        if stat.S_ISDIR(found.st_mode):
            if target is not None:
                target.mkdir(mode=0o755)
                give_path(target, self.owner)
        elif stat.S_ISLNK(found.st_mode):
            link = os.readlink(name, dir_fd=directory)
            if leads_out(str(path), link):
                raise BuildFailed(f"the link {path} leads out of the task's directory; replace it by a file")
            if target is not None:
                target.symlink_to(link)
            self._note(b"l", path, os.fsencode(link).hex())
        elif stat.S_ISREG(found.st_mode):
            kind, digest = self._read_file(directory, name, target)
            self._note(kind, path, digest)
        else:
            raise BuildFailed(f"{path} is neither a file nor a directory; remove it")

    def _note(self, kind: bytes, path: PurePosixPath, content: str) -> None:
        # In hex digits, no name can look like another line.
        self.lines.append(b"%s %s %s" % (kind, os.fsencode(str(path)).hex().encode(), content.encode()))

    def _read_file(self, directory: int, name: str, target: Path | None) -> tuple[bytes, str]:
        digest = hashlib.sha256()
        descriptor = os.open(name, _NO_LINK | os.O_NONBLOCK, dir_fd=directory)
        with os.fdopen(descriptor, "rb") as source, target.open("xb") if target else nullcontext() as copy:
            is_executable = bool(os.fstat(descriptor).st_mode & 0o111)
            while chunk := source.read(_CHUNK):
                self.n_bytes += len(chunk)
                if self.n_bytes > self.max_bytes:
                    limit = describe_bytes(self.max_bytes)
                    raise BuildFailed(f"the task's files take more than {limit}; remove what the image does not need")
                digest.update(chunk)
                if copy is not None:
                    copy.write(chunk)
        if target is not None:
            target.chmod(0o755 if is_executable else 0o644)
            give_path(target, self.owner)
        return (b"x" if is_executable else b"f"), digest.hexdigest()


def give_path(path: Path, owner: int | None) -> None:
    """Make the account `owner` the owner of `path`; None: leave the owner as it is."""
    if owner is not None:
        os.chown(path, owner, owner, follow_symlinks=False)
