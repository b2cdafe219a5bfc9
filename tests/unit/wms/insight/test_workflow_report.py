"""The report of a workflow: its shares add up, and what is not known is None and says why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.api.workflows.report import Measure, WorkFigures, WorkflowReport
from schemas.fleet.documents import TaskforceDocument
from schemas.fleet.worker_times import Activity, TimeSum, WorkerTimes
from tests.unit.wms.insight.test_workflow_graph import make_world
from wms.insight.workflow_reading import WorkflowReading
from wms.insight.workflow_report import compute_report

T0 = datetime(2026, 11, 30, 8, tzinfo=UTC)
SHARES = ("busy", "starting", "idle", "wasted", "unknown")


def times(*, n_now: int = 0, span_s: float = 100, sums: dict[str, float] | None = None, **work: Any) -> WorkerTimes:
    """Return the times of workers that all left after `span_s`; the last of `n_now` workers are still at work."""
    given = {"starting": 20, "waiting": 30, "working": 150} if sums is None else sums
    totals = {Activity(name): TimeSum(n_now=0, offset_ms=int(seconds * 1000)) for name, seconds in given.items()}
    if n_now:
        totals[Activity.WORKING] = TimeSum(n_now=n_now, offset_ms=-n_now * int(T0.timestamp() * 1000))
    whole: dict[str, Any] = {
        "n_runs": 2,
        "n_pilots": 2,
        "n_slots": 1,
        "n_done": 10,
        "n_failed": 1,
        "done_ms": 100_000,
        "lost_ms": 10_000,
        "idle_ms": 30_000,
        "peak_mib": 400,
        "durations": {"26": 10},
        "last_left_at": None if n_now else T0 + timedelta(seconds=span_s),
    }
    return WorkerTimes(sums=totals, first_run_at=T0, **{**whole, **work})


def report_of(*changes: dict[str, Any], **seen: Any) -> WorkflowReport:
    """Return the report of a world whose taskforces (the first task's, then the second's) have `changes`."""
    world: WorkflowReading = make_world()
    plain = {"status_as_of": T0 + timedelta(seconds=100), "cluster_id": 7}
    taskforces: list[TaskforceDocument] = [
        one.model_copy(update={**plain, **each} if each else {})
        for one, each in zip(world.taskforces, [*changes, *[{}] * len(world.taskforces)], strict=False)
    ]
    return compute_report(replace(world, taskforces=taskforces, **seen))


def shares(figures: WorkFigures) -> dict[str, float | None]:
    return {name: getattr(figures, name).value for name in SHARES}


def test_the_workers_time_is_divided_into_five_shares() -> None:
    task = report_of({"times": times()}).tasks[0]
    assert task.figures.worker_hours.value == pytest.approx(200 / 3600)
    assert shares(task.figures) == pytest.approx(
        {"busy": 0.5, "starting": 0.1, "idle": 0.3, "wasted": 0.05, "unknown": 0.05}
    )
    assert (task.figures.events_done.value, task.figures.attempts_failed.value) == (10, 1)
    assert task.figures.events_per_core_hour.value == pytest.approx(10 / (200 / 3600))
    assert (task.service_time.value, task.start_time.value, task.n_starts) == (10.0, 10.0, 2)
    assert [(each.n, each.at_least_s < 10 < each.below_s) for each in task.service_times] == [(10, True)]


def test_the_time_to_the_last_success_and_that_of_failed_runs_are_known_if_pilots_report_them() -> None:
    done = {"last_done_at": T0 + timedelta(seconds=90)}
    report = report_of({"times": times(**done)}, {"times": times(last_done_at=T0 + timedelta(seconds=95), n_failed=0)})
    assert [each.figures.time_to_last_success.value for each in report.tasks] == [90, 95]
    assert report.figures.time_to_last_success.value == 95
    first, second = report.tasks
    assert (first.failed_time.value, second.failed_time.value) == (10.0, None)
    assert "no run has been reported as failed" in second.failed_time.how
    older = report_of({"times": times()}).tasks[0].figures.time_to_last_success
    assert (older.value, "the pilots are older" in older.how) == (None, True)


@pytest.mark.parametrize(
    ("change", "known", "reason"),
    [
        ({}, (), "no worker has run yet"),
        ({"times": None}, (), "the TMS reports no times"),
        ({"times": times(sums={})}, (), "no worker has run yet"),
        # Pilots that chirp nothing seem to start for ever: that is no starting time.
        ({"times": times(sums={"starting": 100}, n_pilots=0, n_slots=0, n_done=0)}, ("unknown",), "no pilot"),
        # Older pilots chirp their status, and not their work.
        ({"times": times(n_pilots=0, n_slots=0, n_done=0)}, ("starting", "unknown"), "no pilot"),
        # A pilot that waits for its first event has no work to report.
        ({"times": times(sums={"starting": 1, "waiting": 9}, n_pilots=0, done_ms=0, lost_ms=0, idle_ms=0)}, SHARES, ""),
    ],
)
def test_what_is_not_known_is_none_and_says_why(change: dict[str, Any], known: tuple[str, ...], reason: str) -> None:
    figures = report_of(change).tasks[0].figures
    found = shares(figures)
    assert tuple(name for name in SHARES if found[name] is not None) == tuple(n for n in SHARES if n in known)
    for name in SHARES:
        if name not in known:
            assert reason in getattr(figures, name).how
    if known:
        assert figures.worker_hours.value is not None


def test_a_worker_that_takes_two_events_at_once_counts_once() -> None:
    task = report_of({"times": times(n_slots=2, done_ms=200_000, lost_ms=0, idle_ms=0)}).tasks[0]
    assert (task.figures.busy.value, task.service_time.value, task.events_at_once) == (0.5, 20.0, 2)


def test_the_shares_of_workers_that_still_run_count_until_the_last_statuses() -> None:
    running = {"times": times(n_now=2, sums={}, done_ms=50_000, lost_ms=0, idle_ms=0)}
    figures = report_of(running).tasks[0].figures
    assert figures.worker_hours.value == pytest.approx(200 / 3600)
    assert (figures.busy.value, figures.unknown.value) == pytest.approx((0.25, 0.75))


def test_a_taskforce_without_times_is_left_out_and_that_is_told() -> None:
    report = report_of({"times": times()}, {"times": None})
    assert report.figures.worker_hours.value == pytest.approx(200 / 3600)
    assert "without 1 taskforce(s)" in report.figures.worker_hours.how
    partial = report_of({"times": times(is_partial=True)}).tasks[0].figures.busy
    assert "too many ran at once" in partial.how


@pytest.mark.parametrize(
    ("change", "asked", "n_workers", "memory", "prefetch"),
    [
        # 110 s of work in 100 s: 1.1 workers, so 2 that are at work for most of their time.
        ({}, 8, 2, 512, 1),
        # Workers that were always at work: as many as before.
        ({"sums": {"working": 200}, "idle_ms": 1000}, 8, 8, 512, 1),
        # Never more than asked for.
        ({}, 1, 1, 512, 1),
        ({"peak_mib": 0}, 8, 2, None, 1),
        # Short runs: some events wait in the pilot.
        ({"done_ms": 100, "lost_ms": 0}, 8, 1, 512, 4),
        ({"n_done": 0, "done_ms": 0, "lost_ms": 0}, 8, None, 512, None),
    ],
)
def test_suggestions_follow_from_what_was_measured(
    change: dict[str, Any], asked: int, n_workers: int | None, memory: float | None, prefetch: int | None
) -> None:
    task = report_of({"times": times(**change), "n_workers": asked}).tasks[0]
    assert task.n_workers == asked
    found = (task.suggested_n_workers, task.suggested_memory, task.suggested_prefetch)
    assert tuple(each.value for each in found) == (n_workers, memory, prefetch)


def test_failed_events_are_counted_by_the_queues_or_unknown() -> None:
    assert report_of().events_failed.value == 0
    away = report_of(depths=None, unseen="the broker is away").events_failed
    assert (away.value, "the broker is away" in away.how) == (None, True)


seconds = st.floats(0, 1e5)


@given(
    sums=st.dictionaries(st.sampled_from([*map(str, Activity)]), seconds),
    done=st.integers(0, 10**8),
    lost=st.integers(0, 10**8),
    idle=st.integers(0, 10**8),
    n_slots=st.integers(1, 8),
    n_pilots=st.integers(0, 3),
)
def test_known_shares_are_shares(
    sums: dict[str, float], done: int, lost: int, idle: int, n_slots: int, n_pilots: int
) -> None:
    work = times(sums=sums, done_ms=done, lost_ms=lost, idle_ms=idle, n_slots=n_slots, n_pilots=n_pilots)
    report = report_of({"times": work})
    for figures in (report.figures, report.tasks[0].figures):
        known = [value for value in shares(figures).values() if value is not None]
        assert all(-1e-9 <= value <= 1 + 1e-9 for value in known)
        if len(known) == len(SHARES):
            assert sum(known) == pytest.approx(1)
        for name in (*SHARES, "worker_hours", "events_done", "attempts_failed", "events_per_core_hour"):
            measure: Measure = getattr(figures, name)
            assert measure.unit
            assert measure.how
            assert (measure.value is None) == measure.how.startswith(("unknown", "no worker")) or not measure.value
