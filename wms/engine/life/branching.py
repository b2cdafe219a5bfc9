"""Decide which edges an outcome satisfies, when a node runs, and how a run ends: the tables of all profiles. (core)

    outcome of the source      success   failure   always
    successful, skipped        yes       no        yes
    failed                     no        yes       yes
    error, canceled   tree     no        no        no         everything below stops
                      dag      no        yes       yes
    passed                     no        no        no
    not over                   undecided

A chain follows the table of a tree, and all its edges follow success. If several edges lead to a node, its convergence
decides. With ANY, the node waits until all edges are decided, and runs if one of them is satisfied. With ALL, the node
runs if all edges are satisfied; it is passed as soon as one edge is not satisfied.
"""

from collections.abc import Iterable
from enum import StrEnum

from schemas.engine.graph import BranchingProfile, Convergence, EdgeKind
from schemas.engine.runs import NODE_OVER, NodeStatus, RunStatus

_AFTER_SUCCESS = frozenset({EdgeKind.SUCCESS, EdgeKind.ALWAYS})
_AFTER_FAILURE = frozenset({EdgeKind.FAILURE, EdgeKind.ALWAYS})
_NONE: frozenset[EdgeKind] = frozenset()

_SATISFIED: dict[bool, dict[NodeStatus, frozenset[EdgeKind]]] = {
    routes_errors: {
        NodeStatus.SUCCESSFUL: _AFTER_SUCCESS,
        NodeStatus.SKIPPED: _AFTER_SUCCESS,
        NodeStatus.FAILED: _AFTER_FAILURE,
        NodeStatus.ERROR: _AFTER_FAILURE if routes_errors else _NONE,
        NodeStatus.CANCELED: _AFTER_FAILURE if routes_errors else _NONE,
        NodeStatus.PASSED: _NONE,
    }
    for routes_errors in (False, True)
}

_BAD = frozenset({NodeStatus.FAILED, NodeStatus.ERROR, NodeStatus.CANCELED})


class Readiness(StrEnum):
    """What to do with a node that has not begun: run it, pass it, or wait."""

    RUN = "run"
    PASS = "pass"  # noqa: S105 - a decision, not a password
    WAIT = "wait"


def is_satisfied(profile: BranchingProfile, status: NodeStatus, kind: EdgeKind) -> bool | None:
    """Return whether the source's `status` satisfies an edge of `kind`. Return None if the source is not over."""
    if status not in NODE_OVER:
        return None
    return kind in _SATISFIED[profile is BranchingProfile.DAG][status]


def decide_node(convergence: Convergence, *, n_edges: int, n_decided: int, n_satisfied: int) -> Readiness:
    """Return what to do with a node that has not begun.

    `n_edges` edges lead to the node. `n_decided` of them are decided, and `n_satisfied` are satisfied. A node without
    edges to it (a root) runs.
    """
    if convergence is Convergence.ALL and n_decided > n_satisfied:
        return Readiness.PASS
    if n_decided < n_edges:
        return Readiness.WAIT
    return Readiness.RUN if n_satisfied or not n_edges else Readiness.PASS


def empty_status(profile: BranchingProfile) -> NodeStatus:
    """Return the status of a node that has nothing to run.

    In a dag this is an error, which edges can handle. In a tree the branch ends, and the run does not fail.
    """
    return NodeStatus.ERROR if profile is BranchingProfile.DAG else NodeStatus.PASSED


def judge_run(
    profile: BranchingProfile,
    nodes: Iterable[tuple[str, NodeStatus, Iterable[EdgeKind]]],
    *,
    any_failure_fails: bool,
    ends_as_worst_node: bool = False,
) -> tuple[RunStatus, str]:
    """Return the status and the explanation of a run whose nodes are all over.

    `nodes` has for each node its key, its status, and the kinds of the edges from it.

        tree, chain    an error or a cancellation fails the run, and so does a failure that no edge handles
        dag            any of these fails the run if no edge handles it

    With `any_failure_fails`, edges handle nothing. With `ends_as_worst_node` that holds too, and an error counts as an
    error.
    """
    unhandled = []
    bad_end = RunStatus.FAILED
    for key, status, kinds in nodes:
        if status not in _BAD:
            continue
        stops = status is not NodeStatus.FAILED and profile is not BranchingProfile.DAG
        if ends_as_worst_node and status is NodeStatus.ERROR:
            bad_end = RunStatus.ERROR
        if any_failure_fails or ends_as_worst_node or stops or _AFTER_FAILURE.isdisjoint(kinds):
            unhandled.append(f"{key} {status}")
    if not unhandled:
        return RunStatus.SUCCESSFUL, ""
    shown = ", ".join(unhandled[:10]) + (f" and {len(unhandled) - 10} more" if len(unhandled) > 10 else "")
    return bad_end, f"nodes that ended badly: {shown}"
