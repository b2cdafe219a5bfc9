"""The CPU time of processes with everything below them, from the system's own accounting."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def measure_cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU seconds of `pids` and of all processes below them, those included that have ended."""
    found, left = 0.0, list(pids)
    while left:
        pid = left.pop()
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
            children = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
        except OSError:
            continue  # it has just ended
        # Its own time, and that of ended children for which it has waited.
        found += sum(map(int, fields[11:15])) * _TICK_S
        left += [int(child) for these in children for child in these]
    return found
