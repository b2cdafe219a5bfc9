"""Texts of rules: each refusal names the part, the rule and the remedy."""

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Rejected
from wms.schedules.recurrence import Frequency
from wms.schedules.rule_text import read_recurrence

START = "DTSTART;TZID=Europe/Berlin:20260101T023000 "
DAILY = f"{START}RRULE:FREQ=DAILY"


def test_a_whole_text_is_read() -> None:
    read = read_recurrence(
        f"{START}\n RRULE:FREQ=MONTHLY;INTERVAL=2;BYDAY=-1FR,2MO;WKST=SU;COUNT=5;BYHOUR=3,1 "
        "EXRULE:FREQ=DAILY;UNTIL=20260203T040506 EXDATE;TZID=UTC:20260101T000000,20260102T000000 RDATE:20260101T000000Z"
    )
    assert (read.starts_at, read.zone) == (datetime(2026, 1, 1, 2, 30), ZoneInfo("Europe/Berlin"))
    [rule], [excluded] = read.rules, read.excluded_rules
    assert (rule.frequency, rule.interval, rule.count, rule.week_start) == (Frequency.MONTHLY, 2, 5, 6)
    assert rule.weekdays == ((0, 2), (4, -1))
    assert rule.parts == {"BYHOUR": (1, 3)}
    assert excluded.until == datetime(2026, 2, 3, 3, 5, 6, tzinfo=UTC)
    assert read.excluded_dates == {datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)}
    assert read.dates == (datetime(2026, 1, 1, tzinfo=UTC),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("RRULE:FREQ=DAILY", "no DTSTART is there"),
        (f"{START}{DAILY}", "several DTSTART are there"),
        (START, "no RRULE is there"),
        ("DTSTART:20260101T023000 RRULE:FREQ=DAILY", "must have a time zone"),
        ("DTSTART;TZID=UTC:20260101T023000Z RRULE:FREQ=DAILY", "must have a time zone, and only one"),
        ("DTSTART;TZID=Europe/Nowhere:20260101T023000 RRULE:FREQ=DAILY", "no time zone 'Europe/Nowhere'"),
        ("DTSTART;TZID=../../etc/passwd:20260101T023000 RRULE:FREQ=DAILY", "no time zone"),
        ("DTSTART;TZID=Europe:20260101T023000 RRULE:FREQ=DAILY", "no time zone"),
        ("DTSTART;TZID=:20260101T023000 RRULE:FREQ=DAILY", "no time zone"),
        (f"DTSTART;TZID={'x' * 400}:20260101T023000 RRULE:FREQ=DAILY", "no time zone"),
        ("DTSTART:20260101Z RRULE:FREQ=DAILY", "no time; write it as"),
        ("DTSTART:20260231T000000Z RRULE:FREQ=DAILY", "no date with a time"),
        ("DTSTART:19690101T000000Z RRULE:FREQ=DAILY", "the year must be from 1970 to 2199"),
        (f"{START}RRULE:FREQ=SECONDLY", "FREQ must be one of YEARLY"),
        (f"{START}RRULE:INTERVAL=2", "FREQ must be one of"),
        (f"{START}RRULE;X=1:FREQ=DAILY", "takes no parameters"),
        (f"{DAILY};INTERVAL=0", "INTERVAL must be a whole number from 1"),
        (f"{DAILY};COUNT=1000", "COUNT must be a whole number from 1 to 999; use UNTIL"),
        (f"{DAILY};COUNT=2;UNTIL=20270101T000000Z", "COUNT and UNTIL are both there"),
        (f"{DAILY};UNTIL=20270101", "UNTIL: '20270101' is no time"),
        (f"{DAILY};BYHOUR=24", "'24' is no number from 0 to 23"),
        (f"{DAILY};BYMONTHDAY=0", "'0' is no number from 1 to 31, or from -31 to -1"),
        (f"{DAILY};BYMONTH=x", "'X' is no number"),
        (f"{DAILY};BYMONTH=\u0663", "is no number"),
        (f"{DAILY};BYDAY=XX", "'XX' is no day"),
        (f"{DAILY};BYDAY=2MO", "BYDAY with numbers needs FREQ=MONTHLY or YEARLY"),
        (f"{START}RRULE:FREQ=MONTHLY;BYDAY=2MO,TU", "with and without numbers; write two RRULE"),
        (f"{DAILY};BYWEEKNO=2", "BYWEEKNO has no meaning with FREQ=DAILY"),
        (f"{START}RRULE:FREQ=HOURLY;BYSETPOS=1", "BYSETPOS has no meaning with FREQ=HOURLY"),
        (f"{DAILY};BYEASTER=0", "there is no part 'BYEASTER'"),
        (f"{DAILY};BYHOUR=1;BYHOUR=2", "given twice"),
        (f"{DAILY};BYSECOND=1,2", "once a minute at most"),
        (f"{DAILY};BYHOUR=1,2,3;BYMINUTE={','.join(map(str, range(60)))}", "180 times a day, at most 48"),
        (f"{DAILY} EXDATE:20260101", "EXDATE: '20260101' is no time"),
        (f"{DAILY} EXDATE:{','.join(['20260101T000000'] * 501)}", "more than 500 dates"),
        (f"{DAILY} {' '.join(['EXRULE:FREQ=DAILY'] * 10)}", "more than 10 rules"),
        (f"{DAILY} HELLO", "none of DTSTART, RRULE"),
        (f"{DAILY};X={'1' * 10_000}", "at most 10000 are allowed"),
    ],
)
def test_a_wrong_text_is_refused_with_the_remedy(text: str, said: str) -> None:
    with pytest.raises(Rejected) as refused:
        read_recurrence(text)
    assert said in refused.value.reason
    assert refused.value.hint


words = st.sampled_from(
    [
        "DTSTART",
        "RRULE:",
        "EXDATE",
        ":",
        ";",
        "=",
        ",",
        " ",
        "FREQ=DAILY",
        "TZID=UTC",
        "20260101T000000",
        "Z",
        "COUNT",
        "1",
    ]
)


@given(st.lists(words | st.text(max_size=5), max_size=20).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Rejected):
        assert read_recurrence(text).rules


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("RRULE:FREQ=YEARLY;BYMONTH=12;BYDAY=20MO", "BYDAY has a number over 5, and no month has so many"),
        ("RRULE:FREQ=MONTHLY;BYDAY=-6FR", "BYDAY has a number over 5, and no month has so many"),
        ("RRULE:FREQ=YEARLY;BYDAY=54MO", "BYDAY has a number over 53, and no year has so many"),
        ("RRULE:FREQ=DAILY;UNTIL=00010101T000000", "must be from 1900 to 9998"),
        ("RRULE:FREQ=DAILY RDATE:99991231T235959", "must be from 1900 to 9998"),
    ],
)
def test_numbers_and_years_that_no_calendar_has_are_refused(rest: str, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        read_recurrence(f"DTSTART;TZID=Europe/Berlin:20260101T000000 {rest}")
