"""Open the files that launchers lock. No other account can lock these files.

A launcher keeps the file open and locked while it runs, and the text of the file names the launcher:

    process 4711 on mill, started in /home/ann/clone
"""

import contextlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

#: The name of the file that a launcher locks, in its data directory and in the folder of its endpoints.
LOCK = "lock"

_TEXT = re.compile(r"process (\d{1,9}) on (\S+), started in (.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The launcher that the text of a lock file names."""

    pid: int
    machine: str
    folder: str

    def to_text(self) -> str:
        """Return the text that the launcher writes into its lock files."""
        return f"process {self.pid} on {self.machine}, started in {self.folder}"

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """Return the launcher that `text` names. Return None if `text` names no launcher."""
        found = _TEXT.fullmatch(text.strip())
        return cls(int(found[1]), found[2], found[3]) if found else None


def name_this_launcher(folder: Path) -> str:
    """Return the text for the lock files of this process, which was started in `folder`."""
    return LockHolder(os.getpid(), socket.gethostname(), str(folder)).to_text()


def open_lock(path: Path) -> IO[str]:
    """Open the lock file `path`. Make the file if it does not exist. Only its owner can open the file, and so lock it.

    Raises:
        OSError: this user cannot write the file.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    # An earlier version made the file with the user's default mode.
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "w")
