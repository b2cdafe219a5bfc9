"""Decide what to do about a schedule now. (core)

    decided_until     1     2     3     now     4
                      skip  skip  run           next

Of several occurrences that have passed undecided, because no WMS ran, the last one runs. The others are skipped. If the
schedule has a start deadline and the last one is older than that, it is skipped too.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.ids import RunId
from wms.schedules.occurrences import BEFORE_ALL, find_end, find_next, find_passed
from wms.schedules.recurrence import Recurrence


@dataclass(frozen=True, slots=True)
class DueOccurrence:
    """What to do about a schedule now: the occurrence to decide, how many to skip before it, and when to look again."""

    #: The last occurrence that has passed; None: none has.
    at: datetime | None
    #: How many occurrences before it nothing is launched for.
    n_skipped: int
    #: When to look again; None: no occurrence is left.
    next_at: datetime | None
    #: By how much the occurrence has missed the start deadline; None: it has not, so launch for it.
    late_by: timedelta | None = None


def decide_due(
    recurrence: Recurrence, decided_until: datetime, now: datetime, *, deadline: timedelta | None = None
) -> DueOccurrence:
    """Return what to do about a schedule at `now`. All its occurrences up to `decided_until` have been decided before.

    Of several occurrences since then, only the last is launched, and the others count as skipped. If the last is older
    than `deadline`, it is late, and nothing is launched.

    Raises:
        RuleTooCostly: the search for the next occurrence would take too long.
    """
    passed = find_passed(recurrence, decided_until, now)
    next_at = find_next(recurrence, max(now, decided_until))
    if passed is None:
        return DueOccurrence(None, 0, next_at)
    late_by = None if deadline is None else now - passed.last - deadline
    is_late = late_by is not None and late_by > timedelta(0)
    return DueOccurrence(passed.last, passed.n - 1, next_at, late_by if is_late else None)


def explain_skip(due: DueOccurrence, *, deadline_s: int | None, running: RunId | None) -> str:
    """Return why the settings of a schedule skip the occurrence that is due; "" if they do not.

    `running` is a job of the schedule that is not over; None: there is none, or the schedule does not mind.
    """
    if due.late_by is not None:
        late_s = math.ceil(due.late_by.total_seconds())
        return f"skipped: WMS came to it {late_s} s after its start deadline of {deadline_s} s"
    if running is not None:
        return f"skipped: job {running} of this schedule was not over (skip_if_running)"
    return ""


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
