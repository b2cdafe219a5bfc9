"""Find the status of a process and of its steps from its run and nodes, and make queries by status. (core)

    node                               step                  the process, while this node holds it up
    pending, due, taken                pending               running; resumed, if it is due again and not yet taken
    waiting for a child                pending               running
    waiting for an input, an approval  suspend               suspended
    waiting for a callback, an event   awaiting_callback     awaiting_callback
    waiting for its next poll          waiting               waiting
    retrying                           waiting               waiting
    halted                             failed                failed | inconsistent_data | api_unavailable
    successful                         success, or complete if it is `done`
    skipped                            skipped
    failed, error                      failed
    canceled                           abort
    passed                             not shown

Of several open nodes the worst one counts: halted, then suspended, awaiting, waiting. A run that somebody has stopped
is `suspended`: it goes on when somebody resumes it. A run that is over after a failure is `failed`, too.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.engine.graph import WaitKind
from schemas.engine.processes import Assignee, ProcessStatus, StepStatus
from schemas.engine.runs import NODE_OPEN, NodeState, NodeStatus, RunStatus

_STEP_STATUS: Mapping[NodeStatus, StepStatus] = {
    NodeStatus.PENDING: StepStatus.PENDING,
    NodeStatus.DUE: StepStatus.PENDING,
    NodeStatus.TAKEN: StepStatus.PENDING,
    NodeStatus.PASSED: StepStatus.PENDING,
    NodeStatus.RETRYING: StepStatus.WAITING,
    NodeStatus.HALTED: StepStatus.FAILED,
    NodeStatus.SUCCESSFUL: StepStatus.SUCCESS,
    NodeStatus.SKIPPED: StepStatus.SKIPPED,
    NodeStatus.FAILED: StepStatus.FAILED,
    NodeStatus.ERROR: StepStatus.FAILED,
    NodeStatus.CANCELED: StepStatus.ABORT,
}

_WAITING_STEP: Mapping[WaitKind, StepStatus] = {
    WaitKind.INPUT: StepStatus.SUSPEND,
    WaitKind.APPROVAL: StepStatus.SUSPEND,
    WaitKind.CALLBACK: StepStatus.AWAITING_CALLBACK,
    WaitKind.EVENT: StepStatus.AWAITING_CALLBACK,
    WaitKind.POLL: StepStatus.WAITING,
    WaitKind.CHILD: StepStatus.PENDING,
}

#: The process's status by its run, if none of its nodes has a more exact one.
_OF_RUN: Mapping[RunStatus, ProcessStatus] = {
    RunStatus.CREATED: ProcessStatus.CREATED,
    RunStatus.RUNNING: ProcessStatus.RUNNING,
    RunStatus.WAITING: ProcessStatus.WAITING,
    RunStatus.HALTED: ProcessStatus.FAILED,
    RunStatus.STOPPED: ProcessStatus.SUSPENDED,
    RunStatus.SUCCESSFUL: ProcessStatus.COMPLETED,
    RunStatus.FAILED: ProcessStatus.FAILED,
    RunStatus.ERROR: ProcessStatus.FAILED,
    RunStatus.CANCELED: ProcessStatus.ABORTED,
}

#: The status that an error gives a task.
_OF_ERROR = (ProcessStatus.INCONSISTENT_DATA, ProcessStatus.API_UNAVAILABLE)

#: The step statuses that hold a waiting run up, the worst first.
_WAITING_PROCESS: Mapping[StepStatus, ProcessStatus] = {
    StepStatus.SUSPEND: ProcessStatus.SUSPENDED,
    StepStatus.AWAITING_CALLBACK: ProcessStatus.AWAITING_CALLBACK,
    StepStatus.WAITING: ProcessStatus.WAITING,
}


def find_step_status(node: NodeStatus, wait: WaitKind | None = None, *, is_done: bool = False) -> StepStatus:
    """Return the status of a step from the status `node` of its node.

    `wait` is what the node waits for. `is_done` is whether the step is the one that completes the list.
    """
    if node is NodeStatus.WAITING:
        return _WAITING_STEP.get(wait, StepStatus.WAITING) if wait is not None else StepStatus.WAITING
    if node is NodeStatus.SUCCESSFUL and is_done:
        return StepStatus.COMPLETE
    return _STEP_STATUS.get(node, StepStatus.PENDING)


def find_process_status(run: RunStatus, nodes: Iterable[NodeState]) -> ProcessStatus:
    """Return the status of a process from the status `run` of its run. Only the open nodes in `nodes` count."""
    plain = _OF_RUN.get(run, ProcessStatus.RUNNING)
    if run is RunStatus.RUNNING:
        return ProcessStatus.RESUMED if any(map(_is_queued_again, nodes)) else plain
    if run is RunStatus.HALTED:
        found = {read_error_status(node) for node in nodes if node.status is NodeStatus.HALTED}
        return next((status for status in _OF_ERROR if status in found), plain)
    if run is RunStatus.WAITING:
        steps = {
            find_step_status(node.status, node.wait.kind if node.wait else None)
            for node in nodes
            if node.status in NODE_OPEN
        }
        return next((process for step, process in _WAITING_PROCESS.items() if step in steps), plain)
    return plain


def find_holding_node(nodes: Iterable[NodeState]) -> NodeState | None:
    """Return the node that blocks the process or is at work: the most serious first. Return None if there is none."""
    ranks = (NodeStatus.HALTED, NodeStatus.WAITING, NodeStatus.RETRYING, NodeStatus.TAKEN, NodeStatus.DUE)
    found = [node for node in nodes if node.status in ranks]
    return min(found, key=lambda node: ranks.index(node.status), default=None)


def find_assignee(status: ProcessStatus, node: NodeState | None) -> Assignee:
    """Return who has to act next: the assignee of the failed step; for a failed check the NOC; otherwise the engine."""
    named = str(node.error.details.get("assignee", "")) if node is not None and node.error is not None else ""
    if named in [assignee.value for assignee in Assignee]:
        return Assignee(named)
    return Assignee.NOC if status is ProcessStatus.INCONSISTENT_DATA else Assignee.SYSTEM


def read_error_status(node: NodeState) -> ProcessStatus:
    """Return the status that a failed node gives its process."""
    named = node.error.details.get("status") if node.error is not None else None
    return next((status for status in _OF_ERROR if status == named), ProcessStatus.FAILED)


def _is_queued_again(node: NodeState) -> bool:
    return node.status is NodeStatus.DUE and node.attempt > 1 and not node.n_taken and not node.n_polls


# MongoDB has no fields with their default: an attempt, or a number of deliveries or polls, that is 0.
_QUEUED_AGAIN: Mapping[str, Any] = {
    "status": NodeStatus.DUE,
    "attempt": {"$gt": 1},
    "n_taken": {"$in": [None, 0]},
    "n_polls": {"$in": [None, 0]},
}


def _has_waiting(step: StepStatus) -> dict[str, Any]:
    """Return the query for runs with a node that waits, or waits for its retry, and whose step has the status
    `step`.
    """
    kinds = [kind for kind, status in _WAITING_STEP.items() if status is step]
    wanted: list[dict[str, Any]] = [
        {"nodes": {"$elemMatch": {"status": NodeStatus.WAITING, "wait.kind": {"$in": kinds}}}}
    ]
    if step is StepStatus.WAITING:
        wanted.append({"nodes": {"$elemMatch": {"status": NodeStatus.RETRYING}}})
    return wanted[0] if len(wanted) == 1 else {"$or": wanted}


def _has_error(status: ProcessStatus) -> dict[str, Any]:
    return {"nodes": {"$elemMatch": {"status": NodeStatus.HALTED, "error.details.status": status}}}


def make_status_query(status: ProcessStatus) -> dict[str, Any]:
    """Return the query that finds exactly the runs of the processes with this status."""
    match status:
        case ProcessStatus.RUNNING:
            return {"status": RunStatus.RUNNING, "nodes": {"$not": {"$elemMatch": dict(_QUEUED_AGAIN)}}}
        case ProcessStatus.RESUMED:
            return {"status": RunStatus.RUNNING, "nodes": {"$elemMatch": dict(_QUEUED_AGAIN)}}
        case ProcessStatus.SUSPENDED:
            waits = {"status": RunStatus.WAITING, **_has_waiting(StepStatus.SUSPEND)}
            return {"$or": [{"status": RunStatus.STOPPED}, waits]}
        case ProcessStatus.AWAITING_CALLBACK:
            return {
                "status": RunStatus.WAITING,
                **_has_waiting(StepStatus.AWAITING_CALLBACK),
                "$nor": [_has_waiting(StepStatus.SUSPEND)],
            }
        case ProcessStatus.WAITING:
            worse = [_has_waiting(StepStatus.SUSPEND), _has_waiting(StepStatus.AWAITING_CALLBACK)]
            return {"status": RunStatus.WAITING, "$nor": worse}
        case ProcessStatus.INCONSISTENT_DATA:
            return {"status": RunStatus.HALTED, **_has_error(status)}
        case ProcessStatus.API_UNAVAILABLE:
            return {
                "status": RunStatus.HALTED,
                **_has_error(status),
                "$nor": [_has_error(ProcessStatus.INCONSISTENT_DATA)],
            }
        case ProcessStatus.FAILED:
            halted = {"status": RunStatus.HALTED, "$nor": [_has_error(one) for one in _OF_ERROR]}
            return {"$or": [{"status": {"$in": [RunStatus.FAILED, RunStatus.ERROR]}}, halted]}
    return {"status": {"$in": [run for run, process in _OF_RUN.items() if process is status]}}
