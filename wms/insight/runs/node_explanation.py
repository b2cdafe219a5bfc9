"""Explain one node of a run: why it waits, is at work, failed, or does not run. (core)"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.api.workflows.explanation import ExplainedCause
from schemas.causes.nodes import find_failure_cause, find_unserved_cause
from schemas.engine.graph import BranchingProfile, EdgeKind, Node, NodeKind, WaitKind
from schemas.engine.processes import ProcessStatus
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NODE_OVER, RUN_OVER, NodeState, NodeStatus, RunStatus, Wait
from schemas.explain.named_cause import name_cause
from wms.engine.life.open_run import calls_function
from wms.insight.runs.node_reasons import explain_node, read_own_reason
from wms.insight.runs.run_situation import RunSituation, append_reason, format_time, name_in_commands, shorten_reason

#: What the details of an error say about its kind -> the cause.
_BY_STATUS = {
    ProcessStatus.INCONSISTENT_DATA.value: "data-inconsistent",
    ProcessStatus.API_UNAVAILABLE.value: "api-unavailable",
}


@dataclass(frozen=True, slots=True)
class PlacedNode:
    """A node with the run in which it is, and its name after the names of those above it."""

    run: RunDocument
    spec: Node
    state: NodeState
    name: str
    #: The edges to it, each with the number of its source.
    sources: Sequence[tuple[int, EdgeKind]]
    #: Whether its bad end makes the run fail.
    is_unhandled: bool
    #: Why it ended badly, as the run that it has started tells it; "": it has started none.
    why_below: str = ""

    def name_cause(self, cause: str, n: int = 0, **values: Any) -> ExplainedCause:
        """Return a cause that concerns the node."""
        return name_cause(cause, n, node=self.name, **{**name_in_commands(self.run), **values})


def explain_placed_node(facts: RunSituation, node: PlacedNode) -> Iterator[ExplainedCause]:
    """Yield the causes that a node shows by itself. The run that it has started, if any, is explained elsewhere."""
    state = node.state
    match state.status:
        case NodeStatus.DUE:
            yield from _explain_due(facts, node)
        case NodeStatus.TAKEN:
            yield node.name_cause("step-running", worker=state.taken_by, at=format_time(state.started_at))
        case NodeStatus.WAITING if state.wait is not None:
            yield from _explain_wait(facts, node, state.wait)
        case NodeStatus.RETRYING:
            why, at = shorten_reason(read_own_reason(state)), format_time(state.wake_at)
            yield node.name_cause("retry-awaited", state.n_failures, why=why, at=at)
        case NodeStatus.HALTED:
            yield _explain_failure(node)
        case NodeStatus.FAILED | NodeStatus.ERROR if node.spec.kind is not NodeKind.EMPTY:
            yield _explain_failure(node) if node.is_unhandled else _explain_handled(node)
        case NodeStatus.PASSED | NodeStatus.ERROR:
            yield from _explain_passed(node)
        case NodeStatus.PENDING:
            yield from _explain_join(node)
        case _:
            pass
    if state.n_lost and state.status in (NodeStatus.DUE, NodeStatus.TAKEN):
        yield node.name_cause("step-sent-again", state.n_lost)


def _explain_due(facts: RunSituation, node: PlacedNode) -> Iterator[ExplainedCause]:
    state, pool = node.state, node.spec.pool or node.run.pool
    if facts.lock.is_locked:
        # The run as a whole says so.
        return
    if not calls_function(node.spec):
        yield node.name_cause("child-starting")
    elif why := facts.refusals.get((node.run.id, state.key), "") or state.explanation:
        yield node.name_cause(find_unserved_cause(why), why=shorten_reason(why))
    else:
        workers = [worker for worker in facts.workers if worker.pool == pool]
        yield node.name_cause(
            "step-queued",
            at=format_time(state.due_at),
            pool=pool,
            n_workers=len(workers),
            n_running=sum(worker.n_running for worker in workers),
        )


def _explain_wait(facts: RunSituation, node: PlacedNode, wait: Wait) -> Iterator[ExplainedCause]:
    until = "" if wait.deadline is None else f", until {format_time(wait.deadline)} at the latest"
    told: dict[str, Any] = {"at": format_time(wait.armed_at), "until": until}
    match wait.kind:
        case WaitKind.CALLBACK:
            yield node.name_cause("callback-awaited", **told)
        case WaitKind.EVENT:
            name, correlation = wait.name, shorten_reason(wait.correlation)
            command = f"ewms process publish-event {shlex.quote(name)} --correlation {shlex.quote(wait.correlation)}"
            yield node.name_cause("event-awaited", name=name, correlation=correlation, command=command, **told)
        case WaitKind.INPUT:
            yield node.name_cause("form-awaited", **told)
        case WaitKind.APPROVAL:
            ids = name_in_commands(node.run)
            yield node.name_cause(
                "approval-awaited", command=f"ewms tree approve {ids['id']} {shlex.quote(node.spec.name)}", **told
            )
        case WaitKind.POLL:
            yield node.name_cause("poll-awaited", node.state.n_polls, at=format_time(node.state.wake_at))
        case WaitKind.CHILD:
            yield from _explain_child(facts, node)


def _explain_child(facts: RunSituation, node: PlacedNode) -> Iterator[ExplainedCause]:
    """Yield what a node waits for below it: a workflow, or a run that was not read."""
    workflow, child = node.state.workflow_id, node.state.child_run
    if workflow is not None:
        why = facts.stalls.get(workflow, "")
        cause = "workflow-stalled" if why else "workflow-running"
        yield node.name_cause(cause, workflow=workflow, why=shorten_reason(why))
    elif child is not None and child not in facts.below:
        ids = name_in_commands(node.run)
        yield node.name_cause("child-running", what=f"run {child}", command=f"ewms {ids['noun']} show {ids['id']}")


def _explain_failure(node: PlacedNode) -> ExplainedCause:
    error = node.state.error
    why = shorten_reason(read_own_reason(node.state)) or "without a reason"
    named = None if error is None else error.details.get("status")
    if isinstance(named, str) and named in _BY_STATUS:
        cause = _BY_STATUS[named]
    elif error is not None and error.error_class == "TimedOut" and node.spec.kind is NodeKind.WAIT:
        cause = "wait-expired"
    else:
        cause = find_failure_cause("" if error is None else error.error_class)
    if error is not None and cause == "step-failed":
        why = f"{error.error_class}: {why}"
    return node.name_cause(cause, why=why)


def _explain_handled(node: PlacedNode) -> ExplainedCause:
    why = append_reason(shorten_reason(node.why_below or read_own_reason(node.state)))
    return node.name_cause("failure-handled", status=node.state.status.value, why=why)


def _explain_passed(node: PlacedNode) -> Iterator[ExplainedCause]:
    if node.spec.kind is NodeKind.EMPTY and node.state.explanation:
        yield node.name_cause("template-missing", why=node.state.explanation)
    elif node.run.graph.profile is not BranchingProfile.CHAIN and node.run.status is not RunStatus.CANCELED:
        why = explain_node(node.run, node.state, node.sources)
        yield node.name_cause("node-passed", why=shorten_reason(why))


def _explain_join(node: PlacedNode) -> Iterator[ExplainedCause]:
    """Yield that a node waits for further parents although some are over."""
    run = node.run
    begun = [source for source, _ in node.sources if run.nodes[source].status in NODE_OVER]
    if not begun or len(node.sources) < 2 or run.status in RUN_OVER or run.want is not None:
        return
    yield node.name_cause("join-awaited", why=shorten_reason(explain_node(run, node.state, node.sources)))
