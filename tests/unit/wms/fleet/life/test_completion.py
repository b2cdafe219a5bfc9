"""Workflows that end by themselves: which can, what MQS is told, and how they end."""

from typing import Any

import pytest

from schemas.errors import Conflict, Unprocessable
from schemas.events import QueuesDrained, ResultsArrived, TaskforceStop, WorkflowEnding
from schemas.fleet.endings import Completion
from schemas.fleet.phases import Deactivated, Phase
from tests.unit.wms.fleets import activated, after, aggregate, decide, later, made, running, task_request
from wms.fleet.life.aggregate import Aggregate
from wms.fleet.life.completion import describe_ending, queue_levels
from wms.fleet.life.stimuli import CloseInputs, Deactivate, ExpectResults, Woken

CLOSE = CloseInputs()


def task(inputs: list[str], outputs: list[str]) -> dict[str, Any]:
    return task_request(input_queue_aliases=inputs, output_queue_aliases=outputs, task_args=f"{inputs} {outputs}")


def levels(*tasks: dict[str, Any]) -> list[set[str]]:
    new = made(*tasks)
    names = {queue.mqid: str(queue.alias) for queue in new.workflow.queues}
    return [{names[mqid] for mqid in level} for level in queue_levels(new.tasks, names)]


def drained(state: Aggregate, n_dead: int = 0) -> QueuesDrained:
    return QueuesDrained(workflow_id=state.workflow.workflow_id, n_dead=n_dead)


