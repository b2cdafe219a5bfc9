"""Find the problems of a workflow that a person must look at, and what lets it end."""

from collections.abc import Iterator

from schemas.api.workflows.explanation import ExplainedCause
from schemas.api.workflows.health import FAILING, StallCause
from schemas.causes.failed_runs import advise_failed_run
from schemas.causes.failures import find_error_cause
from schemas.causes.holds import find_hold_cause
from schemas.causes.queues import find_deferral_cause
from schemas.causes.table import ABOUT_WORKERS, CAUSES
from schemas.causes.workers import find_kill_cause
from schemas.explain.named_cause import name_cause
from schemas.explain.progress import EventsDone, task_levels
from schemas.explain.workflow_facts import WorkflowFacts, find_stall_causes, is_all_failed, is_all_settled
from schemas.fleet.endings import Completion
from schemas.fleet.phases import Phase
from schemas.fleet.statuses import HOLD_OF_KILL, HOLD_OF_PAUSE, JobStatus, PilotStatus

_MOST_ERRORS = 3

#: The causes of stalls whose names in the table differ. A stall's own name is a part of the REST API.
_STALL_CAUSES = {"paused": "waits-for-restart", FAILING: "failing"}


def find_problems(facts: WorkflowFacts, done: EventsDone | None = None) -> list[ExplainedCause]:
    """Return the problems of the workflow, the worst first. `done` is how many events are settled."""
    has_failed = is_all_failed(facts)
    found = [_explain_failed_run(facts)] if has_failed else []
    found += [explain_stall(facts, cause) for cause in find_stall_causes(facts)]
    found += [*_explain_holds(facts), *_explain_attempts(facts)]
    workflow = facts.workflow.workflow_id
    if n_delayed := _count_delayed(facts, done):
        found.append(name_cause("events-delayed", n_delayed, workflow=workflow))
    if facts.depths is not None and facts.depths.n_dead and not has_failed:
        found.append(name_cause("dead-letters", facts.depths.n_dead, workflow=workflow))
    if facts.ending is not None and facts.ending.completion is Completion.DONE:
        # Whatever failed on the way was repeated, and succeeded.
        return found
    n_fatal = sum(pilots.get(PilotStatus.FATAL_ERROR, 0) for pilots in facts.workers.values())
    if n_fatal:
        found.append(name_cause("pilots-failed", n_fatal, workflow=workflow))
    found += [
        name_cause(find_error_cause(error), n, why=error, workflow=workflow)
        for error, n in list(facts.task_errors.items())[:_MOST_ERRORS]
    ]
    return found


def find_next_step(facts: WorkflowFacts, done: EventsDone | None) -> ExplainedCause | None:
    """Return what to do if every event so far is done or has failed, and the run goes on only because its inputs are
    open. Return None for any other run. `done` is how many events are settled.
    """
    ending, workflow = facts.ending, facts.workflow
    if ending is None or done is None or workflow.deactivated is not None:
        return None
    waits_for_more = ending.inputs_closed_at is None and ending.expected_results is None
    if not waits_for_more or not is_all_settled(facts, done):
        return None
    settled = "is done or a dead letter" if done.n_failed else "is done"
    return name_cause("inputs-open", settled=settled, workflow=workflow.workflow_id)


def explain_stall(facts: WorkflowFacts, stall: StallCause) -> ExplainedCause:
    """Return a cause of a stall as WMS has stored it, with its entry of the table."""
    cause = _STALL_CAUSES.get(stall.cause, stall.cause)
    if cause == "queues-awaited":
        cause = find_deferral_cause(facts.deferred or stall.text)
    elif cause not in CAUSES or cause in ABOUT_WORKERS:
        # Such a stall is named for the reason why workers are missing.
        cause = "no-workers" if stall.n_events else "source-stuck"
    return ExplainedCause(
        cause=cause,
        severity=CAUSES[cause].severity,
        text=stall.sentence,
        remedy=CAUSES[cause].remedy,
        command=stall.command,
        task_id=stall.task_id,
        n=stall.n_events,
    )


def _explain_failed_run(facts: WorkflowFacts) -> ExplainedCause:
    assert facts.depths is not None
    is_closed = facts.ending is not None and facts.ending.inputs_closed_at is not None
    n_failed, n_dead = facts.depths.n_failed, facts.depths.n_dead
    advice = advise_failed_run(facts.workflow.workflow_id, n_failed=n_failed, n_dead=n_dead, is_closed=is_closed)
    return ExplainedCause(
        cause=advice.cause,
        severity=CAUSES[advice.cause].severity,
        text=advice.text,
        remedy=CAUSES[advice.cause].remedy,
        command=advice.command,
        n=n_failed,
    )


def _explain_holds(facts: WorkflowFacts) -> Iterator[ExplainedCause]:
    """Yield a cause for each reason why workers are held."""
    workflow = facts.workflow.workflow_id
    for job, pilots in facts.workers.items():
        if not job.startswith(JobStatus.HELD):
            continue
        why, n = job.partition(":")[2].strip() or "no reason given", sum(pilots.values())
        held = next(one for one in facts.taskforces if job in one.compound_statuses)
        of = {"why": why, "workflow": workflow, "taskforce": held.taskforce_uuid, "task": held.task_id}
        cause = name_cause(find_hold_cause(why), n, **of)
        if HOLD_OF_PAUSE in job:
            # A pilot that was killed has reported no error. What it logged before is all there is.
            kind = "errors" if facts.task_errors and HOLD_OF_KILL not in job else "logs"
            key = find_kill_cause(job) if HOLD_OF_KILL in job else "paused"
            entry = {"cause": key, "severity": CAUSES[key].severity, "remedy": CAUSES[key].remedy}
            cause = cause.model_copy(update={**entry, "command": f"ewms task {kind} {workflow}"})
        yield cause


def _explain_attempts(facts: WorkflowFacts) -> Iterator[ExplainedCause]:
    """Yield a cause for each taskforce whose start or stop has failed, and is tried again."""
    for one in facts.taskforces:
        failures = [change for change in one.phase_change_log if not change.was_successful]
        if failures and one.phase in (Phase.PENDING_STARTER, Phase.PENDING_STOPPER):
            last = failures[-1]
            yield name_cause(
                "start-attempts",
                len(failures),
                taskforce=one.taskforce_uuid,
                phase=last.target_phase,
                why=last.context,
                task=one.task_id,
            )


def _count_delayed(facts: WorkflowFacts, done: EventsDone | None) -> int:
    """Return how many events wait for their next attempt.

    The broker counts its queues some seconds late, and MQS counts dead letters at once: both may count an event.
    """
    n_delayed = sum(queue.n_delayed for queue in facts.depths.queues) if facts.depths else 0
    expects = facts.ending is not None and facts.ending.expected_results is not None
    if done is None or expects or len(task_levels(facts.tasks)) > 1:
        # These counts are of other events.
        return n_delayed
    return max(0, min(n_delayed, done.n_all - done.n_done - done.n_failed))
