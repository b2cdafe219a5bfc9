"""Measure again and again how much disk a sandboxed program takes, in one further sandbox.

The meter's sandbox sees the same directories, so it can look where the worker may not. It starts at the first
measurement and ends with the program: to start a sandbox costs much more than to count the files of a usual build.
"""

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable

from processes.builds.sandbox.limits import sum_sizes
from processes.builds.sandbox.plan import HOME, TEMPORARY, WORK

#: A look at the disk that takes longer has too many files to count.
_MEASURE_S = 20.0
_MEASURED = (WORK, TEMPORARY, HOME)
_END = b"end\n"
#: What the meter's sandbox runs. It prints the sizes of the places and an end for each line that it reads.
METERING = f"while read -r _; do du -sk {' '.join(_MEASURED)} 2>/dev/null; echo end; done"
_PATIENCE_S = 2.0
_CHUNK = 4096


class DiskMeter:
    """Counts the bytes of one sandbox. `start` starts `METERING` in a sandbox with the same directories."""

    def __init__(self, start: "Callable[[], subprocess.Popen[bytes]]") -> None:
        """Start nothing yet."""
        self._start = start
        self._process: subprocess.Popen[bytes] | None = None

    def measure(self) -> int | None:
        """Return how many bytes the sandbox takes. Return None if that cannot be found out."""
        try:
            if self._process is None:
                self._process = self._start()
            told = _ask_sizes(self._process)
        except TimeoutError:
            self._kill()
            return sys.maxsize
        except OSError:
            self._kill()
            return None
        return sum_sizes(told, n_places=len(_MEASURED))

    def close(self) -> None:
        """End the meter's sandbox. The next measurement would start another one."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_S)
        self._kill()

    def _kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()
        self._process = None


def _ask_sizes(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    ends_at = time.monotonic() + _MEASURE_S
    os.write(process.stdin.fileno(), b"\n")
    told = b""
    while not told.endswith(_END):
        if not select.select([process.stdout], [], [], max(0.0, ends_at - time.monotonic()))[0]:
            raise TimeoutError("the meter counts too long")
        chunk = os.read(process.stdout.fileno(), _CHUNK)
        if not chunk:
            raise BrokenPipeError("the meter has ended")
        told += chunk
    return told.removesuffix(_END)
