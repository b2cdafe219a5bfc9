import pytest

from ewms.errors import DoneWithFailures, OutcomeFailed
from ewms.workflows.state import WorkflowOutcome, post_to_submitted_s
from schemas.explain.worker_counts import sum_statuses
from schemas.explain.workflow_facts import is_taskforce_over
from schemas.fleet.endings import Completion, Ending
from schemas.fleet.phases import Deactivated, Phase
from tests.unit.ewms.facts import change, state, taskforce


def test_a_workflow_is_over_when_it_was_ended_and_every_taskforce_has_left() -> None:
    gone, never_came = taskforce(Phase.CONDOR_COMPLETE), taskforce(Phase.PENDING_STOPPER, cluster=None)
    assert state(gone, never_came, ended=Deactivated.FINISHED).over
    assert not state(gone).over
    assert not state(gone, taskforce(Phase.PENDING_STOPPER, cluster=7), ended=Deactivated.ABORTED).over
    assert is_taskforce_over(never_came)


def test_a_phase_is_reached_when_every_taskforce_is_there_or_past_it() -> None:
    ahead, behind = taskforce(Phase.CONDOR_SUBMIT), taskforce(Phase.PRE_LAUNCH)
    assert state(ahead, behind).has_reached(Phase.PRE_LAUNCH)
    assert not state(ahead, behind).has_reached(Phase.CONDOR_SUBMIT)
    assert state(ahead).has_reached(Phase.CONDOR_SUBMIT)


def test_a_taskforce_that_ran_and_ended_has_been_submitted() -> None:
    ended = taskforce(Phase.CONDOR_COMPLETE, log=[change(Phase.CONDOR_SUBMIT)])
    assert state(ended).has_reached(Phase.CONDOR_SUBMIT)


def test_waiting_for_a_phase_that_cannot_come_is_an_error_not_for_ever() -> None:
    with pytest.raises(OutcomeFailed, match="ended before condor-submit"):
        state(taskforce(Phase.PENDING_STOPPER, cluster=None)).has_reached(Phase.CONDOR_SUBMIT)


def test_the_last_taskforce_tells_when_all_jobs_were_submitted_and_failed_tries_do_not_count() -> None:
    early = taskforce(log=[change(Phase.CONDOR_SUBMIT, 0.2)])
    late = taskforce(log=[change(Phase.CONDOR_SUBMIT, 0.1, ok=False), change(Phase.CONDOR_SUBMIT, 0.4)])
    assert post_to_submitted_s(state(early, late)) == pytest.approx(0.4)
    assert post_to_submitted_s(state(early, taskforce())) is None


def test_statuses_add_up() -> None:
    one, two = {"RUNNING": {"Tasking": 1}}, {"RUNNING": {"Tasking": 2, "null": 1}, "IDLE": {"null": 3}}
    assert sum_statuses([one, two]) == {"RUNNING": {"Tasking": 3, "null": 1}, "IDLE": {"null": 3}}


def test_an_outcome_with_dead_letters_or_errors_is_a_failure_and_a_clean_one_is_not() -> None:
    clean = WorkflowOutcome(state(taskforce(), ended=Deactivated.FINISHED), n_dead=0)
    assert clean.raise_for_failures() is clean
    bad = WorkflowOutcome(state(taskforce(errors={"boom": 2}), ended=Deactivated.ABORTED), n_dead=3)
    with pytest.raises(OutcomeFailed) as caught:
        bad.raise_for_failures()
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("n_dead_now", [0, None])
def test_dead_letters_that_are_discarded_later_do_not_change_how_a_workflow_ended(n_dead_now: int | None) -> None:
    ending = Ending(
        workflow_id="WF-6b00e09f-926a610b",
        inputs_closed_at=None,
        expected_results=None,
        count_failures=False,
        completion=Completion.DONE_WITH_FAILURES,
        n_dead=3,
        has_all_results=True,
    )
    outcome = WorkflowOutcome(state(taskforce(), ended=Deactivated.FINISHED), n_dead=n_dead_now, ending=ending)
    with pytest.raises(DoneWithFailures, match=r"3 event\(s\) were dead letters when it ended"):
        outcome.raise_for_failures()


@pytest.mark.parametrize(("counts_failures", "n_dead"), [(False, 0), (False, 3), (True, 2)])
def test_fewer_results_than_expected_are_a_failure(counts_failures: bool, n_dead: int) -> None:
    ending = Ending(
        workflow_id="WF-6b00e09f-926a610b",
        inputs_closed_at=None,
        expected_results=30,
        count_failures=counts_failures,
        completion=Completion.DONE_WITH_FAILURES,
        n_dead=n_dead,
        n_results=27,
        reason="27 of 30 expected results",
        has_all_results=True,
    )
    outcome = WorkflowOutcome(state(taskforce(), ended=Deactivated.FINISHED), n_dead=n_dead, ending=ending)
    assert (outcome.word, outcome.reason) == ("done with failures", "27 of 30 expected results")
    with pytest.raises(DoneWithFailures, match="27 of 30 expected results came"):
        outcome.raise_for_failures()


def test_it_is_written_in_the_words_of_the_rest_api() -> None:
    written = state(taskforce()).as_json()
    assert set(written) == {"workflow", "task_directives", "taskforces"}
    assert written["taskforces"][0]["phase"] == "condor-submit"