def arrived(state: Aggregate, n_results: int, n_dead: int = 0) -> ResultsArrived:
    return ResultsArrived(workflow_id=state.workflow.workflow_id, n_results=n_results, n_dead=n_dead)


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([task(["in"], ["out"])], [{"in"}]),
        ([task(["in"], [])], [{"in"}]),
        ([task(["b"], ["out"]), task(["in"], ["b"])], [{"in"}, {"b"}]),
        # A fork that joins again: the longest way counts.
        ([task(["in"], ["a", "b"]), task(["a"], ["b"]), task(["b"], ["out"])], [{"in"}, {"a"}, {"b"}]),
        # One task of two inputs, of which another task feeds one.
        ([task(["x", "b"], ["out"]), task(["in"], ["b"])], [{"x", "in"}, {"b"}]),
        # Two tasks that share a queue.
        ([task(["in"], ["a"]), task(["in"], ["out"]), task(["a"], ["out"])], [{"in"}, {"a"}]),
    ],
)
def test_queues_stand_behind_all_that_can_feed_them(tasks: list[dict[str, Any]], expected: list[set[str]]) -> None:
    assert levels(*tasks) == expected


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ([task(["in"], ["in"])], "the tasks form a cycle: 'in' → 'in';"),
        ([task(["in", "b"], ["a"]), task(["a"], ["b", "out"])], "the tasks form a cycle: '"),
        (
            [task([], ["out"])],
            "takes events from no queue, so WMS cannot know when it has published its last event onto 'out'",
        ),
    ],
)
def test_where_empty_queues_tell_nothing_inputs_cannot_be_closed(tasks: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        decide(aggregate(*tasks), CLOSE, later())
    assert reason in refused.value.reason
    assert "ewms workflow expect" in refused.value.hint


def test_a_cycle_is_named_by_the_queues_that_form_it_alone() -> None:
    tasks = [task(["in", "b"], ["a"]), task(["a"], ["b", "out"]), task(["out"], ["end"])]
    with pytest.raises(Unprocessable, match=r"cycle: ('a' → 'b' → 'a'|'b' → 'a' → 'b');"):
        levels(*tasks)


def test_to_close_the_inputs_tells_mqs_the_levels_and_to_close_them_again_changes_nothing() -> None:
    state = after(aggregate(task(["in"], ["mid"]), task(["mid"], ["out"])), activated(aggregate()))
    outcome = decide(state, CLOSE, later(seconds=1))
    (event,) = outcome.events
    assert isinstance(event, WorkflowEnding)
    assert (event.is_closed, event.number, [len(level) for level in event.levels]) == (True, 1, [1, 1])
    assert outcome.answer.inputs_closed_at == later(seconds=1)
    again = decide(outcome.after, CLOSE, later(seconds=9))
    assert (again.after, again.events) == (outcome.after, ())
    assert again.answer == outcome.answer


def test_mqs_is_told_again_until_the_end() -> None:
    state = decide(running()[0], CLOSE, later()).after
    assert state.workflow.wake_at == later(seconds=30)
    outcome = decide(state, Woken(), later(seconds=30))
    assert [type(event) for event in outcome.events] == [WorkflowEnding]
    assert outcome.after.workflow.ending_number == 1, "it is the same word"
    ended = after(outcome.after, drained(state))
    assert not any(isinstance(event, WorkflowEnding) for event in decide(ended, Woken(), later(days=1)).events)


def test_mqs_is_told_again_once_it_knows_the_queues() -> None:
    state = after(aggregate(), ExpectResults(3))
    outcome = decide(state, activated(state), later(seconds=1))
    assert [type(event) for event in outcome.events] == [WorkflowEnding]


@pytest.mark.parametrize(("n_dead", "completion"), [(0, Completion.DONE), (2, Completion.DONE_WITH_FAILURES)])
def test_a_drained_workflow_ends_on_the_way_of_one_that_a_user_finishes(n_dead: int, completion: Completion) -> None:
    state = after(running()[0], CLOSE)
    outcome = decide(state, drained(state, n_dead), later(seconds=5))
    by_user = decide(state, Deactivate(Deactivated.FINISHED), later(seconds=5))
    workflow = outcome.after.workflow
    assert (workflow.deactivated, workflow.completion, workflow.n_dead) == (Deactivated.FINISHED, completion, n_dead)
    assert [t.phase for t in outcome.after.taskforces.values()] == [t.phase for t in by_user.after.taskforces.values()]
    assert {type(event) for event in outcome.events} == {TaskforceStop}
    line = next(iter(outcome.after.taskforces.values())).phase_change_log[-1]
    assert line.target_phase is Phase.PENDING_STOPPER
    assert line.context.startswith(f"Inputs are closed and every event is settled: workflow is {completion}")
    assert describe_ending(workflow).has_all_results


@pytest.mark.parametrize(
    ("counts_dead", "n_results", "n_dead", "completion", "reason"),
    [
        (False, 30, 0, Completion.DONE, ""),
        # A repeat counts, so there may be more.
        (False, 31, 0, Completion.DONE, ""),
        (False, 27, 0, Completion.DONE_WITH_FAILURES, "27 of 30 expected results"),
        (False, 27, 3, Completion.DONE_WITH_FAILURES, "27 of 30 expected results, 3 dead letter(s)"),
        (True, 27, 3, Completion.DONE_WITH_FAILURES, "3 dead letter(s)"),
        # An MQS of before does not tell.
        (False, None, 0, Completion.DONE, ""),
    ],
)
def test_fewer_results_than_expected_are_no_success(
    counts_dead: bool, n_results: int | None, n_dead: int, completion: Completion, reason: str
) -> None:
    state = after(running()[0], ExpectResults(30, counts_dead=counts_dead), CLOSE)
    event = QueuesDrained(workflow_id=state.workflow.workflow_id, n_dead=n_dead, n_results=n_results)
    ended = describe_ending(after(state, event).workflow)
    assert (ended.completion, ended.reason, ended.n_results) == (completion, reason, n_results)


def test_what_comes_late_changes_nothing() -> None:
    state, _ = running()
    assert decide(state, drained(state), later()).after == state, "nobody has closed the inputs"
    aborted = after(state, CLOSE, Deactivate(Deactivated.ABORTED))
    assert decide(aborted, drained(state), later()).after == aborted
    assert aborted.workflow.completion is None
    with pytest.raises(Conflict, match="is aborted already: its inputs cannot be closed"):
        decide(after(state, Deactivate(Deactivated.ABORTED)), CLOSE, later())


def test_expected_results_close_the_inputs_so_that_what_is_under_way_is_done_first() -> None:
    state = after(running()[0], ExpectResults(3))
    assert decide(state, arrived(state, 2, n_dead=1), later()).after == state
    outcome = decide(state, arrived(state, 3), later(seconds=2))
    assert outcome.after.workflow.inputs_closed_at == later(seconds=2)
    assert outcome.after.workflow.deactivated is None
    assert outcome.answer is None, "it is kept with the event's id, and a model is nothing that the database can hold"
    assert [event.is_closed for event in outcome.events if isinstance(event, WorkflowEnding)] == [True]


def test_failures_count_as_results_where_that_is_asked_for() -> None:
    state = after(running()[0], ExpectResults(3, counts_dead=True))
    assert decide(state, arrived(state, 2, n_dead=1), later()).after.workflow.inputs_closed_at is not None


def test_where_tasks_form_a_cycle_the_last_result_is_the_end() -> None:
    state = aggregate(task(["in", "b"], ["b", "out"]))
    state = after(state, activated(state), ExpectResults(3))
    ended = after(state, arrived(state, 3, n_dead=1))
    assert ended.workflow.completion is Completion.DONE_WITH_FAILURES


def test_pilots_may_have_results_in_hand_until_they_are_gone_unless_all_was_settled() -> None:
    state, _ = running()
    assert not describe_ending(after(state, Deactivate(Deactivated.FINISHED)).workflow).has_all_results
    assert describe_ending(after(state, CLOSE, drained(state)).workflow).has_all_results


def test_no_results_can_be_expected_of_a_workflow_without_a_public_output() -> None:
    with pytest.raises(Unprocessable, match="no public queue that tasks publish onto"):
        decide(aggregate(task(["in"], ["mid"])), ExpectResults(3), later())
