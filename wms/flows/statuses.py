"""Derive the status of a flow and of its nodes from its run, and turn a status into a query. (core)

    the run is                    and it is to be        the flow is
    successful                    (any)                  Finished
    failed, error                 (any)                  Error
    canceled                      (any)                  Canceled
    any other                     canceled               Canceling
    any other                     stopped                Stopped, though its node may still be running
    halted (the edge `pause`)     -                      Stopped
    stopped                       -                      Stopped
    created                       -                      Initializing
    running, waiting              -                      Processing

A halted node has failed: it is `Error` while its flow is `Stopped`. A node that cannot run any more, because no edge
leads to it, is not shown. An unknown status (of a newer version) counts as `Processing`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.engine.flows import FlowStatus
from schemas.engine.runs import RUN_OVER, NodeStatus, RunStatus, Want, WantKind

_OVER: Mapping[RunStatus, FlowStatus] = {
    RunStatus.SUCCESSFUL: FlowStatus.FINISHED,
    RunStatus.FAILED: FlowStatus.ERROR,
    RunStatus.ERROR: FlowStatus.ERROR,
    RunStatus.CANCELED: FlowStatus.CANCELED,
}
_OF_WANT: Mapping[WantKind, FlowStatus] = {
    WantKind.CANCEL: FlowStatus.CANCELING,
    WantKind.STOP: FlowStatus.STOPPED,
}
_OPEN: Mapping[RunStatus, FlowStatus] = {
    RunStatus.CREATED: FlowStatus.INITIALIZING,
    RunStatus.HALTED: FlowStatus.STOPPED,
    RunStatus.STOPPED: FlowStatus.STOPPED,
}

_OF_NODE: Mapping[NodeStatus, FlowStatus | None] = {
    NodeStatus.PENDING: FlowStatus.INITIALIZING,
    NodeStatus.SUCCESSFUL: FlowStatus.FINISHED,
    NodeStatus.SKIPPED: FlowStatus.FINISHED,
    NodeStatus.HALTED: FlowStatus.ERROR,
    NodeStatus.FAILED: FlowStatus.ERROR,
    NodeStatus.ERROR: FlowStatus.ERROR,
    NodeStatus.CANCELED: FlowStatus.CANCELED,
    NodeStatus.PASSED: None,
}


def find_flow_status(status: RunStatus, want: WantKind | None) -> FlowStatus:
    """Return the status of a flow from the `status` of its run and from `want`, what a person wants of the run."""
    if status in _OVER:
        return _OVER[status]
    if want is not None and want in _OF_WANT:
        return _OF_WANT[want]
    return _OPEN.get(status, FlowStatus.PROCESSING)


def find_want(want: Want | None) -> WantKind | None:
    """Return what a person wants of a run. Return None if there is no such wish."""
    return None if want is None else want.kind


def find_node_status(status: NodeStatus) -> FlowStatus | None:
    """Return the status of a flow's node. Return None if the node never runs, and so is not shown."""
    return _OF_NODE.get(status, FlowStatus.PROCESSING)


def make_status_filter(wanted: FlowStatus) -> dict[str, Any]:
    """Return the MongoDB filter for the runs of flows with this status."""
    over, not_running = list(RUN_OVER), [*RUN_OVER, *_OPEN]
    unwanted = {"want.kind": {"$nin": _list_values(_OF_WANT)}}
    match wanted:
        case FlowStatus.CANCELING:
            return {"status": {"$nin": _list_values(over)}, "want.kind": WantKind.CANCEL.value}
        case FlowStatus.STOPPED:
            asked = {"status": {"$nin": _list_values(over)}, "want.kind": WantKind.STOP.value}
            return {"$or": [asked, {"status": {"$in": _list_values(_find_keys(_OPEN, wanted))}, **unwanted}]}
        case FlowStatus.PROCESSING:
            return {"status": {"$nin": _list_values(not_running)}, **unwanted}
        case FlowStatus.INITIALIZING:
            return {"status": {"$in": _list_values(_find_keys(_OPEN, wanted))}, **unwanted}
        case _:
            return {"status": {"$in": _list_values(_find_keys(_OVER, wanted))}}


def _find_keys(table: Mapping[RunStatus, FlowStatus], wanted: FlowStatus) -> list[RunStatus]:
    return [status for status, found in table.items() if found is wanted]


def _list_values(words: Iterable[RunStatus] | Iterable[WantKind]) -> list[str]:
    return sorted(word.value for word in words)
