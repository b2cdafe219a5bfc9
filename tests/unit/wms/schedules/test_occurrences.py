"""The occurrences of rules: tables of the calendar's corners, and an oracle that looks at every quarter of an hour."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Rejected
from tests.examples import part_of_examples
from wms.schedules.due import plan_times
from wms.schedules.occurrences import (
    BEFORE_ALL,
    MAX_COUNTED,
    RuleTooCostly,
    find_end,
    find_next,
    find_passed,
    list_occurrences,
    walk_occurrences,
)
from wms.schedules.recurrence import Frequency, Recurrence, Rule
from wms.schedules.rule_text import read_recurrence

BERLIN = ZoneInfo("Europe/Berlin")


def show(text: str, after: str, n: int = 4) -> list[str]:
    """Return the next occurrences as clocks in the rule's zone show them, to the minute."""
    recurrence = read_recurrence(text)
    found = list_occurrences(recurrence, datetime.fromisoformat(after), n)
    return [at.astimezone(recurrence.zone).strftime("%Y-%m-%d %H:%M%z") for at in found]


@pytest.mark.parametrize(
    ("text", "after", "shown"),
    [
        pytest.param(
            "DTSTART;TZID=Europe/Berlin:20270325T023000 RRULE:FREQ=DAILY",
            "2027-03-27T00:00Z",
            ["2027-03-27 02:30+0100", "2027-03-29 02:30+0200"],
            id="a time that the clock skips does not occur",
        ),
        pytest.param(
            "DTSTART;TZID=Europe/Berlin:20270327T023000 RRULE:FREQ=DAILY;COUNT=2",
            "2027-01-01T00:00Z",
            ["2027-03-27 02:30+0100", "2027-03-29 02:30+0200"],
            id="and it does not count",
        ),
        pytest.param(
            "DTSTART;TZID=Europe/Berlin:20271030T023000 RRULE:FREQ=DAILY",
            "2027-10-30T12:00Z",
            ["2027-10-31 02:30+0200", "2027-11-01 02:30+0100"],
            id="a time that the clock shows twice occurs once",
        ),
        pytest.param(
            "DTSTART;TZID=Europe/Berlin:20271030T003000 RRULE:FREQ=HOURLY",
            "2027-10-31T00:00Z",
            ["2027-10-31 02:30+0200", "2027-10-31 02:30+0100", "2027-10-31 03:30+0100"],
            id="an hourly one occurs in both hours",
        ),
        pytest.param(
            "DTSTART;TZID=Europe/Berlin:20270328T003000 RRULE:FREQ=HOURLY",
            "2027-03-28T00:00Z",
            ["2027-03-28 01:30+0100", "2027-03-28 03:30+0200"],
            id="an hourly one has no gap in spring",
        ),
        pytest.param(
            "DTSTART;TZID=Europe/Berlin:20271030T000000 RRULE:FREQ=MINUTELY;INTERVAL=30",
            "2027-10-31T00:20Z",
            ["2027-10-31 02:30+0200", "2027-10-31 02:00+0100", "2027-10-31 02:30+0100", "2027-10-31 03:00+0100"],
            id="the second hour comes after the whole first one",
        ),
        pytest.param(
            "DTSTART:20260131T120000Z RRULE:FREQ=MONTHLY",
            "2026-01-31T12:00Z",
            ["2026-03-31 12:00+0000", "2026-05-31 12:00+0000"],
            id="months without a 31st are left out",
        ),
        pytest.param(
            "DTSTART:20260131T120000Z RRULE:FREQ=MONTHLY;BYMONTHDAY=-1",
            "2026-01-31T12:00Z",
            ["2026-02-28 12:00+0000", "2026-03-31 12:00+0000"],
            id="the last day of each month",
        ),
        pytest.param(
            "DTSTART:20240229T120000Z RRULE:FREQ=YEARLY",
            "2096-03-01T00:00Z",
            ["2104-02-29 12:00+0000", "2108-02-29 12:00+0000"],
            id="2100 is no leap year",
        ),
        pytest.param(
            "DTSTART:20260101T120000Z RRULE:FREQ=YEARLY;BYYEARDAY=366",
            "2026-01-01T00:00Z",
            ["2028-12-31 12:00+0000", "2032-12-31 12:00+0000"],
            id="the 366th day",
        ),
        pytest.param(
            "DTSTART:20260101T120000Z RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "2026-01-01T00:00Z",
            ["2026-01-30 12:00+0000", "2026-02-27 12:00+0000"],
            id="the last working day",
        ),
        pytest.param(
            "DTSTART:20260101T120000Z RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU",
            "2026-01-01T00:00Z",
            ["2026-01-11 12:00+0000", "2026-01-12 12:00+0000", "2026-01-25 12:00+0000"],
            id="every second week that begins on a Sunday",
        ),
        pytest.param(
            "DTSTART:20260101T060000Z RRULE:FREQ=DAILY RRULE:FREQ=DAILY;BYHOUR=6,18",
            "2026-01-01T00:00Z",
            ["2026-01-01 06:00+0000", "2026-01-01 18:00+0000", "2026-01-02 06:00+0000"],
            id="rules add up, and a time of two rules occurs once",
        ),
        pytest.param(
            "DTSTART:20260101T060000Z RRULE:FREQ=DAILY EXRULE:FREQ=WEEKLY;BYDAY=SA,SU EXDATE:20260102T060000Z",
            "2026-01-01T00:00Z",
            ["2026-01-01 06:00+0000", "2026-01-05 06:00+0000", "2026-01-06 06:00+0000"],
            id="EXRULE and EXDATE take away",
        ),
        pytest.param(
            "DTSTART;TZID=Europe/Berlin:20260101T060000 RRULE:FREQ=YEARLY RDATE:20260203T040000 EXDATE:20270101T060000",
            "2026-01-01T05:30Z",
            ["2026-02-03 04:00+0100", "2028-01-01 06:00+0100"],
            id="dates without a zone are in that of DTSTART",
        ),
        pytest.param(
            "DTSTART:20260101T060000Z RRULE:FREQ=DAILY;UNTIL=20260103T060000Z",
            "2026-01-02T06:00Z",
            ["2026-01-03 06:00+0000"],
            id="UNTIL is an occurrence, too",
        ),
        pytest.param(
            "DTSTART:20260101T060000Z RRULE:FREQ=DAILY;UNTIL=20250103T060000Z RRULE:FREQ=YEARLY;COUNT=1",
            "2026-01-01T06:00Z",
            [],
            id="UNTIL in the past, and COUNT used up",
        ),
        pytest.param(
            "DTSTART;TZID=America/New_York:20260101T000000 RRULE:FREQ=DAILY;COUNT=3;BYHOUR=1,2",
            "2026-01-01T06:30Z",
            ["2026-01-01 02:00-0500", "2026-01-02 01:00-0500"],
            id="COUNT counts each time of a day",
        ),
    ],
)
def test_rules_occur_when_the_calendar_says(text: str, after: str, shown: list[str]) -> None:
    assert show(text, after, max(len(shown), 1)) == shown


