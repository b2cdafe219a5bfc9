"""Turn a TMS's report about a taskforce into moves, log lines and orders. (core)

The handshake (rulings 2 and 9, G5): WMS records and releases the first cluster that a TMS reports. It orders the
removal of any other cluster, and of any cluster that is not needed (any more). A repeated report changes nothing, but
WMS answers it again, because the first answer may have been lost.

A TMS that polls over REST submits before WMS can object. WMS accepts the TMS's confirmation or refuses it (the
outcome's answer). It records even a cluster that is not needed any more, and then offers it to the TMS for removal.
"""

from typing import Any

from schemas.events import (
    Payload,
    Snapshot,
    TaskforceCompleted,
    TaskforceCompletedFact,
    TaskforceRelease,
    TaskforceRemove,
    TaskforceRemoved,
    TaskforceRemoveFailed,
    TaskforceStop,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
)
from schemas.fleet.documents import TaskforceDocument
from schemas.fleet.phases import Phase, may_move
from schemas.fleet.statuses import JobStatus
from wms.fleet.life import start_order
from wms.fleet.life.aggregate import Draft, FleetDecision
from wms.fleet.life.stimuli import Report

TMS = "TMS"

#: What stands in a report of a TMS that polls, for each text, if the task has passwords.
HIDDEN = "hidden, because the task has passwords"

#: The statuses of jobs that have left HTCondor's queue.
_LEFT = (JobStatus.REMOVED, JobStatus.COMPLETED)


def decide_report(draft: Draft, report: Report) -> FleetDecision:
    """Return the decision about `report`. `draft` has the report's taskforce, if the taskforce has a document."""
    taskforce = draft.taskforces.get(report.taskforce_uuid)
    if taskforce is None:
        return draft.leave_unchanged(*remove_orphaned_cluster(report))
    match report:
        case TaskforceSubmitted():
            return _record_submitted(draft, taskforce, report)
        case TaskforceSubmitFailed():
            return _record_submit_failed(draft, taskforce, report)
        case TaskforceRemoved():
            return _record_removed(draft, taskforce, report)
        case TaskforceRemoveFailed():
            return _record_remove_failed(draft, taskforce, report)
        case TaskforceCompleted():
            return _record_completed(draft, taskforce, report)


def remove_orphaned_cluster(report: Report) -> tuple[Payload, ...]:
    """Return the events to send if the taskforce of `report` has no document: the TMS must remove its cluster (G6)."""
    return (_make_removal(report),) if isinstance(report, TaskforceSubmitted) else ()


def stop_unowned_workers(schedd: str, snapshot: Snapshot) -> tuple[Payload, ...]:
    """Return the order that ends the workers of a taskforce without a document (G6). `snapshot` has their statuses.

    If all jobs have left HTCondor's queue, return no order: it would make the TMS report the end again and again.
    """
    if all(job in _LEFT for job in snapshot.compound_statuses):
        return ()
    return (TaskforceStop(taskforce_uuid=snapshot.taskforce_uuid, schedd=schedd, cluster_id=None),)


def _make_removal(report: TaskforceSubmitted) -> TaskforceRemove:
    return TaskforceRemove(taskforce_uuid=report.taskforce_uuid, schedd=report.schedd, cluster_id=report.cluster_id)


def _record_submitted(draft: Draft, taskforce: TaskforceDocument, report: TaskforceSubmitted) -> FleetDecision:
    if not draft.find_port(taskforce).takes_orders and taskforce.phase is not Phase.PENDING_STARTER:
        return _record_late_submission(draft, taskforce, report)
    wanted = taskforce.phase in (Phase.PENDING_STARTER, Phase.CONDOR_SUBMIT)
    recorded = taskforce.cluster_id
    if not wanted or report.schedd != taskforce.schedd or recorded not in (None, report.cluster_id):
        return draft.leave_unchanged(_make_removal(report))
    release = TaskforceRelease(
        taskforce_uuid=taskforce.taskforce_uuid, schedd=taskforce.schedd, cluster_id=report.cluster_id
    )
    if recorded is not None:
        return draft.leave_unchanged(release)
    moved = draft.move_taskforce(taskforce, Phase.CONDOR_SUBMIT, by=TMS)
    fields = _submission_fields(draft, taskforce, report)
    draft.change_taskforce(moved, **fields, asked_at=None, n_asked=0, retry_at=None, stuck="")
    draft.add_event(release)
    return draft.settle_decision(answer=True)


def _submission_fields(draft: Draft, taskforce: TaskforceDocument, report: TaskforceSubmitted) -> dict[str, Any]:
    """Return what to note of a submission.

    A TMS of ours has no program in its submit commands. One that polls may have, in any form. It gets no task with
    hidden texts any more, but an older WMS may have given it one.
    """
    task = draft.before.tasks.get(taskforce.task_id)
    commands = report.submit_dict
    if task is not None and task.sealed_texts and not draft.find_port(taskforce).takes_orders:
        commands = {name: HIDDEN if isinstance(value, str) else value for name, value in commands.items()}
    return {
        "cluster_id": report.cluster_id,
        "n_workers": report.n_workers,
        "submit_dict": commands,
        "job_event_log_fpath": report.job_event_log_fpath,
    }


