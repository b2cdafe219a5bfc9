"""Walk through the occurrences of a recurrence, as instants. (core)

A rule says times on the wall. A time that the clock skips does not occur, and does not count. A time that it shows
twice occurs once, the first time; with HOURLY and MINUTELY it occurs twice, so that these go on through the change.

A walk begins at the period before the wanted instant, and not at the start of the rule. It ends with the year 2399:
`dateutil` looks for the next time up to the year 9999, so we give it times that are 7600 years later. The calendar
repeats every 400 years, weekdays included. What a walk passes over counts, times and days without any, and too much of
it ends the walk.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from dateutil import rrule

from schemas.errors import Rejected
from wms.schedules.recurrence import SHORT, Frequency, Recurrence, Rule, floor_to_period

_SHIFT = 7600
#: An instant before every recurrence, and one after every walk.
BEFORE_ALL, _AFTER_ALL = datetime(1969, 1, 1, tzinfo=UTC), datetime(2400, 1, 1, tzinfo=UTC)
#: How many times and empty days one walk may look at, and all walks together that look for a last occurrence.
_MAX_STEPS = 50_000
_MAX_STEPS_TO_LAST = 100_000
#: What an empty day costs `dateutil` by the frequency, compared with a time. Other frequencies pass over no days.
_STEPS_A_DAY = {Frequency.DAILY: 1, Frequency.HOURLY: 10, Frequency.MINUTELY: 10}
#: Occurrences are counted one by one up to here.
MAX_COUNTED = 10_000
#: Clocks are set back by three hours at most.
_MARGIN = timedelta(hours=3)
_FREQUENCIES = {
    Frequency.YEARLY: rrule.YEARLY,
    Frequency.MONTHLY: rrule.MONTHLY,
    Frequency.WEEKLY: rrule.WEEKLY,
    Frequency.DAILY: rrule.DAILY,
    Frequency.HOURLY: rrule.HOURLY,
    Frequency.MINUTELY: rrule.MINUTELY,
}
_DAYS = (rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA, rrule.SU)


class RuleTooCostly(Rejected):
    """The search for occurrences would look at too many times."""

    def __init__(self) -> None:
        hint = "write an RRULE without these times, instead of an EXRULE; use fewer rules; or name days that exist"
        super().__init__(
            f"the next occurrence is behind more than {_MAX_STEPS} times that do not count; {hint}", hint=hint
        )


class _Budget:
    """Counts the steps of one walk, or of several."""

    def __init__(self, n_steps: int = _MAX_STEPS) -> None:
        self._left = n_steps

    def spend(self, n_steps: int = 1) -> None:
        self._left -= n_steps
        if self._left < 0:
            raise RuleTooCostly


def is_on_clock(wall: datetime, zone: ZoneInfo) -> bool:
    """Return whether a clock in `zone` shows this time."""
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    return instant.astimezone(zone).replace(tzinfo=None) == wall


def find_instants(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return the instants, in UTC, at which a clock in `zone` shows the time `wall`: none, one or two."""
    if not is_on_clock(wall, zone):
        return ()
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return (first,) if first == second else (first, second)


def walk_occurrences(recurrence: Recurrence, after: datetime, budget: _Budget | None = None) -> Iterator[datetime]:
    """Yield the occurrences after the instant `after`, in order. Without `budget`, the walk has one of its own.

    Raises:
        RuleTooCostly: the walk has looked at too many times and empty days.
    """
    budget = budget or _Budget()
    streams: list[Iterable[datetime]] = [_walk_rule(recurrence, rule, after, budget) for rule in recurrence.rules]
    streams.append(sorted(recurrence.dates))
    excluded = heapq.merge(*(_walk_rule(recurrence, rule, after, budget) for rule in recurrence.excluded_rules))
    next_excluded = next(excluded, None)
    last: datetime | None = None
    for at in heapq.merge(*streams):
        if at <= after or at == last or at in recurrence.excluded_dates:
            continue
        last = at
        while next_excluded is not None and next_excluded < at:
            next_excluded = next(excluded, None)
        if at != next_excluded:
            yield at


def _walk_rule(recurrence: Recurrence, rule: Rule, after: datetime, budget: _Budget) -> Iterator[datetime]:
    """Yield the instants of one rule, in order; those up to `after` may be left out."""
    zone = recurrence.zone
    starts_at = min(find_instants(recurrence.starts_at, zone), default=recurrence.starts_at.replace(tzinfo=zone))
    # A rule that counts has to count from its start.
    near = recurrence.starts_at
    if rule.count is None:
        near = max(near, after.astimezone(zone).replace(tzinfo=None) - _MARGIN)
    n_seen = 0
    walls = _walk_walls(rule, recurrence.starts_at, near, budget)
    for at in _convert_walls(walls, zone, twice=rule.frequency in SHORT):
        budget.spend()
        if rule.until is not None and at > rule.until:
            return
        if at < starts_at:
            continue
        n_seen += 1
        yield at
        if n_seen == rule.count:
            return


def _convert_walls(walls: Iterable[datetime], zone: ZoneInfo, *, twice: bool) -> Iterator[datetime]:
    """Yield the instants of times on the wall, in order. With `twice`, those that the clock shows again come, too."""
    again: list[datetime] = []
    for wall in walls:
        instants = find_instants(wall, zone)
        if not instants:
            continue
        while again and again[0] < instants[0]:
            yield again.pop(0)
        yield instants[0]
        if twice:
            again += instants[1:]
    yield from again


