"""Say why a node ran, waits or did not run, and which nodes made a run fail. (core)"""

from collections.abc import Iterable

from schemas.engine.graph import EdgeKind
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeState, NodeStatus, RunStatus
from wms.engine.life.branching import is_satisfied, judge_run


def explain_node(run: RunDocument, state: NodeState, sources: Iterable[tuple[int, EdgeKind]]) -> str:
    """Return why a node ran, waits, or did not run. `sources` are the edges to it, each with its source's number."""
    own = read_own_reason(state)
    if state.reused_from is not None:
        return f"reused from job {state.reused_from}"
    ends = [(run.graph.nodes[source].name, run.nodes[source].status, kind) for source, kind in sources]
    if not ends:
        return own or ("" if state.status in (NodeStatus.PENDING, NodeStatus.PASSED) else "a root")
    told = [
        f"{kind} of {name} ({status})"
        for name, status, kind in ends
        if (state.status is NodeStatus.PENDING) == (is_satisfied(run.graph.profile, status, kind) is None)
        and (state.status is NodeStatus.PASSED) == (is_satisfied(run.graph.profile, status, kind) is False)
    ]
    begin = {NodeStatus.PENDING: "waits for ", NodeStatus.PASSED: "not after "}.get(state.status, "after ")
    text = begin + ", ".join(told) if told else ""
    return f"{text}: {own}" if own and text else own or text


def read_own_reason(state: NodeState) -> str:
    """Return what a node itself says about its status, which is its error if it has no other words; "" if nothing."""
    return state.explanation or ("" if state.error is None else state.error.message)


def find_unhandled(run: RunDocument) -> list[int]:
    """Return the places in the graph of the nodes that made the run fail, as the branching profile judges."""
    found = []
    for place, (spec, state) in enumerate(zip(run.graph.nodes, run.nodes, strict=True)):
        kinds: Iterable[EdgeKind] = [edge.kind for edge in spec.edges]
        judged, _ = judge_run(
            run.graph.profile, [(spec.key, state.status, kinds)], any_failure_fails=run.graph.any_failure_fails
        )
        if judged is RunStatus.FAILED:
            found.append(place)
    return found
