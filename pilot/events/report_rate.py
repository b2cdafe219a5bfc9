"""Limit how many reports of failed attempts a pilot sends: 20 at once, then 2 a second. (core)"""

from dataclasses import dataclass, replace

BURST = 20.0
PER_S = 2.0


@dataclass(frozen=True, slots=True)
class ReportAllowance:
    """How many reports the pilot might still send at the time `as_of_s` (seconds of a monotonic clock)."""

    n_left: float = BURST
    as_of_s: float = 0.0


def take_one(allowance: ReportAllowance, now_s: float) -> ReportAllowance | None:
    """Return the allowance after one more report at `now_s`. Return None if no report is left: then drop the report."""
    n_left = min(BURST, allowance.n_left + max(0.0, now_s - allowance.as_of_s) * PER_S)
    return replace(allowance, n_left=n_left - 1, as_of_s=now_s) if n_left >= 1 else None
