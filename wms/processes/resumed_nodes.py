"""Find the node of a run that waits for a person. (core)"""

from schemas.engine.graph import WaitKind
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeState, NodeStatus


def find_input_node(run: RunDocument) -> NodeState | None:
    """Return the node of `run` that waits for a form. Return None if there is no such node."""
    waiting = (node for node in run.nodes if node.status is NodeStatus.WAITING and node.wait is not None)
    return next((node for node in waiting if node.wait is not None and node.wait.kind is WaitKind.INPUT), None)


def find_resumed_node(run: RunDocument) -> NodeState | None:
    """Return the node of `run` that a resume brings on. Return None if there is no such node."""
    wanted = (NodeStatus.HALTED, NodeStatus.RETRYING, NodeStatus.WAITING)
    return next((node for status in wanted for node in run.nodes if node.status is status), None)