def test_a_count_includes_occurrences_that_are_over() -> None:
    recurrence = read_recurrence("DTSTART:20260101T000000Z RRULE:FREQ=DAILY;COUNT=5")
    assert len(list_occurrences(recurrence, datetime(2026, 1, 2, 12, tzinfo=UTC), 10)) == 3
    assert find_end(recurrence) == datetime(2026, 1, 5, tzinfo=UTC)


def test_an_end_is_known_for_rules_that_end() -> None:
    start = "DTSTART:20260101T000000Z "
    assert find_end(read_recurrence(f"{start}RRULE:FREQ=DAILY")) is None
    dense = read_recurrence(f"{start}RRULE:FREQ=MINUTELY;INTERVAL=7;UNTIL=20301231T235959Z")
    end = find_end(dense)
    assert end is not None
    assert timedelta(0) <= datetime(2030, 12, 31, 23, 59, 59, tzinfo=UTC) - end < timedelta(minutes=7)
    assert find_next(dense, end) is None


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=1,2,3;BYMINUTE=0,15,30,45",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=5",
        "FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29",
    ],
)
def test_a_rule_that_never_occurs_costs_little(rule: str) -> None:
    begun = time.process_time()
    # Odd years have no 29th of February.
    assert find_next(read_recurrence(f"DTSTART:20270101T000000Z RRULE:{rule}"), BEFORE_ALL) is None
    assert time.process_time() - begun < 8


@pytest.mark.parametrize("rule", ["FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;BYSETPOS=2"])
def test_days_that_a_rule_passes_over_count(rule: str) -> None:
    with pytest.raises(RuleTooCostly, match="name days that exist"):
        find_next(read_recurrence(f"DTSTART:20270101T000000Z RRULE:{rule}"), BEFORE_ALL)


_END = "UNTIL=21991231T000000Z"


