"""Find the nodes that a relaunch from the failed nodes need not run again. (core)

    in the earlier run                                   in the new run
    successful, and all nodes above it keep their ends   reused: the same end, the same artifacts, marked
    passed, and all nodes above it keep their ends       decided again, from the same ends
    anything else, and everything below it               runs again

A handler that ran because a node failed stands below that node. So it runs again only if the node fails again.
"""

from collections.abc import Mapping

from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import RUN_OVER, NodeState, NodeStatus
from schemas.errors import Conflict
from schemas.ids import NodeKey
from wms.engine.life.graph import find_layout, sort_topologically

_GOOD = frozenset({NodeStatus.SUCCESSFUL, NodeStatus.SKIPPED})


def find_reused(run: RunDocument) -> Mapping[NodeKey, NodeState]:
    """Return the nodes that keep their results when `run` is launched again from its failed nodes, by key.

    Raises:
        Conflict: the run is not over, or there is nothing to run again.
    """
    if run.status not in RUN_OVER:
        raise Conflict(f"job {run.id} is {run.status}: it can be launched again when it is over")
    incoming = find_layout(run.graph).incoming
    keeps_end: set[int] = set()
    reused: dict[NodeKey, NodeState] = {}
    for number in sort_topologically(run.graph):
        if not all(source in keeps_end for source, _ in incoming[number]):
            continue
        state = run.nodes[number]
        if state.status in _GOOD:
            reused[state.key] = state.model_copy(update={"reused_from": state.reused_from or run.id})
        if state.status in _GOOD or state.status is NodeStatus.PASSED:
            keeps_end.add(number)
    if len(keeps_end) == len(run.nodes):
        raise Conflict(f"no node of job {run.id} has failed", hint="launch the whole tree again")
    return reused
