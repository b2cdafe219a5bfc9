"""The flows of this Python process, by name. A worker offers them."""

from collections.abc import Iterator
from contextlib import contextmanager

from ewms.flows.defining import WorkflowDefine

_FLOWS: dict[str, WorkflowDefine] = {}


def register_workflow(flow_name: str, flow_define: WorkflowDefine) -> None:
    """Offer a flow under a name. A second call with the same name replaces the first.

    register_workflow("create_cluster", WorkflowDefine({"start": NodeDefine("check", executor=check)}))
    """
    _FLOWS[flow_name] = flow_define


def list_flows() -> dict[str, WorkflowDefine]:
    """Return all flows, in the order of their names."""
    return {name: _FLOWS[name] for name in sorted(_FLOWS)}


@contextmanager
def keep_flows() -> Iterator[None]:
    """Forget, at the end of the block, the flows that it has registered. Tests use this."""
    before = dict(_FLOWS)
    try:
        yield
    finally:
        _FLOWS.clear()
        _FLOWS.update(before)