def _walk_walls(rule: Rule, starts_at: datetime, near: datetime, budget: _Budget) -> Iterator[datetime]:
    """Yield the times on the wall that `rule` says, from the period before `near` on."""
    try:
        start = floor_to_period(rule, starts_at, near)
        shifted = start.replace(year=start.year + _SHIFT)
        walls = iter(rrule.rrule(dtstart=shifted, **_make_arguments(rule, starts_at)))
    except (ValueError, OverflowError):
        # No time fits all parts of the rule, or the next period is beyond all calendars.
        return
    before = start
    while (wall := _take_wall(walls)) is not None:
        budget.spend(_count_steps(rule, before, wall))
        before = wall
        yield wall
    budget.spend(_count_steps(rule, before, _AFTER_ALL.replace(tzinfo=None)))


def _take_wall(walls: Iterator[datetime]) -> datetime | None:
    """Return the next time on the wall. Return None if there is none before the year 2400."""
    try:
        wall = next(walls, None)
    except (ValueError, OverflowError):
        return None
    return None if wall is None else wall.replace(year=wall.year - _SHIFT)


def _count_steps(rule: Rule, before: datetime, wall: datetime) -> int:
    """Return what the empty days between two times have cost."""
    every = rule.interval if rule.frequency is Frequency.DAILY else 1
    n_empty = max((wall - before).days - 1, 0)
    return n_empty // every * _STEPS_A_DAY.get(rule.frequency, 0)


def _make_arguments(rule: Rule, starts_at: datetime) -> dict[str, Any]:
    """Return the rule for `dateutil`. What the rule leaves open comes from its start."""
    parts: dict[str, Any] = {f"by{name.lower()[2:]}": values for name, values in rule.parts.items()}
    if rule.weekdays:
        parts["byweekday"] = [_DAYS[day](number) if number else _DAYS[day] for day, number in rule.weekdays]
    if not parts.keys() & {"byweekno", "byyearday", "bymonthday", "byweekday"}:
        if rule.frequency is Frequency.YEARLY:
            parts.setdefault("bymonth", (starts_at.month,))
        if rule.frequency in (Frequency.YEARLY, Frequency.MONTHLY):
            parts["bymonthday"] = (starts_at.day,)
        elif rule.frequency is Frequency.WEEKLY:
            parts["byweekday"] = (starts_at.weekday(),)
    if rule.frequency not in SHORT:
        parts.setdefault("byhour", (starts_at.hour,))
    if rule.frequency is not Frequency.MINUTELY:
        parts.setdefault("byminute", (starts_at.minute,))
    parts.setdefault("bysecond", (starts_at.second,))
    return {"freq": _FREQUENCIES[rule.frequency], "interval": rule.interval, "wkst": rule.week_start, **parts}


def list_occurrences(recurrence: Recurrence, after: datetime, n: int) -> list[datetime]:
    """Return the first `n` occurrences later than `after`, in UTC and in order, or all if there are fewer.

    Raises:
        RuleTooCostly: the search has looked at too many times and empty days.
    """
    return list(islice(walk_occurrences(recurrence, after), n))


def find_next(recurrence: Recurrence, after: datetime, budget: _Budget | None = None) -> datetime | None:
    """Return the first occurrence later than `after`, in UTC. Return None if there is none.

    Raises:
        RuleTooCostly: the search has looked at too many times and empty days.
    """
    return next(walk_occurrences(recurrence, after, budget), None)


@dataclass(frozen=True, slots=True)
class Passed:
    """The occurrences within a stretch of time: the last one, and their number. If there are many, the number is a
    minimum.
    """

    last: datetime
    n: int


def find_passed(recurrence: Recurrence, after: datetime, until: datetime) -> Passed | None:
    """Return the last occurrence later than `after` and not later than `until`, and how many there are in between.

    Return None if there is none.

    Raises:
        RuleTooCostly: the search has looked at too many times, and found none.
    """
    last, n = None, 0
    try:
        for at in walk_occurrences(recurrence, after):
            if at > until:
                return None if last is None else Passed(last, n)
            last, n = at, n + 1
            if n == MAX_COUNTED:
                break
        else:
            return None if last is None else Passed(last, n)
    except RuleTooCostly:
        if last is None:
            raise
    return Passed(_find_last(recurrence, last, until), n)


def _find_last(recurrence: Recurrence, known: datetime, until: datetime) -> datetime:
    """Return the last occurrence up to `until`, without a look at each. `known` is one of them."""
    last, end, budget = known, until, _Budget(_MAX_STEPS_TO_LAST)
    while end - last > timedelta(seconds=1):
        middle = last + (end - last) / 2
        found = find_next(recurrence, middle, budget)
        if found is not None and found <= until:
            last = found
        else:
            end = middle
    return last


def find_end(recurrence: Recurrence) -> datetime | None:
    """Return the last occurrence of `recurrence`. Return None if it has no occurrence, or never ends.

    Raises:
        RuleTooCostly: the search has looked at too many times, and found none.
    """
    if any(rule.count is None and rule.until is None for rule in recurrence.rules):
        return None
    passed = find_passed(recurrence, BEFORE_ALL, _AFTER_ALL)
    return None if passed is None else passed.last