@pytest.mark.parametrize(
    "rules",
    [
        f"RRULE:FREQ=MINUTELY;{_END} " + f"RRULE:FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30;{_END} " * 9,
        f"RRULE:FREQ=MINUTELY;{_END} " + f"RRULE:FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=1,2,3;{_END} " * 9,
        f"RRULE:FREQ=MINUTELY;{_END} " + f"RRULE:FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=28;BYHOUR=1,2,3;{_END} " * 9,
        f"RRULE:FREQ=DAILY;{_END} " + f"RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;{_END} " * 9,
        f"RRULE:FREQ=DAILY;{_END} " + f"RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;{_END} " * 9,
    ],
)
def test_a_short_text_that_would_take_minutes_is_refused(rules: str) -> None:
    with pytest.raises(Rejected):
        plan_times(read_recurrence(f"DTSTART:20260101T000000Z {rules.strip()}"))


@pytest.mark.parametrize(
    ("parts", "has"),
    [
        ("BYMONTH=2;BYMONTHDAY=29", False),
        ("BYMONTH=2;BYMONTHDAY=28", True),
        ("BYMONTHDAY=-31", True),
        ("BYMONTH=4,6;BYMONTHDAY=31", False),
        ("BYMONTH=2;BYMONTHDAY=-29", False),
        ("BYYEARDAY=366", False),
        ("BYYEARDAY=-366,1", True),
        ("BYMONTH=1;BYYEARDAY=-1", False),
        ("BYMONTHDAY=13;BYDAY=FR", True),
        ("BYMONTH=1;BYMONTHDAY=13;BYDAY=FR", False),
    ],
)
def test_hours_and_minutes_need_days_in_each_year(parts: str, has: bool) -> None:
    text = f"DTSTART:20260101T000000Z RRULE:FREQ=HOURLY;{parts}"
    if has:
        assert find_next(read_recurrence(text), BEFORE_ALL) is not None
    else:
        with pytest.raises(Rejected, match="there must be days that fit in each year"):
            read_recurrence(text)


def test_a_rule_that_another_takes_away_wholly_is_refused_in_time() -> None:
    recurrence = read_recurrence("DTSTART:20260101T000000Z RRULE:FREQ=MINUTELY EXRULE:FREQ=MINUTELY")
    with pytest.raises(RuleTooCostly, match="50000"):
        find_next(recurrence, BEFORE_ALL)


def test_millions_of_occurrences_that_are_over_are_passed_over() -> None:
    recurrence = read_recurrence("DTSTART:19700101T000000Z RRULE:FREQ=MINUTELY")
    now = datetime(2026, 11, 29, 15, 0, 30, tzinfo=UTC)
    begun = time.process_time()
    assert find_next(recurrence, now) == datetime(2026, 11, 29, 15, 1, tzinfo=UTC)
    passed = find_passed(recurrence, datetime(2000, 1, 1, tzinfo=UTC), now)
    assert passed is not None
    assert (passed.last, passed.n) == (datetime(2026, 11, 29, 15, tzinfo=UTC), MAX_COUNTED)
    assert time.process_time() - begun < 8


# The oracle. It knows neither dateutil nor our way of walking: it looks at each quarter of an hour.

_STEP = timedelta(minutes=15)
#: The oracle looks at so many days.
_N_DAYS = 45


def is_period(rule: Rule, start: datetime, wall: datetime) -> bool:
    """Return whether the period of `wall` counts from that of `start` in steps of the interval."""
    days = wall.date().toordinal() - start.date().toordinal()
    match rule.frequency:
        case Frequency.YEARLY:
            n = wall.year - start.year
        case Frequency.MONTHLY:
            n = (wall.year - start.year) * 12 + wall.month - start.month
        case Frequency.WEEKLY:
            shift = (start.weekday() - rule.week_start) % 7
            n = (days + shift) // 7
        case Frequency.DAILY:
            n = days
        case Frequency.HOURLY:
            n = days * 24 + wall.hour - start.hour
        case Frequency.MINUTELY:
            n = days * 1440 + (wall.hour - start.hour) * 60 + wall.minute - start.minute
    return n % rule.interval == 0


