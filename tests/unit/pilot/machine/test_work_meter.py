"""What the slots of a pilot do is added up whole: each instant of each slot is either idle or part of a run."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.machine.work_meter import WorkMeter
from schemas.pilot.work_report import (
    MAX_BUCKET,
    WorkReport,
    find_bucket,
    list_bucket_ends,
    merge_reports,
    report_from_text,
    report_to_text,
)

MIB = 1024 * 1024
WALL_MS = 1_795_219_200_000


def test_no_work_is_reported_before_the_first_run() -> None:
    meter = WorkMeter("p", 1)
    assert meter.read_work(100.0, wall_ms=WALL_MS, peak_bytes=5) is None
    meter.begin_run(1, 200.0)
    report = meter.read_work(200.0, wall_ms=WALL_MS, peak_bytes=5)
    assert report == WorkReport("p", 1, peak_mib=1)


@pytest.mark.parametrize(
    ("has_failed", "was_interrupted", "expected"),
    [
        (
            False,
            False,
            WorkReport("p", 2, n_done=1, done_ms=2000, idle_ms=4000, durations={21: 1}, last_done_ms=WALL_MS - 1000),
        ),
        (True, False, WorkReport("p", 2, n_failed=1, lost_ms=2000, idle_ms=4000)),
        # The event of an interrupted run comes again. So it is no failure, but its time is lost.
        (False, True, WorkReport("p", 2, lost_ms=2000, idle_ms=4000)),
        (True, True, WorkReport("p", 2, lost_ms=2000, idle_ms=4000)),
    ],
)
def test_a_run_is_counted_by_how_it_ended(has_failed: bool, was_interrupted: bool, expected: WorkReport) -> None:
    meter = WorkMeter("p", 2)
    meter.begin_run(1, 10.0)
    for _ in range(2):  # a second end changes nothing
        meter.end_run(1, 12.0, has_failed=has_failed, was_interrupted=was_interrupted)
    assert meter.read_work(13.0, wall_ms=WALL_MS, peak_bytes=0) == expected


@given(
    n_slots=st.integers(1, 4),
    steps=st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 3), st.booleans()), max_size=30),
)
def test_the_times_of_all_slots_add_up_to_the_time_since_the_first_run(
    n_slots: int, steps: list[tuple[int, int, bool]]
) -> None:
    meter = WorkMeter("p", n_slots)
    now_s, open_s = 0.0, dict[int, float]()
    began_s: float | None = None
    for pause_ms, slot, has_failed in steps:
        now_s += pause_ms / 1000
        key = slot % n_slots
        if key in open_s:
            meter.end_run(key, now_s, has_failed=has_failed, was_interrupted=False)
            del open_s[key]
        else:
            meter.begin_run(key, now_s)
            open_s[key] = now_s
            began_s = now_s if began_s is None else began_s
    report = meter.read_work(now_s, wall_ms=WALL_MS, peak_bytes=0)
    if began_s is None:
        assert report is None
        return
    assert report is not None
    under_way_ms = sum(now_s - began for began in open_s.values()) * 1000
    total_ms = report.done_ms + report.lost_ms + report.idle_ms + under_way_ms
    assert total_ms == pytest.approx(n_slots * (now_s - began_s) * 1000, abs=5)
    assert sum(report.durations.values()) == report.n_done
    assert report_from_text(report_to_text(report)) == report


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "[]",
        "{}",
        '{"pilot":"p"}',
        report_to_text(WorkReport("p", 1)).replace('"n_done":0', '"n_done":-1'),
        report_to_text(WorkReport("p", 1)).replace('"n_done":0', '"n_done":true'),
        report_to_text(WorkReport("p", 1)).replace('"n_done":0', '"n_done":1e400'),
        report_to_text(WorkReport("p", 1)).replace('"idle_ms":0', '"idle_ms":9999999999999999'),
        report_to_text(WorkReport("p", 0)),
        report_to_text(WorkReport("", 1)),
        report_to_text(WorkReport("p" * 65, 1)),
        report_to_text(WorkReport("p", 1, durations={MAX_BUCKET + 1: 1})),
        report_to_text(WorkReport("p", 1, durations={1: -1})),
    ],
)
def test_a_text_that_is_no_report_is_none(text: str) -> None:
    assert report_from_text(text) is None


def test_the_report_of_an_older_pilot_says_nothing_of_its_last_run() -> None:
    report = WorkReport("p", 1, n_done=3, last_done_ms=WALL_MS)
    text = report_to_text(report)
    assert report_from_text(text) == report
    assert report_from_text(text.replace(f',"last_done_ms":{WALL_MS}', "")) == replace(report, last_done_ms=0)


reports = st.builds(
    WorkReport,
    st.just("p"),
    st.just(2),
    n_done=st.integers(0, 9),
    done_ms=st.integers(0, 9),
    peak_mib=st.integers(0, 9),
    durations=st.dictionaries(st.integers(0, 3), st.integers(0, 9)),
    last_done_ms=st.integers(0, 9),
)


@given(reports, reports, reports)
def test_reports_of_a_pilot_may_come_in_any_order_and_more_than_once(
    a: WorkReport, b: WorkReport, c: WorkReport
) -> None:
    assert merge_reports(a, a) == a
    assert merge_reports(a, b) == merge_reports(b, a)
    assert merge_reports(merge_reports(a, b), c) == merge_reports(a, merge_reports(b, c))


@given(st.floats(1, 3e10))
def test_a_bucket_holds_the_times_between_its_ends(took_ms: float) -> None:
    low, high = list_bucket_ends(find_bucket(took_ms))
    assert low * 0.999999 <= took_ms <= high * 1.000001


def test_the_longest_report_fits_one_chirp() -> None:
    big = 10**12
    report = WorkReport("p" * 32, 64, big, big, big, big, big, 10**7, dict.fromkeys(range(MAX_BUCKET + 1), 10**6), big)
    assert len(report_to_text(report).replace('"', '\\"')) < 2400
