"""Decide what to do about a schedule now. (core)

    decided_until     1     2     3     now     4
                      skip  skip  run           next

Of several occurrences that have passed undecided, because no WMS ran, the last one runs. The others are skipped.
"""

from dataclasses import dataclass
from datetime import datetime

from wms.schedules.occurrences import BEFORE_ALL, find_end, find_next, find_passed
from wms.schedules.recurrence import Recurrence


@dataclass(frozen=True, slots=True)
class DueOccurrence:
    """What to do about a schedule now: the occurrence to launch for, how many to skip, and when to look again."""

    #: The occurrence to launch for; None: none has passed.
    at: datetime | None
    #: How many occurrences before it nothing is launched for.
    n_skipped: int
    #: When to look again; None: no occurrence is left.
    next_at: datetime | None


def decide_due(recurrence: Recurrence, decided_until: datetime, now: datetime) -> DueOccurrence:
    """Return what to do about a schedule at `now`. All its occurrences up to `decided_until` have been decided before.

    Of several occurrences since then, only the last is launched, and the others count as skipped.

    Raises:
        RuleTooCostly: the search for the next occurrence would take too long.
    """
    passed = find_passed(recurrence, decided_until, now)
    next_at = find_next(recurrence, max(now, decided_until))
    if passed is None:
        return DueOccurrence(None, 0, next_at)
    return DueOccurrence(passed.last, passed.n - 1, next_at)


@dataclass(frozen=True, slots=True)
class Times:
    """The first and the last occurrence of a recurrence. The last is None if it never ends."""

    starts_at: datetime | None
    ends_at: datetime | None


def plan_times(recurrence: Recurrence) -> Times:
    """Return the first and the last occurrence of `recurrence`.

    Raises:
        RuleTooCostly: the search for them would take too long.
    """
    return Times(find_next(recurrence, BEFORE_ALL), find_end(recurrence))
