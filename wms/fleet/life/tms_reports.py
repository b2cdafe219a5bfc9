"""Turn a TMS's report about a taskforce into moves, log lines and orders. (core)

The handshake (rulings 2 and 9, G5): WMS records and releases the first cluster that a TMS reports. It orders the
removal of any other cluster, and of any cluster that nobody wants (any more). A repeated report changes nothing, but
WMS answers it again, because the first answer may have been lost.

A TMS that polls over REST submits before WMS can object. WMS accepts the TMS's confirmation or refuses it (the
outcome's answer). It records even a cluster that nobody wants any more, so that the TMS gets it to remove.
"""

from datetime import datetime
from typing import Any

from schemas.documents import TaskforceDocument
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
from schemas.phases import Phase, may_move
from schemas.statuses import JobStatus
from wms.fleet.life import start_order
from wms.fleet.life.aggregate import Aggregate, Draft, Outcome, failure_pause
from wms.fleet.life.stimuli import Report

TMS = "TMS"


_LEFT = (JobStatus.REMOVED, JobStatus.COMPLETED)


def decide(aggregate: Aggregate, report: Report, now: datetime) -> Outcome:
    """Return the outcome of `report` on `aggregate`, which holds the report's taskforce if there is one."""
    taskforce = aggregate.taskforces.get(report.taskforce_uuid)
    if taskforce is None:
        return Outcome(aggregate, orphaned(report))
    match report:
        case TaskforceSubmitted():
            return _submitted(aggregate, taskforce, report, now)
        case TaskforceSubmitFailed():
            return _submit_failed(aggregate, taskforce, report, now)
        case TaskforceRemoved():
            return _removed(aggregate, taskforce, report, now)
        case TaskforceRemoveFailed():
            return _remove_failed(aggregate, taskforce, report, now)
        case TaskforceCompleted():
            return _completed(aggregate, taskforce, report, now)


def orphaned(report: Report) -> tuple[Payload, ...]:
    """Return what to send about a taskforce that has no document: its cluster must not live on (G6)."""
    return (_remove(report),) if isinstance(report, TaskforceSubmitted) else ()


def unowned(schedd: str, snapshot: Snapshot) -> tuple[Payload, ...]:
    """Return what to send when statuses come for a taskforce that has no document: an order to end its workers (G6).

    If all its jobs have left there is nothing to end, and a stop would make the TMS report the end again and again.
    """
    if all(job in _LEFT for job in snapshot.compound_statuses):
        return ()
    return (TaskforceStop(taskforce_uuid=snapshot.taskforce_uuid, schedd=schedd, cluster_id=None),)


def _remove(report: TaskforceSubmitted) -> TaskforceRemove:
    return TaskforceRemove(taskforce_uuid=report.taskforce_uuid, schedd=report.schedd, cluster_id=report.cluster_id)


def _submitted(
    aggregate: Aggregate, taskforce: TaskforceDocument, report: TaskforceSubmitted, now: datetime
) -> Outcome:
    if aggregate.asks_itself(taskforce) and taskforce.phase is not Phase.PENDING_STARTER:
        return _submitted_too_late(aggregate, taskforce, report, now)
    wanted = taskforce.phase in (Phase.PENDING_STARTER, Phase.CONDOR_SUBMIT)
    recorded = taskforce.cluster_id
    if not wanted or report.schedd != taskforce.schedd or recorded not in (None, report.cluster_id):
        return Outcome(aggregate, (_remove(report),))
    release = TaskforceRelease(
        taskforce_uuid=taskforce.taskforce_uuid, schedd=taskforce.schedd, cluster_id=report.cluster_id
    )
    if recorded is not None:
        return Outcome(aggregate, (release,))
    draft = Draft(aggregate, now)
    moved = draft.move(taskforce, Phase.CONDOR_SUBMIT, by=TMS)
    draft.change(moved, **_submission(report), asked_at=None, n_asked=0, retry_at=None, stuck="")
    draft.send(release)
    return draft.settle(answer=True)


def _submission(report: TaskforceSubmitted) -> dict[str, Any]:
    return {
        "cluster_id": report.cluster_id,
        "n_workers": report.n_workers,
        "submit_dict": report.submit_dict,
        "job_event_log_fpath": report.job_event_log_fpath,
    }


def _submitted_too_late(
    aggregate: Aggregate, taskforce: TaskforceDocument, report: TaskforceSubmitted, now: datetime
) -> Outcome:
    if taskforce.phase is not Phase.PENDING_STOPPER or taskforce.cluster_id is not None:
        return Outcome(aggregate, answer=False)
    draft = Draft(aggregate, now)
    draft.change(taskforce, **_submission(report), retry_at=None, stuck="")
    return draft.settle(answer=False)


