"""The step of every engine's chain, and the trace that it leaves: which step began when.

A step takes one kilobyte of state and returns it changed. Each call adds a line to the file that `BENCH_TRACE` names:
chain, number of the step, and the time in nanoseconds of the clock that all processes of a machine share. Only the
standard library: each engine's environment imports this.
"""

import os
import time
from collections import defaultdict
from functools import cache
from pathlib import Path

TRACE = "BENCH_TRACE"
_STATE_BYTES = 1000
_DIGITS = 6


def make_payload() -> str:
    """Return the state before the first step."""
    return "0" * _DIGITS + "x" * (_STATE_BYTES - _DIGITS)


def carry(chain: str, payload: str) -> str:
    """Be a step: leave a line in the trace, and return the next state."""
    number = int(payload[:_DIGITS])
    os.write(_open_trace(), f"{chain} {number} {time.monotonic_ns()}\n".encode())
    return f"{number + 1:0{_DIGITS}d}{payload[_DIGITS:]}"


@cache
def _open_trace() -> int:
    return os.open(os.environ[TRACE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


class TraceReader:
    """Reads what has been added to a trace."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._file = path.open()
        self._begun = ""
        #: Chain -> number of the step -> the time in nanoseconds at which it began first.
        self.began_ns: dict[str, dict[int, int]] = defaultdict(dict)

    def read_on(self) -> None:
        """Read the lines that are new."""
        *lines, self._begun = (self._begun + self._file.read()).split("\n")
        for line in lines:
            chain, number, at_ns = line.split()
            self.began_ns[chain].setdefault(int(number), int(at_ns))
