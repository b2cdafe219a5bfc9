"""Decide whether a taskforce is over, ready to start, offered to a TMS that polls, or due. (core)

Each condition is a function of a taskforce, and below it a filter by which MongoDB finds such taskforces.
`test_conditions.py` checks that both agree. Filters leave out the schedd; their users add it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.fleet.documents import TaskforceDocument, WorkflowDocument
from schemas.fleet.phases import Phase
from wms.fleet.choices.pauses import ask_again_at
from wms.fleet.choices.tms_port import TmsPort

Filter = Mapping[str, Any]

#: After more unanswered requests than this, a start gives up its place in the window. Something is wrong with this
#: start alone, and the other starts must not wait for it.
PATIENCE = 3


def is_over(taskforce: TaskforceDocument) -> bool:
    """Return whether no worker of `taskforce` runs, now or ever again (ruling 9)."""
    return taskforce.phase is Phase.CONDOR_COMPLETE or taskforce.ended_at is not None


#: The filter of the taskforces that are not over.
NOT_OVER: Filter = {"phase": {"$ne": Phase.CONDOR_COMPLETE}, "ended_at": None}


def is_before_submission(taskforce: TaskforceDocument) -> bool:
    """Return whether `taskforce` still waits for its start or for its TMS's answer."""
    return taskforce.phase in (Phase.PRE_MQ_ACTIVATION, Phase.PRE_LAUNCH, Phase.PENDING_STARTER)


BEFORE_SUBMISSION: Filter = {"phase": {"$in": [Phase.PRE_MQ_ACTIVATION, Phase.PRE_LAUNCH, Phase.PENDING_STARTER]}}


def is_ready(taskforce: TaskforceDocument, port: TmsPort, now: datetime) -> bool:
    """Return whether `taskforce` waits only for its turn to start.

    After a failed start WMS sends the order again. A TMS that polls chooses by itself which starts to try again.
    """
    if taskforce.phase is Phase.PRE_LAUNCH:
        return True
    return (
        port.takes_orders
        and taskforce.phase is Phase.PENDING_STARTER
        and taskforce.asked_at is None
        and not taskforce.stuck
        and not _is_paused(taskforce, now)
    )


def filter_ready(port: TmsPort, now: datetime) -> Filter:
    """Return the filter of the taskforces that are ready."""
    first: Filter = {"phase": Phase.PRE_LAUNCH}
    again: Filter = {"phase": Phase.PENDING_STARTER, "asked_at": None, "stuck": "", "retry_at": _filter_unpaused(now)}
    return {"$or": [first, again] if port.takes_orders else [first]}


def is_ordered_start(taskforce: TaskforceDocument) -> bool:
    """Return whether a TMS has the order to start `taskforce`, and has not answered."""
    return taskforce.phase is Phase.PENDING_STARTER and taskforce.asked_at is not None


ORDERED_START: Filter = {"phase": Phase.PENDING_STARTER, "asked_at": {"$ne": None}}


def is_unanswered_start(taskforce: TaskforceDocument) -> bool:
    """Return whether the order to start `taskforce` is open, and counts in the window of its schedd."""
    return is_ordered_start(taskforce) and taskforce.n_asked <= PATIENCE


UNANSWERED_START: Filter = {**ORDERED_START, "n_asked": {"$lte": PATIENCE}}


def has_given_up(taskforce: TaskforceDocument) -> bool:
    """Return whether WMS does not try to start `taskforce` again, because its submission failed too often.

    `stuck` alone does not say so: WMS also notes there that a TMS does not answer.
    """
    return (
        taskforce.phase is Phase.PENDING_STARTER
        and bool(taskforce.stuck)
        and taskforce.n_submit_failures > 0
        and taskforce.asked_at is None
        and taskforce.retry_at is None
    )


def is_offered_start(taskforce: TaskforceDocument, max_failures: int) -> bool:
    """Return whether WMS offers `taskforce` for submission to a TMS that polls."""
    return (
        taskforce.phase is Phase.PENDING_STARTER and not taskforce.stuck and taskforce.n_submit_failures < max_failures
    )


