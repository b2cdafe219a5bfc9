"""What to do about a schedule now."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import RunId
from wms.schedules.due import DueOccurrence, decide_due, explain_skip, plan_times
from wms.schedules.occurrences import BEFORE_ALL, list_occurrences
from wms.schedules.rule_text import read_recurrence

JANUARY = "DTSTART:20260101T060000Z RRULE:FREQ=DAILY"


def at(day: int, hour: int = 6) -> datetime:
    return datetime(2026, 1, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "decided", "now", "due", "n_skipped", "next_at"),
    [
        pytest.param(JANUARY, at(1, 7), at(1, 8), None, 0, at(2), id="nothing has passed"),
        pytest.param(JANUARY, at(1), at(2), at(2), 0, at(3), id="one has come at this moment"),
        pytest.param(JANUARY, at(1), at(4, 7), at(4), 2, at(5), id="the last of three runs"),
        pytest.param(JANUARY, at(5), at(4, 7), None, 0, at(6), id="a clock that is behind repeats nothing"),
        pytest.param(f"{JANUARY};COUNT=3", at(1), at(9), at(3), 1, None, id="the last of a count was missed"),
        pytest.param(f"{JANUARY};COUNT=3", at(3), at(9), None, 0, None, id="a count is used up"),
        pytest.param(f"{JANUARY};UNTIL=20260102T235959Z", at(1, 5), at(9), at(2), 1, None, id="UNTIL is in the past"),
        pytest.param(f"{JANUARY};UNTIL=20251231T000000Z", at(1, 5), at(9), None, 0, None, id="it has never occurred"),
    ],
)
def test_of_what_has_passed_the_last_one_runs(
    rule: str, decided: datetime, now: datetime, due: datetime | None, n_skipped: int, next_at: datetime | None
) -> None:
    decision = decide_due(read_recurrence(rule), decided, now)
    assert (decision.at, decision.n_skipped, decision.next_at) == (due, n_skipped, next_at)


@pytest.mark.parametrize(
    ("deadline", "now", "late_by", "n_skipped"),
    [
        pytest.param(None, at(4, 18), None, 2, id="without a deadline it is never late"),
        pytest.param(timedelta(hours=12), at(4, 18), None, 2, id="at the deadline it still runs"),
        pytest.param(timedelta(hours=11), at(4, 18), timedelta(hours=1), 2, id="after it, it is late"),
        pytest.param(timedelta(hours=11), at(1, 18), None, 0, id="what has not passed is not late"),
    ],
)
def test_an_occurrence_older_than_the_start_deadline_is_late(
    deadline: timedelta | None, now: datetime, late_by: timedelta | None, n_skipped: int
) -> None:
    due = decide_due(read_recurrence(JANUARY), at(1), now, deadline=deadline)
    assert (due.late_by, due.n_skipped) == (late_by, n_skipped)


@pytest.mark.parametrize(
    ("late_by", "running", "why"),
    [
        (None, None, ""),
        (timedelta(seconds=1.5), None, "skipped: WMS came to it 2 s after its start deadline of 60 s"),
        (None, RunId(7), "skipped: job 7 of this schedule was not over (skip_if_running)"),
        (timedelta(seconds=1), RunId(7), "skipped: WMS came to it 1 s after its start deadline of 60 s"),
    ],
)
def test_the_settings_of_a_schedule_say_why_they_skip_an_occurrence(
    late_by: timedelta | None, running: RunId | None, why: str
) -> None:
    due = DueOccurrence(at(1), 0, at(2), late_by)
    assert explain_skip(due, deadline_s=60, running=running) == why


@given(age_s=st.integers(0, 86_399), deadline_s=st.none() | st.integers(1, 100_000))
def test_a_start_deadline_changes_only_whether_the_last_occurrence_is_late(age_s: int, deadline_s: int | None) -> None:
    now, rule = at(4) + timedelta(seconds=age_s), read_recurrence(JANUARY)
    deadline = None if deadline_s is None else timedelta(seconds=deadline_s)
    due = decide_due(rule, at(1), now, deadline=deadline)
    assert replace(due, late_by=None) == decide_due(rule, at(1), now)
    assert (due.late_by is not None) == (deadline_s is not None and age_s > deadline_s)


@given(
    looks=st.lists(st.integers(1, 60 * 24 * 10), min_size=1, max_size=12),
    rule=st.sampled_from(
        ["FREQ=DAILY", "FREQ=HOURLY;INTERVAL=5", "FREQ=DAILY;COUNT=4", "FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20260220T000000Z"]
    ),
)
def test_each_occurrence_is_launched_or_skipped_once_however_often_anybody_looks(looks: list[int], rule: str) -> None:
    recurrence = read_recurrence(f"DTSTART;TZID=Europe/Berlin:20260101T023000 RRULE:{rule}")
    decided = now = at(1, 0)
    launched, n_skipped = [], 0
    for minutes in looks:
        now += timedelta(minutes=minutes)
        due = decide_due(recurrence, decided, now)
        assert due.next_at is None or due.next_at > now
        if due.at is not None:
            launched.append(due.at)
            n_skipped += due.n_skipped
            decided = due.at
    passed = [each for each in list_occurrences(recurrence, at(1, 0), 5000) if each <= now]
    assert set(launched) <= set(passed)
    assert len(launched) == len(set(launched))
    assert len(launched) + n_skipped == len(passed)


def test_the_first_and_the_last_occurrence_are_planned() -> None:
    times = plan_times(read_recurrence(f"{JANUARY};COUNT=3"))
    assert (times.starts_at, times.ends_at) == (at(1), at(3))
    assert plan_times(read_recurrence(JANUARY)).ends_at is None
    assert list_occurrences(read_recurrence(JANUARY), BEFORE_ALL, 1) == [at(1)]
