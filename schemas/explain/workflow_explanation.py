"""Explain why a workflow stands as it does: all causes that the facts show, the most serious first."""

from collections.abc import Iterator
from datetime import UTC
from typing import Any

from schemas.api.workflows.explanation import ExplainedCause, Explanation
from schemas.causes.failures import find_exit_cause
from schemas.causes.queues import find_deferral_cause
from schemas.causes.table import CAUSES
from schemas.explain.named_cause import name_cause
from schemas.explain.progress import EventsDone, count_done
from schemas.explain.workflow_facts import WorkflowFacts, is_all_failed, is_taskforce_over, name_standing
from schemas.explain.workflow_problems import find_next_step, find_problems
from schemas.fleet.endings import Completion
from schemas.fleet.objects import TaskDirective, Taskforce
from schemas.fleet.phases import WANTED, Deactivated, Phase

#: More events than this for each worker that takes some count as a long wait.
_MANY_PER_WORKER = 100
#: The cause of workers that are missing because an operator said that their access point was lost.
LOCATION_LOST = "location-lost"

#: Names of missing workers in the health of an older WMS -> their causes in the table.
_OLDER = {
    "tms-silent": "tms-unanswered",
    "starting": "turn-awaited",
    "held": "held-other",
    "all-bad": "all-bad-elsewhere",
}


def explain_workflow(facts: WorkflowFacts) -> Explanation:
    """Return all causes that the facts show, the most serious first. A workflow that moves has the cause `moving`."""
    done = count_done(facts.tasks, facts.depths, facts.ending, is_ended=facts.workflow.deactivated is not None)
    found = [*find_problems(facts, done), *_explain_end(facts)]
    if facts.workflow.deactivated is None:
        found += [*_explain_missing_queues(facts), *_explain_workers(facts), *_explain_queues(facts, done)]
        found += [step] if (step := find_next_step(facts, done)) is not None else []
    elif not facts.is_over:
        found += _explain_stop(facts)
    found += _explain_exits(facts)
    ranked = sorted(_drop_repeated(found), key=lambda each: each.severity.rank)
    return Explanation(
        workflow_id=facts.workflow.workflow_id,
        standing=name_standing(facts),
        causes=ranked or [name_cause("moving", workflow=facts.workflow.workflow_id)],
    )


def _explain_missing_queues(facts: WorkflowFacts) -> Iterator[ExplainedCause]:
    if facts.deferred:
        yield name_cause(find_deferral_cause(facts.deferred), why=facts.deferred)
    if facts.unseen:
        yield name_cause("broker-away", why=facts.unseen)


def _explain_workers(facts: WorkflowFacts) -> Iterator[ExplainedCause]:
    """Yield why workers take no events, taskforce by taskforce."""
    for one in facts.taskforces:
        health = facts.healths.get(one.taskforce_uuid)
        if health is None:
            continue
        for missing in health.missing:
            cause = missing.reason or _OLDER.get(missing.cause, missing.cause)
            if one.phase not in WANTED and cause != LOCATION_LOST:
                # Somebody wanted these workers to end.
                continue
            entry = CAUSES.get(cause) or CAUSES["not-reported"]
            yield ExplainedCause(
                cause=cause,
                severity=entry.severity,
                text=f"{missing.n_workers} worker(s) {missing.text}",
                remedy=entry.remedy,
                command=missing.command,
                task_id=one.task_id,
                taskforce_uuid=one.taskforce_uuid,
                n=missing.n_workers,
            )
        if health.stale and health.status_as_of is not None:
            at = f"{health.status_as_of.astimezone(UTC):%F %T} UTC"
            yield name_cause("statuses-stale", at=at, taskforce=one.taskforce_uuid, task=one.task_id)


def _explain_exits(facts: WorkflowFacts) -> Iterator[ExplainedCause]:
    """Yield how pilots ended that did not end as planned."""
    codes: dict[str, int] = {}
    for health in facts.healths.values():
        for code, n in health.exit_codes.items():
            codes[code] = codes.get(code, 0) + n
    for code, n in codes.items():
        cause, why = find_exit_cause(code)
        if cause:
            yield name_cause(cause, n, why=why, workflow=facts.workflow.workflow_id)


