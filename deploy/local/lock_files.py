"""Open the files that launchers lock. No other account can lock these files."""

import contextlib
import os
from pathlib import Path
from typing import IO


def open_lock(path: Path) -> IO[str]:
    """Open the lock file `path`; make it if it does not exist. Only its owner can read it, and so lock it.

    Raises:
        OSError: this user cannot write it.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    # An earlier version made the file with the user's default mode.
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "w")
