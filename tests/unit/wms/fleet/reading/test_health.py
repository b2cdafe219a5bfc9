"""What is said of an object beside the contract's fields."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.api.workflows.health import ALL_FAILED
from schemas.causes.failed_runs import advise_failed_run
from schemas.fleet.phases import Phase
from wms.fleet.choices.tms_port import EVENTS, REST, TmsPort
from wms.fleet.reading.health import describe_staffing, describe_workflow_health, explain_stuck, is_stale

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age_s", "phase", "expected"),
    [
        (None, Phase.CONDOR_SUBMIT, False),
        (15, Phase.CONDOR_SUBMIT, False),
        (60, Phase.CONDOR_SUBMIT, False),
        (61, Phase.CONDOR_SUBMIT, True),
        (61, Phase.CONDOR_RM, True),
        (86_400, Phase.CONDOR_COMPLETE, False),
    ],
)
def test_statuses_older_than_a_minute_are_stale_while_the_cluster_is_there(
    age_s: int | None, phase: Phase, expected: bool
) -> None:
    as_of = None if age_s is None else NOW - timedelta(seconds=age_s)
    assert is_stale({"phase": phase, "status_as_of": as_of}, NOW) is expected


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize(
    ("age", "fields", "is_told"),
    [
        (timedelta(minutes=11), {}, True),
        (timedelta(minutes=9), {}, False),
        (timedelta(days=1), {"asked_at": NOW}, False),
        (timedelta(days=1), {"retry_at": NOW}, False),
        (timedelta(days=1), {"ended_at": NOW}, False),
    ],
)
def test_a_taskforce_that_no_tms_asks_for_is_told_of(
    phase: Phase, age: timedelta, fields: dict[str, object], is_told: bool
) -> None:
    log = [{"timestamp": (NOW - age).timestamp()}]
    said = explain_stuck({"phase": phase, "schedd": "ap1", "stuck": "", "phase_change_log": log, **fields}, NOW)
    offered = phase in (Phase.PENDING_STARTER, Phase.PENDING_STOPPER)
    assert said.startswith("the TMS of ap1 has not taken up this taskforce since 2026-11-2") == (is_told and offered)
    assert bool(said) == (is_told and offered)


def test_a_reason_that_was_noted_goes_before() -> None:
    assert explain_stuck({"phase": Phase.PENDING_STARTER, "stuck": "no room"}, NOW) == "no room"


@pytest.mark.parametrize(
    ("port", "phase", "cause"),
    [
        (EVENTS, Phase.CONDOR_SUBMIT, "tms-silent"),
        (REST, Phase.CONDOR_SUBMIT, "starting"),
        (EVENTS, Phase.PENDING_STARTER, "starting"),
        (REST, Phase.PENDING_STARTER, "tms-silent"),
    ],
)
def test_when_a_tms_counts_as_silent_depends_on_its_port(port: TmsPort, phase: Phase, cause: str) -> None:
    taskforce = {
        "taskforce_uuid": "TF-00000001-00000002-00000003-00000004",
        "task_id": "TD-00000001-00000002-00000003",
        "schedd": "ap1",
        "phase": phase,
        "n_workers": 3,
        "phase_change_log": [{"timestamp": (NOW - timedelta(hours=1)).timestamp()}],
    }
    (missing,) = describe_staffing(taskforce, port, NOW)["missing"]
    assert (missing["cause"], missing["n_workers"]) == (cause, 3)


@pytest.mark.parametrize("n_dead", [0, 3])
def test_a_failed_run_with_closed_inputs_is_not_advised_to_close_them(n_dead: int) -> None:
    before, after = (
        advise_failed_run("WF-1", n_failed=3, n_dead=n_dead, is_closed=is_closed) for is_closed in (False, True)
    )
    cause = {"cause": ALL_FAILED, "text": before.text, "command": before.command, "task_id": "", "n_events": 0}
    workflow = {"_id": "WF-1", "stalled": {"since": NOW, "causes": [cause]}}
    for closed_at, advice in ((None, before), (NOW, after)):
        health = describe_workflow_health({**workflow, "inputs_closed_at": closed_at})
        assert health["stalled"]["causes"] == [{**cause, "text": advice.text, "command": advice.command}]
