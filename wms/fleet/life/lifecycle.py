"""Turn a workflow's aggregate and a stimulus into moves, log lines and events to send. (core)

    user    Deactivate  AddWorkers -> `added_taskforces`  CloseInputs  ExpectResults -> `completion`
    MQS     QueuesActivated  QueuesDeferred  QueuesDrained  ResultsArrived      the last two -> `completion`
    WMS     Launch (the launcher's choice)  Woken (a timer: repeat unanswered requests)  EndDrained  EndLost -> `ending`
    TMS     TaskforceSubmitted  -SubmitFailed  -Removed  -RemoveFailed  -Completed     -> `tms_reports`

A stimulus that comes twice, late or out of turn changes nothing, not even the log (ruling 9): the outcome is then
the aggregate that came in. Contexts and source entities are the contract's (section 4).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from schemas.errors import NotFound
from schemas.events import Payload, QueuesActivated, QueuesDeferred, QueuesDrained, ResultsArrived, WorkflowOver
from schemas.fleet.documents import TaskforceDocument
from schemas.fleet.phases import Phase
from wms.fleet.life import added_taskforces, completion, tms_reports
from wms.fleet.life.aggregate import Aggregate, Draft, FleetDecision
from wms.fleet.life.conditions import PATIENCE, find_queues_due_at, is_due, is_ready
from wms.fleet.life.ending import end_drained, end_lost, end_workflow
from wms.fleet.life.stimuli import (
    AddWorkers,
    CloseInputs,
    Deactivate,
    EndDrained,
    EndLost,
    ExpectResults,
    Launch,
    Stimulus,
    Woken,
)
from wms.fleet.life.tms_requests import ask_to_start, ask_to_stop
from wms.fleet.life.workflow_requests import make_queue_request

ACTIVATOR = "Workflow MQ Activator"
LAUNCHER = "Taskforce Launch Control"
USER = "User"

AUTO_ADVANCED = "Auto-advanced because workflow has already been mq-activated."

#: Shown while MQS has not answered about a workflow's queues.
MQS_SILENT = "MQS does not answer; WMS asks it again and again"

#: MQS may have sent an activation that arrives this soon after the end before it heard of the end. A later activation
#: shows that MQS has not heard of it at all.
_CROSSING = timedelta(minutes=1)


def decide_stimulus(draft: Draft, stimulus: Stimulus) -> FleetDecision:
    """Return the decision about `stimulus`. `draft` has the aggregate, and must be new.

    Raises:
        NotFound, Unprocessable, Conflict: a user's request is no longer possible.
    """
    match stimulus:
        case Deactivate():
            return _deactivate_workflow(draft, stimulus)
        case AddWorkers():
            return added_taskforces.add_workers(draft, stimulus)
        case Launch():
            return _launch_taskforce(draft, stimulus)
        case EndDrained():
            return end_drained(draft, stimulus)
        case EndLost():
            return end_lost(draft, stimulus)
        case Woken():
            return _repeat_unanswered(draft)
        case QueuesActivated():
            return _record_activation(draft)
        case QueuesDeferred():
            return _record_deferral(draft, stimulus)
        case CloseInputs():
            return completion.close_inputs(draft)
        case ExpectResults():
            return completion.expect_results(draft, stimulus)
        case QueuesDrained():
            return completion.complete_drained(draft, stimulus)
        case ResultsArrived():
            return completion.complete_with_results(draft, stimulus)
        case _:
            return tms_reports.decide_report(draft, stimulus)


def _deactivate_workflow(draft: Draft, stimulus: Deactivate) -> FleetDecision:
    workflow = draft.workflow
    if workflow.deactivated is not None:
        raise no_such_active_workflow(workflow.workflow_id)
    n_stopped = end_workflow(draft, stimulus.label, by=USER, context=f"User deactivated ({stimulus.label}) workflow")
    return draft.settle_decision(answer=n_stopped)


def no_such_active_workflow(workflow_id: str) -> NotFound:
    """Return the error for a workflow that is unknown, not the caller's, or deactivated already."""
    return NotFound(f"no non-deactivated workflow found with workflow_id='{workflow_id}'")


def end_orphaned_queues(stimulus: Stimulus) -> tuple[Payload, ...]:
    """Return the events to send if the workflow of `stimulus` has no document: the order to delete its queues."""
    match stimulus:
        case QueuesActivated() | QueuesDeferred() | QueuesDrained() | ResultsArrived():
            return (WorkflowOver(workflow_id=stimulus.workflow_id),)
        case _:
            return ()


def _record_activation(draft: Draft) -> FleetDecision:
    workflow = draft.workflow
    if workflow.over_at is not None and draft.now - workflow.over_at >= _CROSSING:
        # MQS still reports the queues as active, so it has not heard of the end.
        return draft.leave_unchanged(WorkflowOver(workflow_id=workflow.workflow_id))
    if workflow.deactivated is not None or workflow.queues_active_at is not None:
        return draft.leave_unchanged()
    draft.change_workflow(queues_active_at=draft.now, queues_asked_at=None, queues_deferred="")
    completion.repeat_wish(draft)
    for taskforce in draft:
        if taskforce.phase is Phase.PRE_MQ_ACTIVATION:
            draft.move_taskforce(taskforce, Phase.PRE_LAUNCH, by=ACTIVATOR)
    return draft.settle_decision()


