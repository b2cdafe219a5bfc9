"""Decide which directories of the worker a task container may see, and whether the container may write them. (core)

Source: contract, 8.3. The rules apply to a path as the user writes it, and to its real path after all links. So a link
to a forbidden directory is forbidden too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pilot.errors import MountRefused
from schemas.rules.worker_paths import directory_problem, is_within, path_problem

#: Paths in the container at which a task finds its files.
TASK_IO = "/ewms-pilot-data/task-io"
DATA_HUB = "/ewms-pilot-data/data-hub"
#: Path of the home directory in the container. Each run has its own home directory, or each warm container.
TASK_HOME = "/ewms-pilot-data/home"

#: Path of the directory with the task's secrets in the container.
TASK_SECRETS = "/ewms-pilot-data/secrets"

READ_ONLY = ("/etc", "/usr", "/lib", "/lib64", "/bin", "/sbin", "/root", "/var/log", "/var/cache", "/var/spool")
READ_ONLY_TARGETS = (*READ_ONLY, "/proc", "/dev", "/sys")


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory of the worker at `source`, seen at `target` in the container."""

    source: str
    target: str
    read_only: bool = False


def check_path(path: str) -> None:
    """Raise MountRefused if the arguments of a container runtime cannot contain `path`."""
    if problem := path_problem(path):
        raise MountRefused(f"the directory {path!r} {problem}")


def check_mount(mount: Mount) -> None:
    """Raise MountRefused if the contract does not allow a user's `mount`."""
    for path in (mount.source, mount.target):
        check_path(path)
    if problem := directory_problem(mount.source):
        raise MountRefused(f"the directory {mount.source!r} {problem}")
    if mount.read_only:
        return
    if is_within(mount.source, READ_ONLY) or is_within(mount.target, READ_ONLY_TARGETS):
        raise _build_refusal(mount.source, "may be mounted read-only at most", "mount it read-only")


def check_targets(mounts: Sequence[Mount]) -> None:
    """Raise MountRefused if two of `mounts` have the same path in the container."""
    targets = [str(PurePosixPath(mount.target)) for mount in mounts]
    for target in targets:
        if targets.count(target) > 1:
            raise _build_refusal(target, "would be mounted twice", "name it once")


def _build_refusal(path: str, rule: str, remedy: str) -> MountRefused:
    return MountRefused(f"the directory {path!r} {rule}; {remedy}")
