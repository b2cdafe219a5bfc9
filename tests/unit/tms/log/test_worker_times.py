"""The times of workers: exact sums from the log, whatever is repeated, read again, or cut into parts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fleet.statuses import PilotStatus
from schemas.fleet.worker_times import Activity, WorkerTimes
from schemas.pilot.work_report import WorkReport, report_to_text
from tms.log import worker_times
from tms.log.checkpoint import Checkpoint, checkpoint_from_bytes, checkpoint_to_bytes
from tms.log.job_events import EventType, JobEnded, JobEvent, JobHeld, JobMoved, JobRequeued, PilotChirped, parse_log
from tms.log.statuses import Tally
from tms.pools.local.event_log import job_chirped, job_executing, job_submitted, job_terminated

T0 = datetime(2026, 11, 30, 8, tzinfo=UTC)
T0_MS = int(T0.timestamp() * 1000)


def moved(at_s: float, event: EventType, proc: int = 0) -> JobMoved:
    return JobMoved(proc, event, at_ms=T0_MS + int(at_s * 1000))


def chirped(at_s: float, status: PilotStatus, proc: int = 0) -> PilotChirped:
    return PilotChirped(proc, "Status", status, T0_MS + int(at_s * 1000))


def reported(at_s: float, report: WorkReport, proc: int = 0) -> PilotChirped:
    return PilotChirped(proc, "Work", report_to_text(report), T0_MS + int(at_s * 1000))


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def fold(*events: JobEvent) -> Tally:
    tally = Tally(1)
    tally.fold_events(events)
    return tally


def sums_of(tally: Tally, now_s: float) -> dict[Activity, float]:
    times = tally.times.summarize()
    assert times is not None
    return {activity: total.count_seconds(at(now_s)) for activity, total in times.sums.items()}


EXECUTE, EVICTED = EventType.EXECUTE, EventType.JOB_EVICTED
STARTED, WAITING, TASKING = PilotStatus.STARTED, PilotStatus.AWAITING_FIRST_MESSAGE, PilotStatus.TASKING
LIFE = (
    moved(0, EventType.SUBMIT),
    moved(10, EXECUTE),
    chirped(12, STARTED),
    chirped(15, WAITING),
    chirped(20, TASKING),
    chirped(50, PilotStatus.PENDING_REMAINING_TASKS),
    chirped(55, PilotStatus.DONE),
    JobEnded(0, 0, at(56)),
)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((), {}),
        (LIFE[:1], {}),
        (LIFE[:2], {"starting": 90}),
        (LIFE[:4], {"starting": 5, "waiting": 85}),
        (LIFE, {"starting": 5, "waiting": 5, "working": 35, "leaving": 1}),
        # A repeated record changes nothing.
        ((*LIFE, LIFE[-1]), {"starting": 5, "waiting": 5, "working": 35, "leaving": 1}),
        # An evicted job uses no machine until it starts again; a held one neither.
        ((*LIFE[:5], moved(30, EVICTED), moved(60, EXECUTE)), {"starting": 45, "waiting": 5, "working": 10}),
        ((*LIFE[:5], JobHeld(0, 34, 0, at(30))), {"starting": 5, "waiting": 5, "working": 10}),
        ((*LIFE[:5], JobRequeued(0, -9, at(30))), {"starting": 5, "waiting": 5, "working": 10}),
        ((*LIFE[:5], chirped(30, PilotStatus.FATAL_ERROR)), {"starting": 5, "waiting": 5, "working": 10, "failed": 70}),
        # What a worker does is unknown while HTCondor cannot reach it, while it is suspended, and after a new word.
        (
            (*LIFE[:5], moved(30, EventType.JOB_DISCONNECTED), moved(40, EventType.JOB_RECONNECTED)),
            {"starting": 5, "waiting": 5, "working": 70, "unknown": 10},
        ),
        (
            (*LIFE[:5], moved(30, EventType.JOB_SUSPENDED), moved(40, EventType.JOB_UNSUSPENDED)),
            {"starting": 5, "waiting": 5, "working": 70, "unknown": 10},
        ),
        ((*LIFE[:2], PilotChirped(0, "Status", "Dreaming", T0_MS + 20_000)), {"starting": 10, "unknown": 80}),
    ],
)
def test_the_time_of_a_worker_goes_to_what_it_did(events: tuple[JobEvent, ...], expected: dict[str, float]) -> None:
    assert {activity: seconds for activity, seconds in sums_of(fold(*events), 100).items() if seconds} == expected


def test_the_first_start_and_the_last_end_are_known() -> None:
    times = fold(*LIFE, moved(200, EXECUTE, 1), moved(300, EVICTED, 1), moved(400, EXECUTE, 1)).times.summarize()
    assert times is not None
    assert (times.first_run_at, times.last_left_at, times.n_runs) == (at(10), at(300), 3)


def test_the_instants_are_those_of_the_log() -> None:
    when = datetime(2026, 11, 30, 9)
    log = (
        job_submitted(7, 0, when)
        + job_executing(7, 0, when + timedelta(seconds=3), "slot1@m")
        + job_chirped(7, 0, when + timedelta(seconds=5), 'HTChirpEWMSPilotStatus: "Tasking"')
        + job_terminated(7, 0, when + timedelta(seconds=65), 0)
    )
    tally = Tally(1)
    tally.fold_events(parse_log(log.encode()).events)
    assert sums_of(tally, 9999) == {Activity.STARTING: 2, Activity.WORKING: 60}


def test_a_log_without_years_and_the_checkpoint_of_an_older_tms_leave_the_times_unknown() -> None:
    assert fold(JobMoved(0, EXECUTE)).times.summarize() is None
    tally = fold(*LIFE[:5])
    data = checkpoint_to_bytes(Checkpoint(1, 2, (0, ""), 0, False, tally))
    head, newline, rest = data.partition(b'"times": ')
    older = head + b'"old": ' + rest
    assert newline
    read = checkpoint_from_bytes(older)
    assert read is not None
    read.tally.fold_events(LIFE[5:])
    assert read.tally.times.summarize() is None


def test_the_last_success_of_any_pilot_is_known() -> None:
    def last_done(*reports: WorkReport) -> datetime | None:
        times = fold(moved(0, EXECUTE), moved(0, EXECUTE, 1), *(reported(9, r, i) for i, r in enumerate(reports)))
        summary = times.times.summarize()
        assert summary is not None
        return summary.last_done_at

    late, early = WorkReport("a", 1, last_done_ms=T0_MS + 5000), WorkReport("b", 1, last_done_ms=T0_MS + 2000)
    assert last_done() is None
    assert last_done(WorkReport("a", 1)) is None
    assert last_done(late, early) == last_done(early, late) == at(5)


ONE = WorkReport("a", 2, n_done=2, done_ms=400, idle_ms=50, peak_mib=70, durations={15: 2})
MORE = WorkReport("a", 2, n_done=3, n_failed=1, done_ms=700, lost_ms=90, idle_ms=80, peak_mib=60, durations={15: 3})
OTHER = WorkReport("b", 2, n_done=5, done_ms=1000, peak_mib=65, durations={15: 1, 16: 4})


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([reported(1, ONE)], (1, 2, 0, 400, 0, 50, 70, {"15": 2})),
        # Repeats, and an older report after a newer one.
        ([reported(1, ONE)] * 3, (1, 2, 0, 400, 0, 50, 70, {"15": 2})),
        ([reported(1, ONE), reported(2, MORE), reported(3, ONE)], (1, 3, 1, 700, 90, 80, 70, {"15": 3})),
        # The next pilot of the job begins at zero.
        (
            [reported(1, ONE), moved(2, EVICTED), moved(3, EXECUTE), reported(4, OTHER)],
            (2, 7, 0, 1400, 0, 50, 70, {"15": 3, "16": 4}),
        ),
        # A last report may come after the eviction, but not out of nothing.
        ([reported(1, ONE), moved(2, EVICTED), reported(3, MORE)], (1, 3, 1, 700, 90, 80, 70, {"15": 3})),
        ([moved(2, EVICTED), reported(3, MORE)], (0, 0, 0, 0, 0, 0, 0, {})),
        ([JobEnded(0, 0, at(2)), reported(3, MORE)], (0, 0, 0, 0, 0, 0, 0, {})),
        ([PilotChirped(0, "Work", "rubbish", T0_MS)], (0, 0, 0, 0, 0, 0, 0, {})),
    ],
)
def test_the_reports_of_pilots_are_added_up_once(
    events: list[JobEvent], expected: tuple[int, int, int, int, int, int, int, dict[str, int]]
) -> None:
    times = fold(moved(0, EXECUTE), *events).times.summarize()
    assert times is not None
    found = (times.n_pilots, times.n_done, times.n_failed, times.done_ms, times.lost_ms, times.idle_ms, times.peak_mib)
    assert (*found, dict(times.durations)) == expected


def test_too_many_pilots_at_once_are_left_out_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_times, "MAX_SLOTS", 1)
    events: list[JobEvent] = [moved(0, EXECUTE), moved(0, EXECUTE, 1), reported(1, ONE), reported(1, OTHER, 1)]
    times = fold(*events).times.summarize()
    assert times is not None
    assert (times.n_done, times.is_partial) == (2, True)
    # The report of a job that has ended makes room.
    times = fold(*events[:3], JobEnded(0, 0, at(5)), reported(6, OTHER, 1)).times.summarize()
    assert times is not None
    assert (times.n_done, times.is_partial) == (7, False)


steps = st.lists(
    st.tuples(
        st.integers(0, 5_000),
        st.integers(0, 2),
        st.sampled_from(
            [*PilotStatus, "Work", EXECUTE, EVICTED, EventType.SUBMIT, EventType.JOB_SUSPENDED, "ended", "held"]
        ),
    ),
    max_size=40,
)


def build_events(steps: list[tuple[int, int, str | EventType]]) -> list[JobEvent]:
    now_ms, events = T0_MS, list[JobEvent]()
    for n, (pause_ms, proc, what) in enumerate(steps, start=1):
        now_ms += pause_ms
        when = datetime.fromtimestamp(now_ms / 1000, UTC)
        if isinstance(what, EventType):
            events.append(JobMoved(proc, what, at_ms=now_ms))
        elif what == "Work":
            report = WorkReport(
                f"pilot {n // 9} of {proc}", 1, n_done=n, done_ms=3 * n, durations={n % 5: n}, last_done_ms=now_ms
            )
            events.append(PilotChirped(proc, "Work", report_to_text(report), now_ms))
        elif what in ("ended", "held"):
            events.append(JobEnded(proc, 0, when) if what == "ended" else JobHeld(proc, 34, 0, when))
        else:
            events.append(PilotChirped(proc, "Status", what, now_ms))
    return events


@given(steps, st.integers(0, 40))
def test_reading_in_parts_and_from_a_checkpoint_gives_the_same_times(
    steps: list[tuple[int, int, str | EventType]], cut: int
) -> None:
    events = build_events(steps)
    whole = fold(*events)
    first = fold(*events[:cut])
    kept = checkpoint_from_bytes(checkpoint_to_bytes(Checkpoint(1, 2, (0, ""), 0, False, first)))
    assert kept is not None
    assert kept.tally.times == first.times
    kept.tally.fold_events(events[cut:])
    assert kept.tally.times.summarize() == whole.times.summarize()


@given(steps)
def test_all_activities_add_up_to_the_time_that_jobs_ran(steps: list[tuple[int, int, str | EventType]]) -> None:
    events = build_events(steps)
    tally, running_ms = Tally(3), 0
    last_ms = T0_MS
    for event in events:
        now_ms = getattr(event, "at_ms", 0) or int(event.at.timestamp() * 1000)  # type: ignore[union-attr]
        n_on = sum(status in ("RUNNING", "SUSPENDED") for _, status in tally.list_job_statuses())
        running_ms += n_on * (now_ms - last_ms)
        last_ms = now_ms
        tally.fold_events([event])
    times = tally.times.summarize()
    if times is not None:
        total_s = sum(each.count_seconds(datetime.fromtimestamp(last_ms / 1000, UTC)) for each in times.sums.values())
        assert total_s == pytest.approx(running_ms / 1000, abs=0.01)
        assert WorkerTimes.model_validate_json(times.model_dump_json()) == times
