"""End a workflow, and stop its taskforces; replace those at a drained schedd alone; give up a lost schedd. (core)"""

from schemas.fleet.documents import TaskforceDocument
from schemas.fleet.phases import WANTED, Deactivated, Phase, may_move
from wms.fleet.life.added_taskforces import describe_fullness, replace_taskforce
from wms.fleet.life.aggregate import Draft, FleetDecision
from wms.fleet.life.conditions import is_ordered_start, is_over
from wms.fleet.life.stimuli import EndDrained, EndLost
from wms.fleet.life.tms_requests import ask_to_stop

OPERATOR = "Operator"


def end_workflow(draft: Draft, label: Deactivated, *, by: str, context: str) -> int:
    """Deactivate the workflow of `draft`, and stop its taskforces. Return how many taskforces this stops.

    `by` says who ends the workflow, and `context` why: both stand in the log of each taskforce.
    """
    draft.change_workflow(deactivated=label, deactivated_ts=draft.now.timestamp(), ending_told_at=None)
    n_stopped = 0
    for taskforce in draft:
        if taskforce.phase not in WANTED:
            said = f"{context} but taskforce is already ending/finished ({taskforce.phase})"
            draft.append_log_line(taskforce, Phase.PENDING_STOPPER, by=by, context=said)
            continue
        n_stopped += 1
        _stop_taskforce(draft, taskforce, by=by, context=context)
    return n_stopped


def end_drained(draft: Draft, stimulus: EndDrained) -> FleetDecision:
    """Stop the taskforces at a drained schedd that have an order to start, that HTCondor has only queued, and at the
    deadline those with workers.

    Another taskforce takes the place of each. It waits, like all others there, until the schedd is drained no more.
    """
    for taskforce in draft:
        is_queued = taskforce.taskforce_uuid in stimulus.queued
        is_submitted = taskforce.phase is Phase.CONDOR_SUBMIT
        is_to_end = is_submitted and (stimulus.ends_workers or is_queued)
        if taskforce.schedd != stimulus.schedd or not (is_to_end or is_ordered_start(taskforce)):
            continue
        full = describe_fullness(draft, taskforce)
        context = f"{'Ended' if is_to_end and not is_queued else 'Called back'}, because {stimulus.drained}"
        said = f"{context}; nothing takes its place: {full}" if full else context
        _stop_taskforce(draft, taskforce, by=OPERATOR, context=said)
        if not full:
            told = f"Created to take the place of {taskforce.taskforce_uuid}, because {stimulus.drained}"
            replace_taskforce(draft, taskforce, mint=stimulus.mint, by=OPERATOR, context=told)
    return draft.settle_decision()


def end_lost(draft: Draft, stimulus: EndLost) -> FleetDecision:
    """End every taskforce at a lost schedd, without the answer of its TMS. Nothing takes its place.

    If the TMS comes back after all, it finds the order to remove the cluster in its queue. A TMS that polls finds it at
    its next poll, so there the taskforce stays in the phase in which WMS offers its removal.
    """
    for taskforce in draft:
        if taskforce.schedd != stimulus.schedd or is_over(taskforce):
            continue
        if taskforce.phase in WANTED:
            _stop_taskforce(draft, taskforce, by=OPERATOR, context=f"Ended, because {stimulus.loss}")
        told = f"ERROR: nobody has seen its workers end, and WMS waits no more, because {stimulus.loss}"
        stopped = draft.taskforces[taskforce.taskforce_uuid]
        may_complete = may_move(stopped.phase, Phase.CONDOR_COMPLETE) and draft.find_port(taskforce).takes_orders
        if may_complete and taskforce.cluster_id is not None:
            draft.move_taskforce(stopped, Phase.CONDOR_COMPLETE, by=OPERATOR, context=told)
        elif taskforce.phase not in WANTED:
            draft.append_log_line(taskforce, Phase.CONDOR_COMPLETE, by=OPERATOR, context=told)
        draft.change_taskforce(
            taskforce, ended_at=draft.now, asked_at=None, n_asked=0, retry_at=None, stuck=stimulus.loss
        )
    return draft.settle_decision()


def _stop_taskforce(draft: Draft, taskforce: TaskforceDocument, *, by: str, context: str) -> None:
    stopped = draft.move_taskforce(taskforce, Phase.PENDING_STOPPER, by=by, context=context)
    if taskforce.phase in (Phase.PRE_MQ_ACTIVATION, Phase.PRE_LAUNCH):
        # No TMS has got this taskforce, so there is nothing to remove.
        draft.change_taskforce(stopped, ended_at=draft.now)
    else:
        ask_to_stop(draft, draft.change_taskforce(stopped, stuck="", n_asked=0, n_remove_failures=0))
