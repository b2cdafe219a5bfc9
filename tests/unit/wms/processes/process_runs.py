"""Runs of step lists to test with, as they are stored."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.engine.graph import DefinitionKind, Node, NodeKind, WaitKind, WaitSpec, make_chain
from schemas.engine.run_documents import LogRow, RunDocument
from schemas.engine.runs import NodeError, NodeState, NodeStatus, RunStatus, Wait
from schemas.ids import DefinitionHash, NodeKey, RunId, RunUuid

T0 = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
UUID = RunUuid("5a1c0000-0000-4000-8000-000000000001")
STEPS = ("Start", "Ask", "Work", "Done")


def at(minutes: int) -> datetime:
    """Return the instant so many minutes after the launch."""
    return T0 + timedelta(minutes=minutes)


def make_process(statuses: Sequence[NodeStatus | NodeState], status: RunStatus, **fields: Any) -> RunDocument:
    """Return a run of the four steps above whose nodes stand at `statuses`."""
    specs = tuple(
        Node(
            key=NodeKey(str(n)),
            name=name,
            kind=NodeKind.WAIT if name == "Ask" else NodeKind.STEP,
            function="" if name == "Ask" else "ewms.steps.done" if name == "Done" else f"do_{name.lower()}",
            wait=WaitSpec(kind=WaitKind.INPUT, name="Ask") if name == "Ask" else None,
        )
        for n, name in enumerate(STEPS)
    )
    nodes = tuple(
        one if isinstance(one, NodeState) else NodeState(key=NodeKey(str(n)), status=one)
        for n, one in enumerate(statuses)
    )
    given: dict[str, Any] = {
        "state": {"workflow_target": "CREATE", "customer_id": "c1", "product": "p1", "pin": "1234"},
        "owner": "ada",
        **fields,
    }
    return RunDocument(
        id=RunId(7),
        uuid=UUID,
        kind=DefinitionKind.STEPS,
        definition="create_node",
        definition_hash=DefinitionHash("h"),
        pool="default",
        graph=make_chain(specs),
        nodes=nodes,
        status=status,
        created_at=T0,
        **given,
    )


def make_node(number: int, status: NodeStatus, *, wait: WaitKind | None = None, **fields: Any) -> NodeState:
    """Return the node `number`, which may wait."""
    return NodeState(key=NodeKey(str(number)), status=status, wait=None if wait is None else Wait(kind=wait), **fields)


def make_row(number: int, node: int | None, status: str, *, act: str = "ended", **fields: Any) -> LogRow:
    """Return the row `number` of the log, one minute after the one before."""
    key = None if node is None else NodeKey(str(node))
    return LogRow(run=RunId(7), number=number, node=key, act=act, status=status, at=at(number), **fields)


def make_error(error_class: str = "ValueError", message: str = "no port", **details: Any) -> NodeError:
    """Return the error of a step."""
    return NodeError(error_class=error_class, message=message, traceback="Traceback ...", details=details)


def store_node(node: NodeState) -> Mapping[str, Any]:
    """Return `node` as MongoDB keeps it."""
    return node.model_dump(exclude_defaults=True)
