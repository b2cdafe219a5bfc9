"""Open files that launchers lock, so that no other account can lock them."""

import contextlib
import os
from pathlib import Path
from typing import IO


def open_lock(path: Path) -> IO[str]:
    """Open the lock file `path`; make it if it does not exist. Only its owner can read it, and so lock it.

    Raises:
        OSError: it cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    # An earlier version made it with the user's usual mode.
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "w")
