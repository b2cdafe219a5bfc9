"""What the pilots of one cluster have done so far, and what is new since then. (core)"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReportedWork:
    """Runs that succeeded and runs that failed, the time of the former, and their number by bucket of duration."""

    n_done: int
    n_failed: int
    done_ms: int
    durations: Mapping[int, int]


def subtract_work(after: ReportedWork, before: ReportedWork) -> ReportedWork:
    """Return what `after` has more than `before`. Nothing is below 0: a metric never goes down."""
    more = {bucket: n - before.durations.get(bucket, 0) for bucket, n in after.durations.items()}
    return ReportedWork(
        n_done=max(0, after.n_done - before.n_done),
        n_failed=max(0, after.n_failed - before.n_failed),
        done_ms=max(0, after.done_ms - before.done_ms),
        durations={bucket: n for bucket, n in more.items() if n > 0},
    )
