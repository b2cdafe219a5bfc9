"""What outcomes say of hosts, which hosts owe a result, and what is said of hosts that never answer."""

from datetime import UTC, datetime
from itertools import permutations, product
from typing import Any

import pytest

from schemas.automation.jobs import MAX_ARTIFACT_BYTES, HostState
from schemas.fleet.documents import TaskforceDocument
from schemas.fleet.phases import Phase
from schemas.ids import EventId
from schemas.pilot.outcomes import EventOutcome, RunEnding
from tests.unit.wms.fleets import made
from tests.unit.wms.jobs.making import JOB, make_host_facts, make_work
from wms.jobs.plans.host_choice import HostFacts, name_host
from wms.jobs.plans.outcome_results import read_outcome
from wms.jobs.plans.work_progress import (
    MissingResult,
    UnansweredHosts,
    explain_lost_workers,
    find_doubtful,
    find_last_states,
    find_missing,
)

OK, FAILED, ERROR = HostState.OK, HostState.FAILED, HostState.ERROR


@pytest.mark.parametrize(
    ("ending", "exit_status", "state"),
    [
        (RunEnding.EXITED, 0, OK),
        (RunEnding.EXITED, 3, FAILED),
        (RunEnding.TIMED_OUT, None, FAILED),
        (RunEnding.OUTPUT_UNUSABLE, 0, FAILED),
        (RunEnding.CUT_OFF, None, ERROR),
        (RunEnding.NOT_STARTED, None, ERROR),
        (RunEnding.INPUT_UNUSABLE, None, ERROR),
        (RunEnding.IN_DOUBT, None, ERROR),
    ],
)
def test_c2_every_ending_has_a_state(ending: RunEnding, exit_status: int | None, state: HostState) -> None:
    result = read_outcome(EventOutcome(event_id=EventId("e"), attempt=2, ending=ending, exit_status=exit_status))
    assert (result.state, result.exit_status, result.attempt) == (state, exit_status, 2)
    assert result.is_doubtful is (ending is RunEnding.IN_DOUBT)


def test_every_ending_is_in_the_table() -> None:
    for ending in RunEnding:
        read_outcome(EventOutcome(event_id=EventId("e"), attempt=1, ending=ending))


def test_c8_the_output_of_an_audit_is_kept_up_to_a_size() -> None:
    fields = {"event_id": EventId("e"), "attempt": 1, "ending": RunEnding.EXITED, "exit_status": 0}
    kept = read_outcome(EventOutcome(**fields, output={"kernel": "6.1"}, output_type="application/json"))
    assert kept.artifacts == '{"kernel":"6.1"}'
    large = read_outcome(EventOutcome(**fields, output="x" * MAX_ARTIFACT_BYTES, output_type="text/plain"))
    assert (large.state, large.artifacts) == (OK, "")
    assert "not kept" in large.reason


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-29T12:00:00"])
def test_a_time_that_cannot_be_read_is_no_time(text: str) -> None:
    outcome = EventOutcome(event_id=EventId("e"), attempt=1, ending=RunEnding.EXITED, exit_status=0, started_at=text)
    assert read_outcome(outcome).began_at is None


def test_a_host_owes_the_result_of_the_first_task_without_one_unless_a_task_ended_badly() -> None:
    hosts = [
        make_host_facts("none", 0),
        make_host_facts("half", 0, OK),
        make_host_facts("bad", 0, FAILED),
        make_host_facts("done", 0, OK, OK),
    ]
    assert find_missing(hosts, 0, 1) == [MissingResult("none", 0), MissingResult("half", 1)]
    assert find_last_states(hosts, 0, 1) == [HostState.PENDING, HostState.PENDING, FAILED, OK]
    assert find_missing(hosts, 1, 1) == [MissingResult("none", 1), MissingResult("half", 1), MissingResult("bad", 1)]


def test_lost_workers_explain_silence_only_if_none_is_left() -> None:
    (new,) = made().taskforces

    def change(**fields: Any) -> TaskforceDocument:
        return new.model_copy(update=fields)

    gone = change(phase=Phase.CONDOR_COMPLETE, top_task_errors={"no such image": 3, "other": 1})
    assert explain_lost_workers([gone]) == "all workers have ended: no such image"
    assert explain_lost_workers([gone, change(phase=Phase.CONDOR_SUBMIT)]) == ""
    refused = {"phase": Phase.PENDING_STARTER, "stuck": "no schedd", "n_submit_failures": 3}
    assert "no schedd" in explain_lost_workers([change(**refused)])
    asked_at = datetime(2026, 1, 2, tzinfo=UTC)
    for silent in (
        change(phase=Phase.PENDING_STARTER, stuck="the TMS does not answer", asked_at=asked_at),
        change(**{**refused, "n_submit_failures": 0}),
        change(**refused, asked_at=asked_at),
        change(**refused, retry_at=asked_at),
        change(phase=Phase.PENDING_STOPPER, stuck="could not be removed"),
    ):
        assert explain_lost_workers([gone, silent]) == ""


def test_only_hosts_whose_events_are_published_are_in_doubt() -> None:
    work = make_work(places=(4, 2, 7), n_fed=2)
    missing = [MissingResult(name_host(JOB, place), 0) for place in (2, 4, 7)]
    assert find_doubtful(missing, JOB, work) == missing[:2]
    assert find_doubtful(missing, JOB, make_work(places=(4, 2, 7))) == []


@pytest.mark.parametrize("states", list(product((OK, FAILED, ERROR), repeat=4)))
def test_no_host_is_unanswered_as_soon_as_nothing_is_missing(states: tuple[HostState, ...]) -> None:
    results = list(zip(product(("a", "b"), (0, 1)), states, strict=True))
    for order in permutations(results):
        unanswered = UnansweredHosts(["a", "b"], last=1)
        told: dict[str, dict[int, HostState]] = {"a": {}, "b": {}}
        for (host, task), state in order:
            unanswered.note_result(host, task, state)
            told[host][task] = state
            hosts = [HostFacts(name, 0, found) for name, found in told.items()]
            assert unanswered.are_none or find_missing(hosts, 0, 1)
        assert unanswered.are_none


def test_a_host_that_goes_on_is_unanswered() -> None:
    unanswered = UnansweredHosts(["a"], last=2)
    unanswered.note_result("a", 1, OK)
    unanswered.note_result("other", 2, OK)
    assert not unanswered.are_none
