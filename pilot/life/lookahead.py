"""Decide how many events to hold besides those that run, by how long the runs so far took. (core)"""

from dataclasses import dataclass

from pilot.life.records import replace
from schemas.pilot.prefetch import LONG_S, SHORT_S, count_held, count_prefetch

#: Tasks may count as short after `_JUDGED_AFTER` runs. `_WEIGHT` is the weight of a new run in the moving mean.
_JUDGED_AFTER = 3
_WEIGHT = 0.2


@dataclass(frozen=True)  # without slots, for `replace`
class Pace:
    """How long the task's runs took so far: the moving mean, whether the mean counts as short, and the longest run.

    `per_slot` is about how many runs fill `HELD_WORK_S`, as a power of two.
    """

    n: int = 0
    mean_s: float = 0.0
    short: bool = False
    longest_s: float = 0.0
    per_slot: int = 1


def update_pace(pace: Pace, took_s: float) -> Pace:
    """Return `pace` after one more run, which took `took_s` seconds."""
    n = pace.n + 1
    mean_s = took_s if pace.n == 0 else pace.mean_s + _WEIGHT * (took_s - pace.mean_s)
    short = mean_s < (LONG_S if pace.short else SHORT_S) and n >= _JUDGED_AFTER
    per_slot = _choose_per_slot(pace.per_slot, mean_s) if short else 1
    return Pace(n, mean_s, short, max(pace.longest_s, took_s), per_slot)


def _choose_per_slot(before: int, mean_s: float) -> int:
    # A new number means a new subscription. So the number changes only if the mean has changed by a factor of two.
    wanted = count_held(mean_s)
    if before // 2 < wanted < 2 * before:
        return before
    return 1 << (wanted.bit_length() - 1)


def mark_long(pace: Pace) -> Pace:
    """Return `pace` as that of a long task, because a run takes so long that no event should wait for it."""
    return replace(pace, mean_s=max(pace.mean_s, 2 * LONG_S), short=False, per_slot=1)


def choose_prefetch(pace: Pace, concurrency: int, fixed: int | None) -> int:
    """Return how many unsettled events each queue may deliver.

    `concurrency` is the number of slots, `fixed` the user's own setting or None. The result is at least `concurrency`,
    even if `fixed` is smaller.
    """
    if fixed is not None:
        return max(fixed, concurrency)
    return count_prefetch(concurrency, is_short=pace.short, per_slot=pace.per_slot)
