"""Turn a step list into the graph of nodes that a worker registers. (core)

A step that runs a workflow becomes two nodes: the first calls the function, which returns the workflow's request, and
in the second the engine runs the workflow. A node's key is the step's position, so the hash of the definition depends
on the order of the steps. The hash also depends on the names and kinds of the steps and on their functions' names, but
not on the functions' code: a process that failed because of a bug can go on with corrected code.
"""

from typing import Any

from ewms.steps.step_list import Step, StepKind, StepList
from schemas.engine.graph import Graph, Node, NodeKind, WaitSpec, make_chain
from schemas.ids import NodeKey

_WAITS = (StepKind.INPUT, StepKind.CALLBACK, StepKind.EVENT)


def export_graph(steps: StepList) -> Graph:
    """Return the chain of nodes for `steps`, up to the first `done`. The steps after `done` never run."""
    nodes: list[Node] = []
    for position, step in enumerate(steps):
        nodes.append(_export_step(step, position, len(nodes)))
        if step.kind is StepKind.WORKFLOW:
            nodes.append(_export_workflow(step, position))
        if step.kind is StepKind.DONE:
            break
    return make_chain(tuple(nodes))


def _export_step(step: Step, position: int, number: int) -> Node:
    parts: dict[str, Any] = {"key": NodeKey(str(position)), "name": step.name, "retry": step.retry}
    if step.retries_from:
        parts["restarts"] = number - step.retries_from
    if step.gets_callback_route or step.kind is StepKind.WORKFLOW:
        parts["opens"] = number + 1
    timeout_s = None if step.wait is None or step.wait.timeout is None else step.wait.timeout.total_seconds()
    if step.kind in _WAITS:
        assert step.wait is not None
        spec = WaitSpec(
            kind=step.wait.kind,
            name=step.wait.name or step.name,
            correlation_key=step.correlation_key,
            result_key=step.wait.result_key,
            timeout_s=timeout_s,
        )
        # A wait with a condition is called first, to ask it. One with a correlation too: its key may be missing.
        asks = bool(step.scopes or step.correlation_key)
        return Node(**parts, kind=NodeKind.WAIT, wait=spec, function=name_function(step) if asks else "")
    if step.kind is StepKind.WORKFLOW:
        timeout_s = None
    return Node(**parts, kind=NodeKind.STEP, function=name_function(step), timeout_s=timeout_s)


def _export_workflow(step: Step, position: int) -> Node:
    """Return the node that runs the workflow whose request the node before it returns. No worker is called for this
    node.
    """
    assert step.wait is not None
    key = NodeKey(f"{position}.workflow")
    timeout_s = None if step.wait.timeout is None else step.wait.timeout.total_seconds()
    return Node(
        key=key,
        name=f"{step.name}: workflow",
        kind=NodeKind.WORKFLOW,
        result_key=step.wait.result_key,
        timeout_s=timeout_s,
    )


def name_function(step: Step) -> str:
    """Return the name of the function that the step calls, for logs and for the definition's hash."""
    if step.members is not None:
        return "+".join(name_function(member) for member in step.members)
    if step.function is None:
        return f"ewms.steps.{step.kind}"
    plain = step.function
    while hasattr(plain, "__wrapped__"):
        plain = plain.__wrapped__
    return f"{getattr(plain, '__module__', '')}.{getattr(plain, '__qualname__', type(plain).__qualname__)}"
