"""What the gauges show for the rows that the database yields."""

from datetime import UTC, datetime

import pytest

from schemas.engine.runs import RUN_OVER, RunStatus
from schemas.fleet.phases import Phase
from wms.census import figures

PLACES = {"submit.example.org": "osg"}
AT = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)


def facts(*, is_ending: bool = False, has_queues: bool = False, is_stalled: bool = False) -> dict[str, bool]:
    return {"is_ending": is_ending, "has_queues": has_queues, "is_stalled": is_stalled}


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (facts(), "waiting"),
        (facts(has_queues=True), "running"),
        (facts(is_stalled=True), "stalled"),
        (facts(has_queues=True, is_stalled=True), "stalled"),
        (facts(has_queues=True, is_stalled=True, is_ending=True), "ending"),
    ],
)
def test_a_workflow_has_one_state(given: dict[str, bool], state: str) -> None:
    expected = {(each,): 0 for each in figures.WORKFLOW_STATES} | {(state,): 3}
    assert figures.count_workflows([{"_id": given, "n": 3}]) == expected


def test_states_of_several_rows_add_up() -> None:
    rows = [{"_id": facts(is_stalled=True), "n": 1}, {"_id": facts(has_queues=True, is_stalled=True), "n": 2}]
    assert figures.count_workflows(rows)[("stalled",)] == 3


def taskforce_row(schedd: str, phase: Phase, n: int = 1, heard_at: datetime | None = None) -> dict[str, object]:
    return {"_id": {"schedd": schedd, "phase": phase.value}, "n": n, "heard_at": heard_at}


def test_a_schedd_has_the_name_of_its_location_and_an_unknown_one_is_other() -> None:
    rows = [
        taskforce_row("submit.example.org", Phase.CONDOR_SUBMIT, 2),
        taskforce_row("gone", Phase.CONDOR_RM),
        taskforce_row("gone too", Phase.CONDOR_RM),
    ]
    assert figures.count_taskforces(rows, PLACES) == {("osg", "condor-submit"): 2, ("other", "condor-rm"): 2}


def test_only_a_taskforce_with_a_cluster_is_heard() -> None:
    rows = [
        taskforce_row("submit.example.org", Phase.CONDOR_SUBMIT, heard_at=AT),
        taskforce_row("submit.example.org", Phase.CONDOR_RM, heard_at=AT.replace(minute=5)),
        taskforce_row("submit.example.org", Phase.PENDING_STARTER, heard_at=AT.replace(minute=9)),
        taskforce_row("silent", Phase.CONDOR_SUBMIT),
    ]
    heard = figures.find_last_heard(rows, PLACES, repeats_statuses=lambda _: True)
    assert heard == {("osg",): AT.replace(minute=5).timestamp()}


def test_a_schedd_whose_tms_polls_is_not_heard() -> None:
    rows = [
        taskforce_row("submit.example.org", Phase.CONDOR_SUBMIT, heard_at=AT),
        taskforce_row("polls.example.org", Phase.CONDOR_SUBMIT, heard_at=AT),
    ]
    heard = figures.find_last_heard(rows, PLACES, repeats_statuses=lambda schedd: schedd != "polls.example.org")
    assert heard == {("osg",): AT.timestamp()}


def test_workers_are_counted_without_the_reason_of_a_hold() -> None:
    def row(status: str, n: int) -> dict[str, object]:
        return {"_id": {"schedd": "submit.example.org", "status": status}, "n": n}

    rows = [row("HELD: Out of memory", 2), row("HELD: Put on hold by a user", 1), row("RUNNING", 40), row("a text", 5)]
    assert figures.count_workers(rows, PLACES) == {("osg", "HELD"): 3, ("osg", "RUNNING"): 40, ("osg", "other"): 5}


def test_runs_that_are_over_are_not_counted() -> None:
    (match, _) = figures.group_runs()
    asked = set(match["$match"]["status"]["$in"])
    assert asked == set(map(str, RunStatus)) - set(map(str, RUN_OVER))


def test_runs_and_step_workers_have_few_labels() -> None:
    rows = [
        {"_id": {"kind": "steps", "status": "running"}, "n": 2},
        {"_id": {"kind": "new", "status": "halted"}, "n": 1},
    ]
    assert figures.count_runs(rows) == {("steps", "running"): 2, ("other", "halted"): 1}
    assert figures.count_step_workers([{"_id": "default", "n": 4}]) == {("default",): 4}
