"""Which directories of the worker a task container may see, and how. (core)

Source: contract, 8.3. The rules are applied to a path as it is written and to what it really is once its links are
followed, so a link into a forbidden place is as forbidden as the place.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pilot.errors import MountRefused

#: In the container: where a task finds its files.
TASK_IO = "/ewms-pilot-data/task-io"
DATA_HUB = "/ewms-pilot-data/data-hub"

FORBIDDEN_SOURCES = ("/proc", "/dev", "/sys", "/run", "/boot")
READ_ONLY = ("/etc", "/usr", "/lib", "/lib64", "/bin", "/sbin", "/root", "/var/log", "/var/cache", "/var/spool")
READ_ONLY_TARGETS = (*READ_ONLY, "/proc", "/dev", "/sys")

#: What a container runtime would read as part of its own `source:target,option` syntax, or a terminal as a command.
_UNWRITABLE = re.compile(r"[:,\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory of the worker at `source`, seen at `target` in the container."""

    source: str
    target: str
    read_only: bool = False


def external_mounts(
    directories: Iterable[str], resolved: Mapping[str, str], *, own: str, shared: str = ""
) -> tuple[Mount, ...]:
    """Return the read-only mounts of `EWMS_PILOT_EXTERNAL_DIRECTORIES`, each at its own path.

    `resolved` maps each path that is a directory of this worker to what it is with its links followed. `own` is the
    pilot's directory and `shared`, if any, the one in which those of all jobs of the worker lie, both with links
    followed: tokens lie there, so a task may see neither them, nor what holds them, nor what another job has.

    Raises: MountRefused, naming the directory and the rule.
    """
    mounts = []
    for path in directories:
        if path not in resolved:
            raise _refused(path, "is not a directory of this worker", "check the path, or leave it out")
        mounts.append(Mount(resolved[path], str(PurePosixPath(path)), read_only=True))
    for mount in mounts:
        check(mount)
        check(Mount(mount.target, mount.target, read_only=True))
        _check_apart(mount.source, own, shared)
    return tuple(mounts)


def check_path(path: str) -> None:
    """Raise MountRefused if `path` cannot be written into a container runtime's arguments."""
    if not path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise _refused(path, "is not an absolute path", "write it from / on, without '..'")
    if _UNWRITABLE.search(path):
        raise _refused(path, "has a ':' or ',' or a control character", "use another directory name")


def check(mount: Mount) -> None:
    """Raise MountRefused if the contract does not allow a user's `mount`."""
    check_path(mount.source)
    check_path(mount.target)
    if PurePosixPath(mount.source) == PurePosixPath("/") or _within(mount.source, FORBIDDEN_SOURCES):
        raise _refused(mount.source, f"is / or in one of {', '.join(FORBIDDEN_SOURCES)}", "leave it out")
    if mount.read_only:
        return
    if _within(mount.source, READ_ONLY) or _within(mount.target, READ_ONLY_TARGETS):
        raise _refused(mount.source, "may be mounted read-only at most", "mount it read-only")


def check_together(mounts: Sequence[Mount]) -> None:
    """Raise MountRefused if two of `mounts` want the same place in the container."""
    targets = [str(PurePosixPath(mount.target)) for mount in mounts]
    for target in targets:
        if targets.count(target) > 1:
            raise _refused(target, "would be mounted twice", "name it once")


def _check_apart(source: str, own: str, shared: str) -> None:
    mine = _within(source, (own,)) and PurePosixPath(source) != PurePosixPath(own)
    if _within(own, (source,)) or (shared and _within(shared, (source,))):
        raise _refused(source, "holds a pilot's own files", "name a directory further down")
    if shared and _within(source, (shared,)) and not mine:
        raise _refused(source, "is where the worker's jobs have their files", "leave it out")


def _within(path: str, places: Iterable[str]) -> bool:
    pure = PurePosixPath(path)
    return any(pure.is_relative_to(place) for place in places)


def _refused(path: str, rule: str, remedy: str) -> MountRefused:
    return MountRefused(f"the directory {path!r} {rule}; {remedy}")