def _explain_queues(facts: WorkflowFacts, done: EventsDone | None) -> Iterator[ExplainedCause]:
    """Yield what the queues show: no event yet, a long wait, results to fetch, too few results."""
    if facts.depths is None or is_all_failed(facts):
        return
    workflow = facts.workflow.workflow_id
    made = {mqid for task in facts.tasks for mqid in task.output_queues}
    n_waiting = 0
    for queue in facts.depths.queues:
        takers = [task for task in facts.tasks if queue.mqid in task.input_queues]
        n_workers = sum(_count_taking(facts, task) for task in takers)
        n_waiting += (queue.n_ready + queue.n_unacknowledged + queue.n_delayed) if takers else 0
        of: dict[str, Any] = {"alias": queue.alias, "n_workers": n_workers, "workflow": workflow}
        if takers and queue.is_public and queue.mqid not in made and queue.n_arrived == 0 and n_workers:
            yield name_cause("nothing-published", task=takers[0].task_id, **of)
        if takers and queue.n_gone == 0 and queue.n_unacknowledged:
            yield name_cause("first-awaited", queue.n_unacknowledged, task=takers[0].task_id, **of)
        if n_workers and queue.n_ready > _MANY_PER_WORKER * n_workers:
            yield name_cause("few-workers", queue.n_ready, task=takers[0].task_id, **of)
        if not takers and queue.is_public and queue.n_ready:
            yield name_cause("results-waiting", queue.n_ready, **of)
    ending = facts.ending
    expects = ending is not None and ending.expected_results is not None
    if expects and done is not None and not n_waiting and 0 < done.n_done < done.n_all:
        yield name_cause("results-short", done.n_done, n_expected=done.n_all, workflow=workflow)


def _count_taking(facts: WorkflowFacts, task: TaskDirective) -> int:
    """Return how many workers of a task take events."""
    healths = (facts.healths.get(one.taskforce_uuid) for one in facts.taskforces if one.task_id == task.task_id)
    return sum(health.n_at_work for health in healths if health is not None)


def _explain_stop(facts: WorkflowFacts) -> Iterator[ExplainedCause]:
    """Yield what keeps the workers of an ended workflow from leaving."""
    leaving = [one for one in facts.taskforces if not is_taskforce_over(one)]
    yield name_cause("stopping", len(leaving), workflow=facts.workflow.workflow_id)
    yield from (cause for one in leaving if (cause := _explain_slow_stop(facts, one)) is not None)


def _explain_slow_stop(facts: WorkflowFacts, one: Taskforce) -> ExplainedCause | None:
    health = facts.healths.get(one.taskforce_uuid)
    if health is None:
        return None
    if one.phase in (Phase.PENDING_STOPPER, Phase.CONDOR_RM) and health.n_remove_failures:
        return name_cause("stop-failed", health.n_remove_failures, taskforce=one.taskforce_uuid, task=one.task_id)
    if one.phase is Phase.PENDING_STOPPER and health.stuck and health.ended_at is None:
        return name_cause("stop-stuck", why=health.stuck, taskforce=one.taskforce_uuid, task=one.task_id)
    return None


def _explain_end(facts: WorkflowFacts) -> Iterator[ExplainedCause]:
    """Yield how the workflow ended."""
    workflow, ending = facts.workflow, facts.ending
    if workflow.deactivated is None:
        return
    if ending is not None and ending.completion is Completion.DONE_WITH_FAILURES:
        why = f": {ending.reason}" if ending.reason else ""
        yield name_cause("ended-with-failures", ending.n_dead or 0, why=why, workflow=workflow.workflow_id)
    elif ending is not None and ending.completion is Completion.DONE:
        yield name_cause("ended-done", workflow=workflow.workflow_id)
    else:
        cause = "ended-aborted" if workflow.deactivated is Deactivated.ABORTED else "ended-finished"
        yield name_cause(cause, workflow=workflow.workflow_id)


def _drop_repeated(found: list[ExplainedCause]) -> Iterator[ExplainedCause]:
    """Yield each cause once: a stall and a taskforce may tell of the same thing, with the same text.

    Causes of two tasks, or of two taskforces, are different ones. One of a whole workflow or task covers its parts.
    """
    told = set[tuple[str, str, str, str]]()
    wider = set[tuple[str, str, str, str]]()
    for each in found:
        text = each.text.removeprefix(f"{each.n} worker(s) ")
        of_task, of_all = (each.cause, text, each.task_id, ""), (each.cause, text, "", "")
        own = (each.cause, text, each.task_id, each.taskforce_uuid)
        # The workflow and its taskforces may name the same hold; the stall and the queues may name the same queue.
        if own in wider or not told.isdisjoint((own, of_task, of_all)):
            continue
        told.add(own)
        wider |= {of_task, of_all}
        yield each
