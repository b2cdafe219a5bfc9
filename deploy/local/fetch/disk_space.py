"""Whether the disk has room for what a fill of the cache puts there: told before, and when it was too little."""

import errno
import shutil
from collections.abc import Iterable
from pathlib import Path

from deploy.local.errors import LaunchError

#: What each part takes while it is filled, download included, in MB.
PARTS_MB = {"mongod": 180, "broker": 170, "pool": 110, "containers": 130, "python-image": 75}
#: Apt's lists of all of a suite's packages, and its index of them; removed at the end.
_LISTS_MB = 250
_FULL_MB = 8

_REMEDY = "make room there, or set XDG_CACHE_HOME to a directory on another disk"


def check_disk_space(cache: Path, missing: Iterable[str], *, free_mb: int) -> None:
    """Raise `LaunchError` unless the disk of `cache`, with `free_mb` left, has room for the parts that are missing."""
    needed = {name: PARTS_MB[name] for name in missing}
    needed_mb = sum(needed.values()) + (_LISTS_MB if needed.keys() - {"mongod"} else 0)
    if free_mb < needed_mb:
        what = ", ".join(needed)
        raise LaunchError(f"the disk of {cache} has {free_mb} MB left, of {needed_mb} that {what} need", _REMEDY)


def disk_full_error(directory: Path) -> LaunchError:
    """Return the error that says that the disk of `directory` is full."""
    return LaunchError(f"the disk of {directory} is full", _REMEDY)


def explain_error(error: Exception, cache: Path, *, free_mb: int) -> Exception:
    """Return the error to report for an `error` that ended a fill: that the disk is full, if it is, else `error`."""
    if free_mb < _FULL_MB or (isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}):
        return disk_full_error(cache)
    if isinstance(error, OSError):
        return LaunchError(f"the cache cannot be filled: {error}", f"mend that, or remove {cache} and try again")
    return error


def free_mb(directory: Path) -> int:
    """Return how much room the disk of `directory` has."""
    return shutil.disk_usage(directory).free // 1_000_000
