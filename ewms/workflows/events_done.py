"""Follow the number of done events over time: it never goes back, and the recent rate gives the time left. (core)

`schemas.explain.progress` counts the done events of one moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.explain.progress import EventsDone

#: Rates are averages over this many seconds; over the whole past if nothing was done within them.
_RATE_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class DatedCount:
    """A count and when it was taken, in seconds of any clock that only goes forward."""

    at_s: float
    done: EventsDone


def latest_done(counted: Sequence[DatedCount], *, is_final: bool = False) -> EventsDone | None:
    """Return the latest of `counted` (the oldest first), but never less than an earlier one; None if there is none.

    A final count is exact, so with `is_final` the earlier ones do not matter.
    """
    if not counted:
        return None
    if is_final:
        return counted[-1].done
    n_all = max(one.done.n_all for one in counted)
    if counted[-1].done.is_whole:
        # Compare final totals only. An earlier one may be larger: the user may have expected more results then.
        n_all = max((one.done.n_all for one in counted if one.done.is_whole), default=n_all)
    # The number of failed events may go down: a replayed event has not failed any more.
    n_failed = counted[-1].done.n_failed
    n_now, n_most = counted[-1].done.n_done, max(one.done.n_done for one in counted)
    # The counts of queues are late: an event that fails may have been counted as done. Both together are at most all.
    n_done = min(max(n_now, min(n_most, n_all - n_failed)), n_all)
    return EventsDone(n_done, n_all, counted[-1].done.is_whole, n_failed=n_failed)


def seconds_left(counted: Sequence[DatedCount]) -> float | None:
    """Return how many seconds the rest takes at the recent rate; None if nothing is left, or the rate is unknown."""
    latest = latest_done(counted)
    if latest is None or not latest.is_whole or latest.n_done + latest.n_failed >= latest.n_all:
        return None
    now = counted[-1]
    for window_s in (_RATE_WINDOW_S, float("inf")):
        past = next(one for one in counted if now.at_s - one.at_s <= window_s)
        n_more, seconds = latest.n_done - past.done.n_done, now.at_s - past.at_s
        if n_more > 0 and seconds > 0:
            return (latest.n_all - latest.n_done - latest.n_failed) * seconds / n_more
    return None