def _submit_failed(
    aggregate: Aggregate, taskforce: TaskforceDocument, report: TaskforceSubmitFailed, now: datetime
) -> Outcome:
    asks_itself = aggregate.asks_itself(taskforce)
    if taskforce.phase is not Phase.PENDING_STARTER:
        return Outcome(aggregate, answer=False)
    if taskforce.stuck if asks_itself else taskforce.asked_at is None:
        # This answers a request that is settled, or one that was repeated and answered already.
        return Outcome(aggregate)
    draft = Draft(aggregate, now)
    n_failures = taskforce.n_submit_failures + 1
    noted = draft.note(taskforce, Phase.CONDOR_SUBMIT, by=TMS, context=f"ERROR: {report.error}")
    hopeless = n_failures >= aggregate.max_failures
    draft.change(
        noted,
        asked_at=None,
        n_asked=0,
        n_submit_failures=n_failures,
        launch_rank=start_order.rank(priority=taskforce.priority, n_failures=n_failures, timestamp=taskforce.timestamp),
        # A TMS that polls also pauses by itself.
        retry_at=None if hopeless or asks_itself else now + failure_pause(n_failures),
        stuck=f"could not be submitted, {n_failures} times: {report.error}"[:1024] if hopeless else "",
    )
    return draft.settle()


def _removed(aggregate: Aggregate, taskforce: TaskforceDocument, report: TaskforceRemoved, now: datetime) -> Outcome:
    recorded = taskforce.cluster_id
    answered = {"asked_at": None, "n_asked": 0, "retry_at": None, "stuck": ""}
    if recorded is None:
        # WMS never released the cluster that the TMS removed, so nothing of this taskforce has run (ruling 9).
        if taskforce.phase is not Phase.PENDING_STOPPER or taskforce.ended_at is not None:
            return Outcome(aggregate)
        draft = Draft(aggregate, now)
        draft.change(taskforce, **answered, ended_at=now)
        return draft.settle()
    gone = report.cluster_id is None
    if not gone and report.cluster_id != recorded:
        # This is an unwanted cluster of the taskforce. WMS ordered its removal separately.
        return Outcome(aggregate)
    draft = Draft(aggregate, now)
    match taskforce.phase:
        case Phase.PENDING_STOPPER | Phase.CONDOR_SUBMIT:
            moved = draft.move(taskforce, Phase.CONDOR_RM, by=TMS)
            if aggregate.asks_itself(taskforce):
                draft.change(moved, **answered)
                return draft.settle()
            # Count this as a request made now: if no report says that the cluster left the queue, ask the TMS again.
            draft.change(moved, **{**answered, "asked_at": now, "n_asked": 1})
        case Phase.CONDOR_RM if gone:
            # The cluster has left the queue, but the line of the job event log that says so was lost.
            draft.change(draft.move(taskforce, Phase.CONDOR_COMPLETE, by=TMS), **answered)
        case _:
            return Outcome(aggregate)
    return draft.settle()


def _remove_failed(
    aggregate: Aggregate, taskforce: TaskforceDocument, report: TaskforceRemoveFailed, now: datetime
) -> Outcome:
    asks_itself = aggregate.asks_itself(taskforce)
    if asks_itself:
        ignored = taskforce.phase is Phase.CONDOR_COMPLETE
    else:
        ignored = (
            taskforce.phase is not Phase.PENDING_STOPPER or taskforce.ended_at is not None or taskforce.asked_at is None
        )
    if ignored:
        return Outcome(aggregate)
    draft = Draft(aggregate, now)
    n_failures = taskforce.n_remove_failures + 1
    if n_failures <= aggregate.max_failures:
        taskforce = draft.note(taskforce, Phase.CONDOR_RM, by=TMS, context=f"ERROR: {report.error}")
    draft.change(taskforce, asked_at=None, n_asked=0, n_remove_failures=n_failures)
    if taskforce.phase is Phase.PENDING_STOPPER:
        hopeless = n_failures >= aggregate.max_failures
        draft.change(
            taskforce,
            # Try for ever, less and less often: WMS must not forget what runs (G6). A TMS that polls gets the taskforce
            # again at once, until its removal has failed too often (contract, 1.2).
            retry_at=None if asks_itself and not hopeless else now + failure_pause(n_failures),
            stuck=f"could not be removed, {n_failures} times: {report.error}"[:1024] if hopeless else "",
        )
    return draft.settle()


def _completed(
    aggregate: Aggregate, taskforce: TaskforceDocument, report: TaskforceCompleted, now: datetime
) -> Outcome:
    if report.cluster_id != taskforce.cluster_id or not may_move(taskforce.phase, Phase.CONDOR_COMPLETE):
        return Outcome(aggregate)
    draft = Draft(aggregate, now)
    moved = draft.move(
        taskforce,
        Phase.CONDOR_COMPLETE,
        by=TMS,
        source_event_time=float(int(report.completed_at.timestamp())),
    )
    draft.change(moved, asked_at=None, n_asked=0, retry_at=None, stuck="")
    draft.state(
        TaskforceCompletedFact(
            taskforce_uuid=taskforce.taskforce_uuid,
            workflow_id=taskforce.workflow_id,
            schedd=taskforce.schedd,
            cluster_id=report.cluster_id,
            completed_at=report.completed_at,
        )
    )
    return draft.settle()
