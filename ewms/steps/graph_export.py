"""A step list as a graph of nodes, and what a worker registers. (core)

A node's key is the step's position, so the hash of the definition covers the order. It covers names and
kinds, and the functions' names, but not what the functions do: a process that failed by a bug goes on with mended code.
"""

from typing import Any

from ewms.steps.step_list import Step, StepKind, StepList
from schemas.graph import Graph, Node, NodeKind, WaitSpec, make_chain
from schemas.ids import NodeKey

_WAITS = (StepKind.INPUT, StepKind.CALLBACK, StepKind.EVENT)


def export_graph(steps: StepList) -> Graph:
    """Return the chain of nodes for `steps`, up to the first `done`: nothing after it ever runs."""
    nodes = []
    for position, step in enumerate(steps):
        nodes.append(_export_step(step, position))
        if step.kind is StepKind.DONE:
            break
    return make_chain(tuple(nodes))


def _export_step(step: Step, position: int) -> Node:
    parts: dict[str, Any] = {"key": NodeKey(str(position)), "name": step.name, "retry": step.retry}
    if step.retries_from:
        parts["restarts"] = position - step.retries_from
    if step.gets_callback_route:
        parts["opens"] = position + 1
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
    kind = NodeKind.WORKFLOW if step.kind is StepKind.WORKFLOW else NodeKind.STEP
    return Node(**parts, kind=kind, function=name_function(step), timeout_s=timeout_s)


def name_function(step: Step) -> str:
    """Return the name of what the step calls, for logs and for the definition's hash."""
    if step.members is not None:
        return "+".join(name_function(member) for member in step.members)
    if step.function is None:
        return f"ewms.steps.{step.kind}"
    plain = step.function
    while hasattr(plain, "__wrapped__"):
        plain = plain.__wrapped__
    return f"{getattr(plain, '__module__', '')}.{getattr(plain, '__qualname__', type(plain).__qualname__)}"
