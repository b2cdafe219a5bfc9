"""Read, check and copy the files of an image. Other people wrote them: no link is followed, and no file keeps rights.

A copy belongs to the builder's account, so a setuid bit would give that account's rights to every user of the cluster.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from processes.builds.build_errors import BuildFailed
from processes.builds.sandbox.limits import describe_bytes

#: The mode bits that a copy keeps. It has no setuid and no setgid, and only its owner may write.
COPIED_MODES = 0o755
_ALL_MODES = 0o7777
_CHUNK = 1 << 20
_NO_LINK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a tree: `path` below the top, its status, and the open directory that holds it under `name`."""

    path: str
    name: str
    found: os.stat_result
    directory: int

    def read_chunks(self) -> Iterator[bytes]:
        """Return the content of the plain file, piece by piece."""
        with os.fdopen(os.open(self.name, _NO_LINK, dir_fd=self.directory), "rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def read_link(self) -> str:
        """Return the target of the symbolic link."""
        return os.readlink(self.name, dir_fd=self.directory)


def check_tree(top: Path, *, max_bytes: int) -> int:
    """Return how many bytes a copy of `top` takes. A file with several hard links counts once for each.

    Raises:
        BuildFailed: something is neither a file, a directory nor a link, or the copy takes more than `max_bytes`.
        OSError: something cannot be read.
    """
    n_bytes = 0
    for entry in _walk_tree(top):
        _refuse_special(entry)
        n_bytes += entry.found.st_size if stat.S_ISREG(entry.found.st_mode) else 0
        _refuse_excess(n_bytes, max_bytes)
    return n_bytes


def copy_tree(top: Path, destination: Path, *, max_bytes: int) -> None:
    """Copy `top` into the new directory `destination`, with the mode bits `COPIED_MODES`.

    Raises:
        BuildFailed: as `check_tree`. What was copied until then is still there.
        OSError: something cannot be read or written.
    """
    n_bytes = 0
    destination.mkdir(mode=0o700)
    directories = [(destination, os.lstat(top).st_mode)]
    for entry in _walk_tree(top):
        _refuse_special(entry)
        target, mode = destination / entry.path, entry.found.st_mode
        if stat.S_ISDIR(mode):
            target.mkdir(mode=0o700)
            directories.append((target, mode))
        elif stat.S_ISLNK(mode):
            target.symlink_to(entry.read_link())
        else:
            with target.open("xb") as copy:
                for chunk in entry.read_chunks():
                    n_bytes += len(chunk)
                    _refuse_excess(n_bytes, max_bytes)
                    copy.write(chunk)
            target.chmod(mode & COPIED_MODES)
    # A directory that its owner may not write is closed last.
    for path, mode in reversed(directories):
        path.chmod(mode & COPIED_MODES)


def digest_tree(top: Path, *, modes: int = _ALL_MODES) -> str:
    """Return `sha256:` and the digest of everything below `top`: paths, kinds, contents, links' targets, mode bits.

    Only the mode bits in `modes` count. With `COPIED_MODES` the digest is that of a copy.

    Raises:
        OSError: something cannot be read.
    """
    lines = [b"%s %s" % (os.fsencode(entry.path), _describe_entry(entry, modes)) for entry in _walk_tree(top)]
    digest = hashlib.sha256(b"\0".join(sorted(lines)))
    return f"sha256:{digest.hexdigest()}"


def _walk_tree(top: Path) -> Iterator[TreeEntry]:
    if not stat.S_ISDIR(os.lstat(top).st_mode):
        raise NotADirectoryError(f"{top} is no directory")
    for path, directories, files, descriptor in os.fwalk(top, follow_symlinks=False, onerror=_raise_error):
        below = Path(path).relative_to(top)
        for name in (*directories, *files):
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            yield TreeEntry(str(below / name), name, found, descriptor)


def _raise_error(error: OSError) -> None:
    raise error


def _refuse_special(entry: TreeEntry) -> None:
    mode = entry.found.st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
        raise BuildFailed(
            f"the image has a pipe, socket or device at /{entry.path}, which locations do not take; remove it in the "
            "Dockerfile"
        )


def _refuse_excess(n_bytes: int, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise BuildFailed(
            f"the image's files take more than {describe_bytes(max_bytes)}, and a hard link takes as much as its file; "
            "remove what the task does not need"
        )


def _describe_entry(entry: TreeEntry, modes: int) -> bytes:
    mode = b"%o" % (entry.found.st_mode & modes)
    if stat.S_ISDIR(entry.found.st_mode):
        return b"d " + mode
    if stat.S_ISLNK(entry.found.st_mode):
        return b"l " + os.fsencode(entry.read_link())
    if not stat.S_ISREG(entry.found.st_mode):
        return b"o " + mode
    digest = hashlib.sha256()
    for chunk in entry.read_chunks():
        digest.update(chunk)
    return b"f %s %s" % (mode, digest.hexdigest().encode())