def fits(rule: Rule, start: datetime, wall: datetime) -> bool:
    """Return whether a time on the wall fits all parts of a rule."""
    parts = dict(rule.parts)
    days = {day for day, _ in rule.weekdays}
    if not parts.keys() & {"BYMONTHDAY"} and not days:
        if rule.frequency is Frequency.YEARLY:
            parts.setdefault("BYMONTH", (start.month,))
        if rule.frequency in (Frequency.YEARLY, Frequency.MONTHLY):
            parts["BYMONTHDAY"] = (start.day,)
        if rule.frequency is Frequency.WEEKLY:
            days = {start.weekday()}
    if rule.frequency not in (Frequency.HOURLY, Frequency.MINUTELY):
        parts.setdefault("BYHOUR", (start.hour,))
    if rule.frequency is not Frequency.MINUTELY:
        parts.setdefault("BYMINUTE", (start.minute,))
    month_days = (date(wall.year + wall.month // 12, wall.month % 12 + 1, 1) - date(wall.year, wall.month, 1)).days
    return (
        is_period(rule, start, wall)
        and (not days or wall.weekday() in days)
        and wall.month in parts.get("BYMONTH", range(13))
        and not {wall.day, wall.day - month_days - 1}.isdisjoint(parts.get("BYMONTHDAY", range(-31, 32)))
        and wall.hour in parts.get("BYHOUR", range(24))
        and wall.minute in parts.get("BYMINUTE", range(60))
    )


def walk_slowly(recurrence: Recurrence, until: datetime) -> Iterator[datetime]:
    """Yield the occurrences up to `until`."""
    start, zone = recurrence.starts_at, recurrence.zone
    seen: dict[int, int] = {}
    at = start.replace(tzinfo=zone).astimezone(UTC)
    while at <= until:
        local = at.astimezone(zone)
        wall = local.replace(tzinfo=None, fold=0)

        def occurs(rule: Rule, wall: datetime = wall, fold: int = local.fold, at: datetime = at) -> bool:
            is_second = fold == 1 and rule.frequency not in (Frequency.HOURLY, Frequency.MINUTELY)
            if is_second or not fits(rule, start, wall) or (rule.until is not None and at > rule.until):
                return False
            seen[id(rule)] = seen.get(id(rule), 0) + 1
            return rule.count is None or seen[id(rule)] <= rule.count

        wanted = [occurs(rule) for rule in recurrence.rules]
        unwanted = [occurs(rule) for rule in recurrence.excluded_rules]
        if any(wanted) and not any(unwanted):
            yield at
        at += _STEP


quarters = st.sampled_from((0, 15, 30, 45))


@st.composite
def rules(draw: st.DrawFn, start: datetime) -> Rule:
    frequency = draw(st.sampled_from(Frequency))
    parts: dict[str, tuple[int, ...]] = {}

    def choose(name: str, values: st.SearchStrategy[int], most: int = 3) -> None:
        if draw(st.booleans()):
            parts[name] = tuple(sorted(draw(st.sets(values, min_size=1, max_size=most))))

    choose("BYMONTH", st.integers(1, 12), 6)
    if frequency is not Frequency.WEEKLY:
        choose("BYMONTHDAY", st.integers(-31, 31).filter(bool), 8)
    choose("BYHOUR", st.integers(0, 23))
    choose("BYMINUTE", quarters)
    if frequency is Frequency.MINUTELY:
        parts.setdefault("BYMINUTE", (0, 15, 30, 45))
    end = draw(st.sampled_from(("", "COUNT", "UNTIL")))
    return Rule(
        frequency=frequency,
        interval=draw(st.integers(1, 4)),
        count=draw(st.integers(1, 20)) if end == "COUNT" else None,
        until=start.replace(tzinfo=UTC) + timedelta(days=draw(st.integers(0, _N_DAYS))) if end == "UNTIL" else None,
        week_start=draw(st.integers(0, 6)),
        parts=parts,
        weekdays=tuple((day, 0) for day in sorted(draw(st.sets(st.integers(0, 6), max_size=3)))),
    )


@st.composite
def recurrences(draw: st.DrawFn) -> Recurrence:
    # Both changes of the clock are within the days that the oracle looks at.
    day = draw(st.sampled_from((date(2027, 3, 20), date(2027, 10, 20), date(2028, 1, 31), date(2028, 2, 25))))
    start = datetime(day.year, day.month, day.day, draw(st.integers(0, 23)), draw(quarters))
    zone = ZoneInfo(draw(st.sampled_from(("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"))))
    return Recurrence(
        starts_at=start,
        zone=zone,
        rules=tuple(draw(st.lists(rules(start), min_size=1, max_size=2))),
        excluded_rules=tuple(draw(st.lists(rules(start), max_size=1))),
    )


@settings(max_examples=part_of_examples(0.5))
@given(recurrence=recurrences(), hours=st.integers(-24, 24 * 30))
def test_a_walk_yields_what_a_look_at_each_quarter_finds(recurrence: Recurrence, hours: int) -> None:
    start = recurrence.starts_at.replace(tzinfo=recurrence.zone).astimezone(UTC)
    until, after = start + timedelta(days=_N_DAYS), start + timedelta(hours=hours)
    expected = [at for at in walk_slowly(recurrence, until) if at > after]
    found = []
    try:
        for at in walk_occurrences(recurrence, after):
            if at > until:
                break
            found.append(at)
    except RuleTooCostly:
        # An EXRULE covers the rest of the walk, or no further day fits.
        pass
    assert found == expected
    if expected:
        passed = find_passed(recurrence, after, expected[-1])
        assert passed is not None
        assert (passed.last, passed.n) == (expected[-1], len(expected))
