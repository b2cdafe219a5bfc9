"""How many workers are missing, and why: one row for each reason there is."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fleet.phases import WANTED, Phase
from schemas.fleet.statuses import JobStatus, PilotStatus
from schemas.ids import TaskforceUuid
from tests.unit.wms.fleets import NOW, later
from tms.jobs.restarts import PAUSE_CODE, mark_pause
from tms.log.hold_reasons import hold_reason
from wms.fleet.choices.tms_port import EVENTS, REST, TmsPort
from wms.fleet.stalls.crew import Crew, read_crew
from wms.fleet.stalls.staffing import Lack, find_missing_workers

TF = TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-57c5a8e4")
TASK = "TK-6b00e09f-926a610b-485d2fc0"
SHOW = f"ewms taskforce show {TF}"
MORE = f"ewms task add-workers {TASK} -n 4"
ERRORS = "ewms task errors WF-6b00e09f-926a610b"
LOGS = "ewms task logs WF-6b00e09f-926a610b"
PLACES = "ewms cluster list"


def crew(phase: Phase = Phase.CONDOR_SUBMIT, **fields: Any) -> Crew:
    """Return a taskforce of four workers that moved a minute ago and of which its TMS has just spoken."""
    plain: dict[str, Any] = {
        "taskforce_uuid": TF,
        "task_id": TASK,
        "schedd": "ap1",
        "n_wanted": 4,
        "since": later(seconds=-60),
        "statuses": {},
        "as_of": NOW,
        "exit_codes": {},
    }
    return Crew(phase=phase, **{**plain, **fields})


def jobs(status: str, pilot: str = "null", n: int = 4, **fields: Any) -> Crew:
    return crew(statuses={status: {pilot: n}}, **fields)


@pytest.mark.parametrize(
    ("seen", "lack", "text", "command"),
    [
        (crew(Phase.PRE_MQ_ACTIVATION), Lack.STARTING, "wait for their turn to be started", SHOW),
        (crew(Phase.PRE_LAUNCH), Lack.STARTING, "wait for their turn to be started", SHOW),
        (crew(Phase.PENDING_STARTER), Lack.STARTING, "wait for their turn to be started", SHOW),
        (crew(Phase.PENDING_STARTER, asked_at=later(seconds=-5), n_asked=1), Lack.STARTING, "are being started", SHOW),
        (
            crew(Phase.PENDING_STARTER, asked_at=later(seconds=-15), n_asked=1),
            Lack.TMS_SILENT,
            "not started: the TMS of ap1 does not answer",
            PLACES,
        ),
        (
            crew(Phase.PENDING_STARTER, asked_at=later(seconds=-1), n_asked=2),
            Lack.TMS_SILENT,
            "not started: the TMS of ap1 does not answer",
            PLACES,
        ),
        (
            crew(Phase.PENDING_STARTER, stuck="the TMS of ap1 does not answer; …", asked_at=NOW),
            Lack.TMS_SILENT,
            "not started: the TMS of ap1 does not answer; …",
            PLACES,
        ),
        (crew(Phase.PENDING_STARTER, stuck="no such image"), Lack.START_FAILED, "not started: no such image", SHOW),
        (
            crew(Phase.PENDING_STARTER, retry_at=later(seconds=30)),
            Lack.START_AGAIN,
            "not started: the start failed, and WMS tries again at 08:00:30 UTC",
            SHOW,
        ),
        (
            crew(Phase.PENDING_STARTER, retry_at=later(seconds=-1)),
            Lack.STARTING,
            "wait for their turn to be started",
            SHOW,
        ),
        (crew(Phase.PENDING_STARTER, port=REST), Lack.STARTING, "wait for their turn to be started", SHOW),
        (
            crew(Phase.PENDING_STARTER, port=REST, since=later(minutes=-4)),
            Lack.TMS_SILENT,
            "not started: the TMS of ap1 has not asked for them since 07:56:00 UTC",
            PLACES,
        ),
        (crew(Phase.PENDING_STOPPER), Lack.ENDED, "ended with their taskforce", MORE),
        (crew(Phase.CONDOR_RM), Lack.ENDED, "ended with their taskforce", MORE),
        (crew(Phase.CONDOR_COMPLETE), Lack.ENDED, "ended with their taskforce", MORE),
        (crew(Phase.PENDING_STARTER, has_ended=True), Lack.ENDED, "ended with their taskforce", MORE),
        (crew(), Lack.STARTING, "are submitted, without a status yet", SHOW),
        (crew(as_of=None, since=later(seconds=-10)), Lack.STARTING, "are submitted, without a status yet", SHOW),
        (
            crew(as_of=None, since=later(seconds=-41)),
            Lack.TMS_SILENT,
            "not seen: the TMS of ap1 has sent no statuses since 07:59:19 UTC",
            PLACES,
        ),
        (
            jobs("RUNNING", "Tasking", as_of=later(seconds=-41)),
            Lack.TMS_SILENT,
            "not seen: the TMS of ap1 has sent no statuses since 07:59:19 UTC",
            PLACES,
        ),
        (jobs("IDLE", as_of=later(hours=-1), port=REST), Lack.SLOT_AWAITED, "wait for a free slot", SHOW),
        (jobs("IDLE"), Lack.SLOT_AWAITED, "wait for a free slot", SHOW),
        (
            jobs("IDLE", unmatched="no slot offers 999 GB of memory"),
            Lack.NO_SLOT,
            "find no slot: no slot offers 999 GB of memory",
            PLACES,
        ),
        (
            jobs("IDLE", errors={"BadWorker('3 different events failed: a')": 3, "BadWorker('b')": 1}),
            Lack.ALL_BAD,
            (
                "wait for another machine: every worker failed on all events that it tried, so the task itself is most "
                "often the cause"
            ),
            ERRORS,
        ),
        (
            jobs("IDLE", errors={"BadWorker('a')": 3, "ValueError: x": 1}),
            Lack.SLOT_AWAITED,
            "wait for a free slot",
            SHOW,
        ),
        (
            jobs("IDLE", errors={"BadWorker('a')": 4}, unmatched="no slot offers 9 cores"),
            Lack.NO_SLOT,
            "find no slot: no slot offers 9 cores",
            PLACES,
        ),
        (jobs("HELD: Out of memory"), Lack.HELD, "held: Out of memory", SHOW),
        (
            jobs("HELD: The pilot ended early; it starts again after a pause", "FatalError"),
            Lack.PAUSED,
            "ended early, and start again by themselves after a pause",
            LOGS,
        ),
        (
            # Errors of tasks do not say why a pilot was killed.
            jobs("HELD: The pilot was killed by SIGBUS; it starts again after a pause", errors={"ValueError: x": 1}),
            Lack.PAUSED,
            "killed by SIGBUS, and start again by themselves after a pause",
            LOGS,
        ),
        (jobs("HELD"), Lack.HELD, "held: no reason given", SHOW),
        (jobs("RUNNING"), Lack.PREPARING, "have not reported yet", SHOW),
        (jobs("RUNNING", "Started"), Lack.PREPARING, "start, and take no events yet", SHOW),
        (jobs("RUNNING", "RunningInitCommand"), Lack.PREPARING, "start, and take no events yet", SHOW),
        (
            jobs("RUNNING", "FatalError"),
            Lack.PILOT_FAILED,
            "failed, and keep their slots for some minutes before they start again",
            LOGS,
        ),
        (
            jobs("RUNNING", "FatalError", errors={"ValueError: x": 1}),
            Lack.PILOT_FAILED,
            "failed, and keep their slots for some minutes before they start again",
            ERRORS,
        ),
        (jobs("RUNNING", "Done"), Lack.LEAVING, "leave, and take no more events", SHOW),
        (jobs("RUNNING", "PendingRemainingTasks"), Lack.LEAVING, "leave, and take no more events", SHOW),
        (jobs("SUSPENDED", "Tasking"), Lack.SUSPENDED, "suspended by their machine", SHOW),
        (jobs("COMPLETED", "Done"), Lack.GONE, "ended", MORE),
        (jobs("REMOVED"), Lack.GONE, "ended", MORE),
        (
            jobs("COMPLETED", "FatalError", exit_codes={"1": 3, "-9": 1}),
            Lack.GONE,
            "ended (exit code 1, signal 9)",
            MORE,
        ),
    ],
)
def test_each_state_of_a_taskforce_has_its_reason(seen: Crew, lack: Lack, text: str, command: str) -> None:
    (missing,) = find_missing_workers(seen, NOW)
    assert (missing.lack, missing.text, missing.command, missing.n_workers) == (lack, text, command, 4)


@pytest.mark.parametrize("pilot", ["Tasking", "AwaitingFirstMessage"])
def test_workers_that_take_events_are_not_missing(pilot: str) -> None:
    seen = jobs("RUNNING", pilot)
    assert find_missing_workers(seen, NOW) == ()
    assert seen.n_at_work == 4


def test_while_one_worker_takes_events_the_task_is_not_blamed() -> None:
    seen = crew(statuses={"IDLE": {"null": 3}, "RUNNING": {"Tasking": 1}}, errors={"BadWorker('a')": 4})
    assert [missing.lack for missing in find_missing_workers(seen, NOW)] == [Lack.SLOT_AWAITED]


def test_the_reason_that_hinders_most_comes_first() -> None:
    seen = crew(statuses={"IDLE": {"null": 1}, "RUNNING": {"Tasking": 1, "Started": 1}, "HELD: disk": {"Tasking": 1}})
    assert [missing.lack for missing in find_missing_workers(seen, NOW)] == [
        Lack.HELD,
        Lack.SLOT_AWAITED,
        Lack.PREPARING,
    ]


def test_only_what_passes_by_itself_is_coming() -> None:
    assert [lack for lack in Lack if missing_is_coming(lack)] == [
        Lack.PAUSED,
        Lack.PILOT_FAILED,
        Lack.START_AGAIN,
        Lack.STARTING,
        Lack.ALL_BAD,
        Lack.SLOT_AWAITED,
        Lack.PREPARING,
        Lack.LEAVING,
    ]


def missing_is_coming(lack: Lack) -> bool:
    from wms.fleet.stalls.staffing import WorkerShortage

    return WorkerShortage(lack, 1, "", "", "").is_coming


@given(
    statuses=st.dictionaries(
        st.sampled_from([*JobStatus, "HELD: memory", "HELD: disk"]),
        st.dictionaries(st.sampled_from(["null", *PilotStatus]), st.integers(0, 9), max_size=4),
        max_size=5,
    ),
    unmatched=st.sampled_from(["", "no slot offers 9 cores"]),
)
def test_every_job_is_at_work_or_missing_for_one_reason(statuses: dict[str, dict[str, int]], unmatched: str) -> None:
    seen = crew(statuses=statuses, unmatched=unmatched)
    n_jobs = sum(n for pilots in statuses.values() for n in pilots.values())
    missing = find_missing_workers(seen, NOW)
    if statuses:
        assert seen.n_at_work + sum(one.n_workers for one in missing) == n_jobs
    assert len({(one.lack, one.text) for one in missing}) == len(missing)
    assert all(one.command.startswith("ewms ") for one in missing)


@given(
    phase=st.sampled_from([phase for phase in Phase if phase is not Phase.CONDOR_SUBMIT]),
    age=st.timedeltas(timedelta(0), timedelta(days=3)),
    asked=st.none() | st.timedeltas(timedelta(0), timedelta(days=3)),
    stuck=st.sampled_from(["", "why"]),
    port=st.sampled_from([EVENTS, REST]),
)
def test_a_taskforce_without_jobs_misses_all_of_them_for_one_reason(
    phase: Phase, age: timedelta, asked: timedelta | None, stuck: str, port: TmsPort
) -> None:
    seen = crew(phase, since=NOW - age, stuck=stuck, port=port)
    seen = replace(seen, asked_at=None if asked is None else NOW - asked, n_asked=int(asked is not None))
    (missing,) = find_missing_workers(seen, NOW)
    assert missing.n_workers == 4
    assert missing.is_coming <= (phase in WANTED and not (stuck and phase is Phase.PENDING_STARTER))


def test_a_stored_taskforce_is_read_as_it_lies() -> None:
    at = datetime.fromtimestamp(1_795_219_615, tz=NOW.tzinfo)
    document = {
        "taskforce_uuid": TF,
        "task_id": TASK,
        "schedd": "ap1",
        "phase": "condor-submit",
        "timestamp": 1.0,
        "n_workers": None,
        "default_n_workers": 7,
        "phase_change_log": [{"timestamp": 5.0}, {"timestamp": 1_795_219_615.0}],
        "compound_statuses": {"HELD: x": {"null": 7}},
        "status_as_of": NOW,
        "unmatched": "u",
        "exit_codes": {"1": 2},
        "top_task_errors": {"BadWorker('a')": 7},
        "ended_at": None,
    }
    seen = read_crew(document, EVENTS)
    assert (seen.n_wanted, seen.since, seen.as_of, seen.has_ended) == (7, at, NOW, False)
    assert seen.is_all_bad
    assert (seen.unmatched, seen.exit_codes, seen.phase) == ("u", {"1": 2}, Phase.CONDOR_SUBMIT)


def test_a_pause_is_known_by_the_words_in_which_a_tms_tells_it() -> None:
    held = f"HELD: {hold_reason(PAUSE_CODE, 15)}"
    (missing,) = find_missing_workers(jobs(held, "FatalError"), NOW)
    assert missing.lack is Lack.PAUSED
    held = f"HELD: {hold_reason(PAUSE_CODE, mark_pause(15, -9))}"
    (missing,) = find_missing_workers(jobs(held), NOW)
    assert missing.text == "killed by SIGKILL (most often out of memory), and start again by themselves after a pause"


def test_a_phase_of_a_newer_version_is_no_end() -> None:
    (missing,) = find_missing_workers(crew(Phase("from-tomorrow")), NOW)
    assert (missing.lack, missing.n_workers, missing.command) == (Lack.STARTING, 4, SHOW)
    assert missing.text == "are in the phase from-tomorrow, which this version does not know"


DRAINED = "an operator drained osg at 2026-11-21 08:00:00 UTC (new disks)"


@pytest.mark.parametrize(
    ("seen", "is_drained"),
    [
        (crew(Phase.PRE_LAUNCH, drained=DRAINED), True),
        (crew(Phase.PENDING_STARTER, drained=DRAINED), True),
        (crew(Phase.PENDING_STARTER, drained=DRAINED, port=REST, since=later(hours=-5)), True),
        (crew(Phase.PENDING_STARTER, drained=DRAINED, retry_at=later(seconds=30)), True),
        # These wait for something else.
        (crew(Phase.PRE_MQ_ACTIVATION, drained=DRAINED), False),
        (crew(Phase.PENDING_STARTER, drained=DRAINED, asked_at=NOW, n_asked=1), False),
        (crew(Phase.PENDING_STARTER, drained=DRAINED, stuck="no such image"), False),
        (crew(Phase.PENDING_STOPPER, drained=DRAINED), False),
        (jobs("IDLE", drained=DRAINED), False),
    ],
)
def test_workers_that_wait_only_for_the_end_of_a_drain_say_so(seen: Crew, is_drained: bool) -> None:
    (missing,) = find_missing_workers(seen, NOW)
    assert (missing.lack is Lack.DRAINED) is is_drained
    if is_drained:
        assert (missing.cause, missing.text) == ("location-drained", f"not started: {DRAINED}")
        assert (missing.command, missing.is_coming) == (PLACES, False)
