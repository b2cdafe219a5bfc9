"""Limit how much of its tasks' output a pilot prints: 4 MiB at once, then 1 KiB a second. (core)

The access point stores what a pilot prints. A task that fails on every event must not fill the disk of the access
point.
"""

from dataclasses import dataclass, replace

BURST_BYTES = 4 * 1024 * 1024
BYTES_PER_S = 1024.0


@dataclass(frozen=True, slots=True)
class OutputBudget:
    """How many bytes the pilot might still print at the time `as_of_s` (seconds of a monotonic clock)."""

    n_left: float = BURST_BYTES
    as_of_s: float = 0.0
    #: How many outputs the pilot has left out since it last printed an output.
    n_left_out: int = 0


def spend_budget(budget: OutputBudget, n_bytes: int, now_s: float) -> tuple[OutputBudget, bool]:
    """Return the budget after an output of `n_bytes` at `now_s`, and whether the pilot may print that output."""
    n_left = min(BURST_BYTES, budget.n_left + max(0.0, now_s - budget.as_of_s) * BYTES_PER_S)
    if n_left < n_bytes:
        return OutputBudget(n_left, now_s, budget.n_left_out + 1), False
    return replace(budget, n_left=n_left - n_bytes, as_of_s=now_s, n_left_out=0), True