def filter_offered_starts(max_failures: int) -> Filter:
    """Return the filter of the taskforces that WMS offers for submission to a TMS that polls."""
    return {"phase": Phase.PENDING_STARTER, "stuck": "", "n_submit_failures": {"$lt": max_failures}}


def is_offered_stop(taskforce: TaskforceDocument, now: datetime) -> bool:
    """Return whether WMS offers `taskforce` for removal to a TMS that polls.

    After too many failures WMS offers the taskforce less and less often, but WMS must never forget a running cluster.
    """
    return (
        taskforce.phase is Phase.PENDING_STOPPER and taskforce.cluster_id is not None and not _is_paused(taskforce, now)
    )


def filter_offered_stops(now: datetime) -> Filter:
    """Return the filter of the taskforces that WMS offers for removal to a TMS that polls."""
    return {"phase": Phase.PENDING_STOPPER, "cluster_id": {"$ne": None}, "retry_at": _filter_unpaused(now)}


def is_unordered_stop(taskforce: TaskforceDocument) -> bool:
    """Return whether `taskforce` waits until a TMS polls for its removal, or until WMS first orders its removal."""
    return (
        taskforce.phase is Phase.PENDING_STOPPER
        and taskforce.asked_at is None
        and taskforce.ended_at is None
        and taskforce.retry_at is None
    )


UNORDERED_STOP: Filter = {"phase": Phase.PENDING_STOPPER, "asked_at": None, "ended_at": None, "retry_at": None}


def find_due_at(
    taskforce: TaskforceDocument, workflow: WorkflowDocument, port: TmsPort, now: datetime
) -> datetime | None:
    """Return when WMS must act on `taskforce` of `workflow` if no report about it comes. Return None if never.

    The workflow's `wake_at` is the earliest of these times. MongoDB finds due workflows by it.
    """
    if taskforce.ended_at is not None:
        return None
    match taskforce.phase:
        case Phase.PRE_MQ_ACTIVATION if workflow.queues_active_at is not None and workflow.deactivated is None:
            return now
        case Phase.PENDING_STARTER | Phase.PENDING_STOPPER | Phase.CONDOR_RM if taskforce.asked_at is not None:
            return ask_again_at(taskforce.asked_at, taskforce.n_asked)
        case Phase.PENDING_STARTER if port.takes_orders and _is_paused(taskforce, now):
            # After the pause the launcher finds it. The wake-up only makes the launcher look.
            return taskforce.retry_at
        case Phase.PENDING_STOPPER if port.takes_orders or taskforce.cluster_id is None:
            # A TMS that polls gets only clusters to remove. WMS itself ends a taskforce without one.
            return taskforce.retry_at or now
        case _:
            return None


def is_due(taskforce: TaskforceDocument, workflow: WorkflowDocument, port: TmsPort, now: datetime) -> bool:
    """Return whether WMS must act on `taskforce` of `workflow` now."""
    due_at = find_due_at(taskforce, workflow, port, now)
    return due_at is not None and due_at <= now


def find_queues_due_at(workflow: WorkflowDocument) -> datetime | None:
    """Return when to ask MQS for the queues again. Return None if there is nothing to ask."""
    if workflow.deactivated is not None or workflow.queues_active_at is not None or workflow.queues_asked_at is None:
        return None
    return ask_again_at(workflow.queues_asked_at, workflow.n_queues_asked)


def find_ending_due_at(workflow: WorkflowDocument) -> datetime | None:
    """Return when to send MQS again when `workflow` shall end. Return None if there is nothing to send."""
    if workflow.deactivated is not None or workflow.ending_told_at is None:
        return None
    return ask_again_at(workflow.ending_told_at, workflow.n_ending_told)


def _is_paused(taskforce: TaskforceDocument, now: datetime) -> bool:
    return taskforce.retry_at is not None and taskforce.retry_at > now


def _filter_unpaused(now: datetime) -> Filter:
    return {"$not": {"$gt": now}}