def _record_deferral(draft: Draft, stimulus: QueuesDeferred) -> FleetDecision:
    workflow = draft.workflow
    reason = stimulus.reason or "resources are insufficient"
    if workflow.deactivated is not None or workflow.queues_active_at is not None or workflow.queues_deferred == reason:
        return draft.leave_unchanged()
    if workflow.queues_deferred in ("", MQS_SILENT):
        # Write one line for each wait, not one for each reason. Reasons contain numbers that change all the time, and
        # the log must stay short.
        for taskforce in draft:
            draft.append_log_line(taskforce, Phase.PRE_LAUNCH, by=ACTIVATOR, context=reason)
    # MQS tries again by itself. WMS asks again, rarely, in case MQS has forgotten.
    draft.change_workflow(
        queues_deferred=reason, queues_asked_at=draft.now, n_queues_asked=max(workflow.n_queues_asked, 10)
    )
    return draft.settle_decision()


def _launch_taskforce(draft: Draft, stimulus: Launch) -> FleetDecision:
    taskforce = draft.taskforces.get(stimulus.taskforce_uuid)
    if taskforce is None or not is_ready(taskforce, draft.find_port(taskforce), draft.now):
        return draft.leave_unchanged()
    if taskforce.phase is Phase.PRE_LAUNCH:
        taskforce = draft.move_taskforce(taskforce, Phase.PENDING_STARTER, by=LAUNCHER)
    ask_to_start(draft, draft.change_taskforce(taskforce, n_asked=0))
    return draft.settle_decision()


def start_at_once(draft: Draft, outcome: FleetDecision, n_free: Mapping[str, int]) -> FleetDecision:
    """Return `outcome` with starts of the taskforces that it makes ready. `n_free` limits the starts at each schedd.

    The launcher starts the others. A start here saves the launcher's transaction, which is the longest wait of a new
    workflow after the wait for its queues.
    """
    left = dict(n_free)
    for taskforce in find_newly_ready(draft.before, outcome):
        if left.get(taskforce.schedd, 0) < 1:
            continue
        left[taskforce.schedd] -= 1
        started = _launch_taskforce(draft.continue_after(outcome), Launch(taskforce.taskforce_uuid))
        outcome = replace(
            started,
            events=(*outcome.events, *started.events),
            facts=(*outcome.facts, *started.facts),
            answer=outcome.answer,
        )
    return outcome


def find_newly_ready(before: Aggregate, outcome: FleetDecision) -> list[TaskforceDocument]:
    """Return the taskforces with a known task that `outcome` makes ready to start, in the order in which they start."""
    ready = [
        after
        for uuid, after in outcome.after.taskforces.items()
        if after.phase is Phase.PRE_LAUNCH
        and after.task_id in outcome.after.tasks
        and (uuid not in before.taskforces or before.taskforces[uuid].phase is not Phase.PRE_LAUNCH)
    ]
    return sorted(ready, key=lambda taskforce: taskforce.launch_rank)


def _note_silence(draft: Draft, taskforce: TaskforceDocument) -> TaskforceDocument:
    """Note in `stuck`, which users see, that the TMS of `taskforce` does not answer. An answer clears the note."""
    is_patient = taskforce.asked_at is None or taskforce.n_asked < PATIENCE
    if is_patient or taskforce.stuck:
        return taskforce
    return draft.change_taskforce(
        taskforce, stuck=f"the TMS of {taskforce.schedd} does not answer; WMS asks it again and again"
    )


def _repeat_unanswered(draft: Draft) -> FleetDecision:
    workflow = draft.workflow
    if (due := find_queues_due_at(workflow)) is not None and due <= draft.now:
        n_asked = workflow.n_queues_asked
        silent = n_asked >= PATIENCE and not workflow.queues_deferred
        draft.change_workflow(
            queues_asked_at=draft.now,
            n_queues_asked=n_asked + 1,
            queues_deferred=MQS_SILENT if silent else workflow.queues_deferred,
        )
        draft.add_event(make_queue_request(workflow, {t.schedd for t in draft}))
    completion.repeat_wish_if_due(draft)
    for taskforce in draft:
        if not is_due(taskforce, workflow, draft.find_port(taskforce), draft.now):
            continue
        match taskforce.phase:
            case Phase.PRE_MQ_ACTIVATION:
                draft.move_taskforce(taskforce, Phase.PRE_LAUNCH, by=ACTIVATOR, context=AUTO_ADVANCED)
            case Phase.PENDING_STARTER:
                ask_to_start(draft, _note_silence(draft, taskforce))
            case Phase.PENDING_STOPPER | Phase.CONDOR_RM:
                # In `CONDOR_RM` the report of the cluster's end may be lost. On this order the TMS looks, and reports.
                ask_to_stop(draft, _note_silence(draft, taskforce))
            case _:
                pass
    return draft.settle_decision()
