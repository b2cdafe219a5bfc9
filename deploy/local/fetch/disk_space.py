"""Check that the disk has room for a download into the cache, and explain a download that filled the disk."""

import errno
import shutil
from collections.abc import Iterable
from pathlib import Path

from deploy.local.errors import LaunchError

#: The space in MB that each part takes while it fills, with its download.
PARTS_MB = {
    "mongod": 180,
    "broker": 170,
    "pool": 110,
    "builder": 340,
    "containers": 130,
    "image-registry": 60,
    "browser": 700,
    "python-image": 75,
    "postgresql": 180,
    "prometheus": 400,
}
#: The space in MB of apt's lists and index of a suite's packages; the end of the fill removes them.
_LISTS_MB = 250
_FULL_MB = 8

_REMEDY = "make room there, or set XDG_CACHE_HOME to a directory on another disk"


def check_disk_space(cache: Path, missing: Iterable[str], *, free_mb: int) -> None:
    """Check that the disk of `cache`, which has `free_mb` MB left, has room for the parts named `missing`.

    Raises:
        LaunchError: there is too little room.
    """
    needed = {name: PARTS_MB[name] for name in missing}
    needed_mb = sum(needed.values()) + (_LISTS_MB if needed.keys() - {"mongod"} else 0)
    if free_mb < needed_mb:
        what = ", ".join(needed)
        raise LaunchError(f"the disk of {cache} has {free_mb} MB left, and {what} need {needed_mb} MB", _REMEDY)


def disk_full_error(directory: Path) -> LaunchError:
    """Return the error for a full disk of `directory`."""
    return LaunchError(f"the disk of {directory} is full", _REMEDY)


def explain_error(error: Exception, cache: Path, *, free_mb: int) -> Exception:
    """Return the error to report after `error` ended a fill of the cache. `free_mb` is the space that the disk has now,
    in MB.

    If the disk is full, return the error that says so. For another OSError return a `LaunchError`, and else `error`
    itself.
    """
    if free_mb < _FULL_MB or (isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}):
        return disk_full_error(cache)
    if isinstance(error, OSError):
        return LaunchError(f"cannot fill the cache: {error}", f"correct that, or remove {cache} and try again")
    return error


def free_mb(directory: Path) -> int:
    """Return the free space on the disk of `directory`, in MB."""
    return shutil.disk_usage(directory).free // 1_000_000
