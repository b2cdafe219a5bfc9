"""Explain how a run of a template ended, with the nodes by their numbers and names. (core)"""

from schemas.engine.graph import NodeKind
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeStatus, RunStatus
from wms.insight.runs.node_reasons import find_unhandled, read_own_reason

#: The nodes of run r have the numbers from r times this on, so a number alone tells run and node.
NODE_STRIDE = 20_000
_MAX_SHOWN = 10


def number_node(run_id: int, place: int) -> int:
    """Return the number of the node at `place` in a run."""
    return run_id * NODE_STRIDE + place


def split_number(number: int) -> tuple[int, int]:
    """Return the run and the place of the node with this number."""
    return divmod(number, NODE_STRIDE)


def count_handled(run: RunDocument) -> int:
    """Return how many nodes failed without failing the run, because an edge led on from them."""
    bad = sum(state.status in (NodeStatus.FAILED, NodeStatus.ERROR, NodeStatus.CANCELED) for state in run.nodes)
    return bad - len(find_unhandled(run))


def explain_run(run: RunDocument) -> str:
    """Return why a run of a template is where it is, for a person; empty: nothing needs an explanation."""
    skipped = _explain_skipped(run)
    if run.graph.is_leaf or run.status is not RunStatus.FAILED or not (places := find_unhandled(run)):
        return "; ".join(filter(None, (run.explanation, skipped)))
    shown = [_describe_end(run, place) for place in places[:_MAX_SHOWN]]
    if len(places) > _MAX_SHOWN:
        shown.append(f"and {len(places) - _MAX_SHOWN} more")
    return "; ".join(filter(None, (f"no edge handles the end of these nodes: {'; '.join(shown)}", skipped)))


def _explain_skipped(run: RunDocument) -> str:
    if run.occurrence is None or not run.occurrence.skipped:
        return ""
    n = run.occurrence.skipped
    return f"{n} earlier occurrence{'s' * (n > 1)} of schedule {run.occurrence.name!r} missed while no WMS ran, skipped"


def _describe_end(run: RunDocument, place: int) -> str:
    spec, state = run.graph.nodes[place], run.nodes[place]
    why = read_own_reason(state)
    what = "has no template" if spec.kind is NodeKind.EMPTY else str(state.status)
    return f"node #{number_node(run.id, place)} {spec.name!r} {what}{f' ({why})' if why else ''}"
