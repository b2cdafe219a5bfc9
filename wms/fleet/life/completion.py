"""End workflows by themselves: when inputs are closed and every event is settled, or when all results are there. (core)

    CloseInputs ────────────────► WorkflowEnding ──► MQS closes the way in, and looks at the queues, level by level
    ExpectResults ──────────────►       │                     │ drained                  │ results arrived
                                        │                     ▼                          ▼
    (repeated until the end) ◄──────────┘             done, or done with failures   inputs closed; or done, see below

A queue's *level* is the length of the longest path to it through tasks. So events only move to queues of later levels.
If tasks form a cycle there are no levels, and an empty queue does not show that no more events will come. The same
holds for a task that makes events without taking any. The inputs of such a workflow cannot be closed, but the workflow
can expect a number of results.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from schemas.errors import Conflict, Unprocessable
from schemas.events import QueuesDrained, ResultsArrived, WorkflowEnding
from schemas.explain.levels import split_levels
from schemas.fleet.documents import TaskDirectiveDocument, WorkflowDocument
from schemas.fleet.endings import Completion, Ending, outcome_words
from schemas.fleet.phases import Deactivated
from schemas.ids import Mqid
from wms.fleet.life.aggregate import Aggregate, Draft, FleetDecision
from wms.fleet.life.conditions import find_ending_due_at
from wms.fleet.life.ending import end_workflow
from wms.fleet.life.stimuli import ExpectResults

COMPLETER = "Workflow Completion"

_OTHER_ENDS = "end it with `ewms workflow finish`, or say how many results you expect: `ewms workflow expect`"


def queue_levels(tasks: Iterable[TaskDirectiveDocument], names: Mapping[Mqid, str]) -> list[list[Mqid]]:
    """Return the queues from which `tasks` take events, level by level. `names` has the queues' aliases.

    Raises:
        Unprocessable: the tasks form a cycle, or one of them takes events from no queue.
    """
    tasks = list(tasks)
    for task in tasks:
        if not task.input_queues:
            onto = ", ".join(f"'{names.get(mqid, mqid)}'" for mqid in task.output_queues)
            raise Unprocessable(
                f"task {task.task_id} takes events from no queue, so WMS cannot know when it has published its "
                f"last event onto {onto}",
                hint=_OTHER_ENDS,
            )
    levels, left = split_levels(tasks)
    if left:
        circle = " → ".join(f"'{names.get(Mqid(mqid), mqid)}'" for mqid in _find_cycle(tasks, left))
        raise Unprocessable(
            f"the tasks form a cycle: {circle}; an event could go round it for ever, so empty queues do not show "
            "that all is done",
            hint=_OTHER_ENDS,
        )
    return [[Mqid(mqid) for mqid in level] for level in levels]


def _find_cycle(tasks: Collection[TaskDirectiveDocument], within: Collection[str]) -> list[str]:
    """Return a cycle of queues. The first queue is also the last."""
    # Each queue of `within` gets events from another one of `within`, so a walk backwards meets one of them twice.
    road = [next(iter(within))]
    while True:
        before = next(
            mqid for task in tasks if road[-1] in task.output_queues for mqid in task.input_queues if mqid in within
        )
        if before in road:
            return [before, *reversed(road[road.index(before) :])]
        road.append(before)


def close_inputs(draft: Draft) -> FleetDecision:
    """Return the workflow with closed inputs. A repetition changes nothing.

    Raises:
        Conflict: the workflow has ended.
        Unprocessable: empty queues could not show that the workflow is done.
    """
    workflow = draft.workflow
    if workflow.inputs_closed_at is not None:
        return draft.leave_unchanged(answer=describe_ending(workflow))
    _check_not_ended(workflow, "its inputs cannot be closed")
    _find_levels(draft.before)
    draft.change_workflow(inputs_closed_at=draft.now)
    _tell_mqs(draft, is_news=True)
    return draft.settle_decision(answer=describe_ending(draft.workflow))


def expect_results(draft: Draft, stimulus: ExpectResults) -> FleetDecision:
    """Return the workflow with the number of results after which it ends.

    Raises:
        Conflict: the workflow has ended.
        Unprocessable: the workflow has no public queue for results.
    """
    workflow = draft.workflow
    wish = {"expected_results": stimulus.n, "counts_dead": stimulus.counts_dead}
    if wish == {name: getattr(workflow, name) for name in wish}:
        return draft.leave_unchanged(answer=describe_ending(workflow))
    _check_not_ended(workflow, "it cannot expect results any more")
    if not any(queue.is_public and queue.is_output for queue in workflow.queues):
        raise Unprocessable(
            "the workflow has no public queue that tasks publish onto, so no result could ever arrive",
            hint="name the queue of its results in 'public_queue_aliases'",
        )
    draft.change_workflow(**wish)
    _tell_mqs(draft, is_news=True)
    return draft.settle_decision(answer=describe_ending(draft.workflow))


def complete_drained(draft: Draft, event: QueuesDrained) -> FleetDecision:
    """Return the workflow as ended, because its inputs are closed and every event is done or has failed for good."""
    workflow = draft.workflow
    if workflow.deactivated is not None or workflow.inputs_closed_at is None:
        return draft.leave_unchanged()
    return _complete_workflow(
        draft, event.n_dead, why="Inputs are closed and every event is settled", n_results=event.n_results
    )


def complete_with_results(draft: Draft, event: ResultsArrived) -> FleetDecision:
    """Return the workflow after its last expected result has arrived.

    If empty queues can show that the workflow is done, only close its inputs: a result may have come twice, so the
    tasks finish the events under way first. Otherwise end the workflow now.
    """
    workflow = draft.workflow
    n = event.n_results + (event.n_dead if workflow.counts_dead else 0)
    if workflow.deactivated is not None or workflow.expected_results is None or n < workflow.expected_results:
        return draft.leave_unchanged()
    try:
        # Drop the answer: it is for users, and MQS needs none.
        return replace(close_inputs(draft), answer=None)
    except Unprocessable:
        why = f"{event.n_results} results have arrived"
        return _complete_workflow(draft, event.n_dead, why=why, n_results=event.n_results)


def repeat_wish_if_due(draft: Draft) -> None:
    """If it is due, send MQS again when the workflow shall end."""
    due = find_ending_due_at(draft.workflow)
    if due is not None and due <= draft.now:
        _tell_mqs(draft, is_news=False)


def repeat_wish(draft: Draft) -> None:
    """Send MQS again when the workflow shall end, if that was sent before: MQS did not know the queues then."""
    if draft.workflow.ending_told_at is not None:
        _tell_mqs(draft, is_news=False)


def describe_ending(workflow: WorkflowDocument) -> Ending:
    """Return the end of `workflow` in the form that users see."""
    return Ending(
        workflow_id=workflow.workflow_id,
        inputs_closed_at=workflow.inputs_closed_at,
        expected_results=workflow.expected_results,
        count_failures=workflow.counts_dead,
        completion=workflow.completion,
        n_dead=workflow.n_dead,
        n_results=workflow.n_results,
        reason=workflow.completion_reason,
        # If every event is settled, no pilot holds an event. Otherwise the pilots must be gone.
        has_all_results=workflow.over_at is not None
        or (workflow.completion is not None and workflow.inputs_closed_at is not None),
    )


def failure_reason(workflow: WorkflowDocument, n_dead: int, n_results: int | None) -> str:
    """Return why a workflow is done with failures. Return "" if it has no failures.

    `n_results` is how many results have arrived; None if MQS has not counted them.
    """
    reasons = [f"{n_dead} dead letter(s)"] if n_dead else []
    if workflow.expected_results is not None and n_results is not None:
        n = n_results + (n_dead if workflow.counts_dead else 0)
        if n < workflow.expected_results:
            reasons.insert(0, f"{n_results} of {workflow.expected_results} expected results")
    return ", ".join(reasons)


def _complete_workflow(draft: Draft, n_dead: int, *, why: str, n_results: int | None) -> FleetDecision:
    reason = failure_reason(draft.workflow, n_dead, n_results)
    completion = Completion.DONE_WITH_FAILURES if reason else Completion.DONE
    draft.change_workflow(completion=completion, n_dead=n_dead, n_results=n_results, completion_reason=reason)
    told = f"{why}: workflow is {completion}" + (f" ({reason})" if reason else "")
    end_workflow(draft, Deactivated.FINISHED, by=COMPLETER, context=told)
    return draft.settle_decision()


def _tell_mqs(draft: Draft, *, is_news: bool) -> None:
    workflow = draft.workflow
    draft.change_workflow(
        ending_number=workflow.ending_number + is_news,
        ending_told_at=draft.now,
        n_ending_told=1 if is_news else workflow.n_ending_told + 1,
    )
    is_closed = workflow.inputs_closed_at is not None
    draft.add_event(
        WorkflowEnding(
            workflow_id=workflow.workflow_id,
            number=draft.workflow.ending_number,
            is_closed=is_closed,
            levels=_find_levels(draft.before) if is_closed else [],
            n_expected=workflow.expected_results,
            counts_dead=workflow.counts_dead,
        )
    )


def _find_levels(aggregate: Aggregate) -> list[list[Mqid]]:
    return queue_levels(aggregate.tasks.values(), {queue.mqid: queue.alias for queue in aggregate.workflow.queues})


def _check_not_ended(workflow: WorkflowDocument, so: str) -> None:
    if workflow.deactivated is not None:
        words = outcome_words(workflow.deactivated, workflow.completion)
        raise Conflict(f"workflow {workflow.workflow_id} is {words} already: {so}")
