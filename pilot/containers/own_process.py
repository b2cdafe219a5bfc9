"""Handle the pilot's own process: protect it from the tasks that it starts, and find out when it began."""

import ctypes
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from pilot.containers.process_tree import read_status

# Source: linux/prctl.h.
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36


def prepare_process(directory: str) -> None:
    """Protect this process from the tasks that it starts, and make it the parent of orphans among its descendants.

    Tasks cannot read this process's memory and inherit no descriptors. A task without a container can write into the
    pilot's `directory`, so Python no longer looks for modules there.
    """
    sys.path[:] = drop_directory(sys.path, directory)
    for fd in os.listdir("/proc/self/fd"):
        if int(fd) > 2:
            with suppress(OSError):
                os.set_inheritable(int(fd), False)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def process_began_s() -> float:
    """Return when this process began, in seconds of the monotonic clock. Its interpreter started a little later."""
    status = read_status(os.getpid())
    ticks = int(status[19]) if status else 0
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - (max(0.0, age_s) if status else 0.0)


def drop_directory(module_path: Sequence[str], directory: str) -> list[str]:
    """Return Python's `module_path` without `directory`. But if EWMS itself lies in `directory`, leave nothing out."""
    ours = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    left_out = os.path.realpath(directory)
    if left_out == ours:
        return list(module_path)
    return [place for place in module_path if os.path.realpath(place or directory) != left_out]