def _record_late_submission(draft: Draft, taskforce: TaskforceDocument, report: TaskforceSubmitted) -> FleetDecision:
    if taskforce.phase is not Phase.PENDING_STOPPER or taskforce.cluster_id is not None:
        return draft.leave_unchanged(answer=False)
    draft.change_taskforce(taskforce, **_submission_fields(draft, taskforce, report), retry_at=None, stuck="")
    return draft.settle_decision(answer=False)


def _record_submit_failed(draft: Draft, taskforce: TaskforceDocument, report: TaskforceSubmitFailed) -> FleetDecision:
    port = draft.find_port(taskforce)
    if taskforce.phase is not Phase.PENDING_STARTER:
        return draft.leave_unchanged(answer=False)
    if not port.is_start_open(taskforce):
        # WMS has already recorded an answer to this request.
        return draft.leave_unchanged()
    n_failures = taskforce.n_submit_failures + 1
    noted = draft.append_log_line(taskforce, Phase.CONDOR_SUBMIT, by=TMS, context=f"ERROR: {report.error}")
    hopeless = n_failures >= draft.policy.max_failures
    draft.change_taskforce(
        noted,
        asked_at=None,
        n_asked=0,
        n_submit_failures=n_failures,
        launch_rank=start_order.start_rank(
            priority=taskforce.priority, n_failures=n_failures, timestamp=taskforce.timestamp
        ),
        retry_at=None if hopeless else port.find_start_retry(n_failures, draft.now),
        stuck=f"could not be submitted, {n_failures} times: {report.error}"[:1024] if hopeless else "",
    )
    return draft.settle_decision()


def _record_removed(draft: Draft, taskforce: TaskforceDocument, report: TaskforceRemoved) -> FleetDecision:
    recorded = taskforce.cluster_id
    answered = {"asked_at": None, "n_asked": 0, "retry_at": None, "stuck": ""}
    if recorded is None:
        # WMS never released the cluster that the TMS removed, so nothing of this taskforce has run (ruling 9).
        if taskforce.phase is not Phase.PENDING_STOPPER or taskforce.ended_at is not None:
            return draft.leave_unchanged()
        draft.change_taskforce(taskforce, **answered, ended_at=draft.now)
        return draft.settle_decision()
    gone = report.cluster_id is None
    if not gone and report.cluster_id != recorded:
        # This is an unwanted cluster of the taskforce. WMS ordered its removal separately.
        return draft.leave_unchanged()
    match taskforce.phase:
        case Phase.PENDING_STOPPER | Phase.CONDOR_SUBMIT:
            moved = draft.move_taskforce(taskforce, Phase.CONDOR_RM, by=TMS)
            if not draft.find_port(taskforce).takes_orders:
                draft.change_taskforce(moved, **answered)
                return draft.settle_decision()
            # Count this as a request that WMS makes now. WMS repeats it if no report says that the cluster has left.
            draft.change_taskforce(moved, **{**answered, "asked_at": draft.now, "n_asked": 1})
        case Phase.CONDOR_RM if gone:
            # The cluster has left the queue, but the line of the job event log that says so was lost.
            draft.change_taskforce(draft.move_taskforce(taskforce, Phase.CONDOR_COMPLETE, by=TMS), **answered)
        case _:
            return draft.leave_unchanged()
    return draft.settle_decision()


def _record_remove_failed(draft: Draft, taskforce: TaskforceDocument, report: TaskforceRemoveFailed) -> FleetDecision:
    port = draft.find_port(taskforce)
    if not port.is_removal_open(taskforce):
        return draft.leave_unchanged()
    n_failures = taskforce.n_remove_failures + 1
    if n_failures <= draft.policy.max_failures:
        taskforce = draft.append_log_line(taskforce, Phase.CONDOR_RM, by=TMS, context=f"ERROR: {report.error}")
    draft.change_taskforce(taskforce, asked_at=None, n_asked=0, n_remove_failures=n_failures)
    if taskforce.phase is Phase.PENDING_STOPPER:
        hopeless = n_failures >= draft.policy.max_failures
        draft.change_taskforce(
            taskforce,
            retry_at=port.find_removal_retry(n_failures, draft.now, is_hopeless=hopeless),
            stuck=f"could not be removed, {n_failures} times: {report.error}"[:1024] if hopeless else "",
        )
    return draft.settle_decision()


def _record_completed(draft: Draft, taskforce: TaskforceDocument, report: TaskforceCompleted) -> FleetDecision:
    if report.cluster_id != taskforce.cluster_id or not may_move(taskforce.phase, Phase.CONDOR_COMPLETE):
        return draft.leave_unchanged()
    moved = draft.move_taskforce(
        taskforce,
        Phase.CONDOR_COMPLETE,
        by=TMS,
        source_event_time=float(int(report.completed_at.timestamp())),
    )
    draft.change_taskforce(moved, asked_at=None, n_asked=0, retry_at=None, stuck="")
    draft.add_fact(
        TaskforceCompletedFact(
            taskforce_uuid=taskforce.taskforce_uuid,
            workflow_id=taskforce.workflow_id,
            schedd=taskforce.schedd,
            cluster_id=report.cluster_id,
            completed_at=report.completed_at,
        )
    )
    return draft.settle_decision()
