"""What a recurrence rule says. (core)

    DTSTART;TZID=Europe/Berlin:20260101T023000    `starts_at`, a time on the wall, in `zone`
    RRULE:FREQ=DAILY;INTERVAL=2;COUNT=5           one `Rule`; several add up
    EXRULE:... EXDATE:...                         what is taken away
    RDATE:...                                     what is added

The words are those of RFC 5545.
"""

from calendar import isleap, monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo


class Frequency(StrEnum):
    """The periods of rules."""

    YEARLY = "YEARLY"
    MONTHLY = "MONTHLY"
    WEEKLY = "WEEKLY"
    DAILY = "DAILY"
    HOURLY = "HOURLY"
    MINUTELY = "MINUTELY"


#: Periods that are shorter than a day: an hour that the clock shows twice occurs twice.
SHORT = frozenset({Frequency.HOURLY, Frequency.MINUTELY})


@dataclass(frozen=True, slots=True)
class Rule:
    """One RRULE or EXRULE."""

    frequency: Frequency
    interval: int = 1
    count: int | None = None
    #: No occurrence is after this instant.
    until: datetime | None = None
    #: The day on which a week begins; 0: Monday.
    week_start: int = 0
    #: The parts BYMONTH, BYMONTHDAY, ..., as numbers. BYDAY is in `weekdays`.
    parts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    #: BYDAY: the days, 0 is Monday, each with its number in the period; 0: every one.
    weekdays: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A whole recurrence: instants are in UTC, all other times on the wall in `zone`."""

    starts_at: datetime
    zone: ZoneInfo
    rules: tuple[Rule, ...]
    excluded_rules: tuple[Rule, ...] = ()
    dates: tuple[datetime, ...] = ()
    excluded_dates: frozenset[datetime] = frozenset()


#: In 28 years of the calendar each date falls on each day of the week.
_YEARS = range(2001, 2029)
_DAY_PARTS = frozenset({"BYMONTH", "BYMONTHDAY", "BYYEARDAY"})


def has_days_each_year(rule: Rule) -> bool:
    """Return whether each year has a day that fits the rule's BYMONTH, BYMONTHDAY, BYYEARDAY, and BYDAY."""
    if not (rule.weekdays or rule.parts.keys() & _DAY_PARTS):
        return True
    return all(any(_fits_day(rule, day) for day in _list_days(year)) for year in _YEARS)


def _list_days(year: int) -> Iterator[date]:
    first = date(year, 1, 1)
    return (first + timedelta(days=n) for n in range(366 if isleap(year) else 365))


def _fits_day(rule: Rule, day: date) -> bool:
    year_day = day.timetuple().tm_yday
    n_days, n_year_days = monthrange(day.year, day.month)[1], 366 if isleap(day.year) else 365
    return (
        _fits_number(rule, "BYMONTH", day.month, day.month)
        and _fits_number(rule, "BYMONTHDAY", day.day, day.day - n_days - 1)
        and _fits_number(rule, "BYYEARDAY", year_day, year_day - n_year_days - 1)
        and (not rule.weekdays or any(weekday == day.weekday() for weekday, _ in rule.weekdays))
    )


def _fits_number(rule: Rule, part: str, number: int, from_end: int) -> bool:
    wanted = rule.parts.get(part)
    return wanted is None or number in wanted or from_end in wanted


def floor_to_period(rule: Rule, starts_at: datetime, near: datetime) -> datetime:
    """Return the start of the last period of `rule` that begins by `near`, or of its first period.

    Periods are counted from the one that has `starts_at`, each `interval`th one counts.
    """
    near = max(near, starts_at)
    midnight = starts_at.replace(hour=0, minute=0, second=0)
    every = rule.interval
    match rule.frequency:
        case Frequency.YEARLY:
            n_years = (near.year - starts_at.year) // every * every
            return midnight.replace(year=starts_at.year + n_years, month=1, day=1)
        case Frequency.MONTHLY:
            first = starts_at.year * 12 + starts_at.month - 1
            month = first + (near.year * 12 + near.month - 1 - first) // every * every
            return midnight.replace(year=month // 12, month=month % 12 + 1, day=1)
        case Frequency.WEEKLY:
            start = midnight - timedelta(days=(starts_at.weekday() - rule.week_start) % 7)
            period = timedelta(weeks=1)
        case Frequency.DAILY:
            start, period = midnight, timedelta(days=1)
        case Frequency.HOURLY:
            start, period = starts_at.replace(minute=0, second=0), timedelta(hours=1)
        case Frequency.MINUTELY:
            start, period = starts_at.replace(second=0), timedelta(minutes=1)
    return start + (near - start) // period // every * every * period


def show_until(recurrence: Recurrence) -> str:
    """Return the end of the rules in their time zone, as clocks there show it; empty: they do not name an end."""
    untils = [rule.until for rule in recurrence.rules if rule.until is not None]
    return max(untils).astimezone(recurrence.zone).strftime("%Y-%m-%dT%H:%M:%S") if untils else ""
