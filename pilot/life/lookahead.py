"""Decide how many events to hold besides those that run, by how long the task takes. (core)

If tasks are short, the round trip to the broker would take most of the time, so a few events wait in the pilot. If
tasks are long, no event waits there: a free worker could run it. Source: docs/reference/goals.md#pilot.
"""

from dataclasses import dataclass, replace

#: Tasks count as short once their mean time falls below `SHORT_S`, and as long once the mean exceeds `LONG_S`.
SHORT_S, LONG_S = 0.25, 0.5

#: Tasks may count as short after `_JUDGED_AFTER` runs. `_WEIGHT` is the weight of a new run in the moving mean.
_JUDGED_AFTER = 3
_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the task's runs took so far: the moving mean, whether the mean counts as short, and the longest run."""

    n: int = 0
    mean_s: float = 0.0
    short: bool = False
    longest_s: float = 0.0


def update_pace(pace: Pace, took_s: float) -> Pace:
    """Return `pace` after one more run, which took `took_s` seconds."""
    n = pace.n + 1
    mean_s = took_s if pace.n == 0 else pace.mean_s + _WEIGHT * (took_s - pace.mean_s)
    short = mean_s < (LONG_S if pace.short else SHORT_S) and n >= _JUDGED_AFTER
    return Pace(n, mean_s, short, max(pace.longest_s, took_s))


def mark_long(pace: Pace) -> Pace:
    """Return `pace` as that of a long task, because a run takes so long that no event should wait for it."""
    return replace(pace, mean_s=max(pace.mean_s, 2 * LONG_S), short=False)


def choose_prefetch(pace: Pace, concurrency: int, fixed: int | None) -> int:
    """Return how many unsettled events each queue may deliver.

    `concurrency` is the number of slots, `fixed` the user's own setting or None. The result is at least `concurrency`,
    even if `fixed` is smaller.
    """
    if fixed is not None:
        return max(fixed, concurrency)
    return 2 * concurrency + 2 if pace.short else concurrency
