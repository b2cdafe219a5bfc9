"""How many events to hold beyond those that run, from how long the task takes. (core)

With short tasks the way to the broker and back would be most of the time, so a few events wait here. With long ones
an event that waits here is kept from workers that are free, so none does. Source: docs/reference/goals.md#pilot.
"""

from dataclasses import dataclass, replace

#: Tasks are short once their mean falls below the first, and are not any more above the second.
SHORT_S, LONG_S = 0.25, 0.5

#: Runs before the first judgement, and how slowly the mean follows after that.
_JUDGED_AFTER = 3
_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class Pace:
    """The task's time so far: a moving mean, whether it counts as short, and the longest."""

    n: int = 0
    mean_s: float = 0.0
    short: bool = False
    longest_s: float = 0.0


def paced(pace: Pace, took_s: float) -> Pace:
    """Return `pace` after one more run."""
    n = pace.n + 1
    mean_s = took_s if pace.n == 0 else pace.mean_s + _WEIGHT * (took_s - pace.mean_s)
    short = mean_s < (LONG_S if pace.short else SHORT_S) and n >= _JUDGED_AFTER
    return Pace(n, mean_s, short, max(pace.longest_s, took_s))


def long(pace: Pace) -> Pace:
    """Return `pace` after a run that already takes too long to let events wait for it."""
    return replace(pace, mean_s=max(pace.mean_s, 2 * LONG_S), short=False)


def prefetch(pace: Pace, concurrency: int, fixed: int | None) -> int:
    """Return how many events a queue may lend; `fixed` is the user's word, and at least one a slot is needed."""
    if fixed is not None:
        return max(fixed, concurrency)
    return 2 * concurrency + 2 if pace.short else concurrency
