"""Remove a file when the launcher ends, however it ends: `python remover.py LAUNCHER_PID FILE LOCK`.

The launcher holds the file LOCK as long as it lives. If another launcher has it by then, the file is that launcher's,
and stays.

The launcher starts this file by its path. The file imports nothing of EWMS and no site-packages, so it starts in 15 ms.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import sys
from pathlib import Path

# Source: linux/prctl.h.
_PR_SET_PDEATHSIG = 1


def main(launcher: int, file: Path, lock: Path) -> None:
    """Wait until the process `launcher` has ended, or until SIGTERM. Then remove `file`, unless a launcher lives."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # Without this look, we would wait for ever if the launcher died before we asked the kernel for a signal at its end.
    if os.getppid() == launcher:
        signal.sigwait({signal.SIGTERM})
    remove_unless_locked(file, lock)


def remove_unless_locked(file: Path, lock: Path) -> None:
    """Remove `file`, unless a process holds `lock`."""
    with contextlib.suppress(OSError), lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.unlink(missing_ok=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
