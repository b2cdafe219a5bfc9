"""The two forms in which clients see a process: the whole document, and the line in a list. (core)

These documents have the fields that a client of orchestrator-core reads. `status` and `last_status` are the same,
because clients of different versions read one or the other.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.api.processes import ChildProcess, ProcessDetail, ProcessSubscription, ProcessSummary
from schemas.engine.processes import Target
from schemas.engine.run_documents import LogRow, RunDocument
from schemas.engine.runs import RUN_OVER, NodeState, NodeStatus, Parent, RunStatus, Want, WantKind
from wms.engine.life.variables import mask_values
from wms.processes.process_status import find_assignee, find_holding_node, find_process_status
from wms.processes.step_rows import list_acts, list_steps

_BEING = {WantKind.STOP: "it is being stopped", WantKind.CANCEL: "it is being aborted"}


class RunView(BaseModel):
    """The part of a run that a line in a list needs.

    `nodes` has only the nodes that are open or ended badly. `step_names` maps the key of each of these nodes to its
    name.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int
    uuid: str
    definition: str
    status: RunStatus
    want: Want | None = None
    nodes: tuple[NodeState, ...] = ()
    step_names: Mapping[str, str] = Field(default_factory=dict)
    state: dict[str, Any] = Field(default_factory=dict)
    parent: Parent | None = None
    owner: str = ""
    note: str = ""
    subscriptions: tuple[str, ...] = ()
    explanation: str = ""
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None


#: The keys of the state that a list shows.
LISTED_KEYS = ("workflow_target", "product", "customer_id", "subscription_id")


def view_run(run: RunDocument) -> RunView:
    """Return the part of `run` that a line in a list needs."""
    holding = [node for node in run.nodes if node.status in _LISTED or node.error is not None]
    names = {spec.key: spec.name for spec in run.graph.nodes}
    return RunView(
        id=run.id,
        uuid=run.uuid,
        definition=run.definition,
        status=run.status,
        want=run.want,
        nodes=tuple(holding),
        step_names={node.key: names[node.key] for node in holding},
        state={key: run.state[key] for key in LISTED_KEYS if key in run.state},
        parent=run.parent,
        owner=run.owner,
        note=run.note,
        subscriptions=run.subscriptions,
        explanation=run.explanation,
        created_at=run.created_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )


_LISTED = (NodeStatus.DUE, NodeStatus.TAKEN, NodeStatus.WAITING, NodeStatus.RETRYING, NodeStatus.HALTED)


def summarize_process(view: RunView) -> ProcessSummary:
    """Return the line for a process in a list."""
    return ProcessSummary(**_summarize(view))


def _summarize(view: RunView) -> dict[str, Any]:
    status = find_process_status(view.status, view.nodes)
    node = find_holding_node(view.nodes)
    failed = node if node is not None and node.error is not None else None
    if failed is None and view.status in (RunStatus.FAILED, RunStatus.ERROR):
        failed = next((one for one in reversed(view.nodes) if one.error is not None), None)
    error = failed.error if failed is not None else None
    target = read_target(view.state)
    shown = node if node is not None else failed
    return {
        "process_id": view.uuid,
        "run": view.id,
        "workflow_name": view.definition,
        "workflow_target": target,
        "is_task": is_task(target),
        "status": status,
        "last_status": status,
        "last_step": view.step_names.get(shown.key) if shown is not None else None,
        "assignee": find_assignee(status, failed),
        "failed_reason": error.message if error is not None else None,
        "traceback": error.traceback or None if error is not None else None,
        "explanation": explain_process(view, node),
        "created_by": view.owner,
        "customer_id": read_text(view.state, "customer_id"),
        "product_id": read_text(view.state, "product"),
        "parent": view.parent.run if view.parent is not None else None,
        "note": view.note or None,
        "created_at": view.created_at,
        "started_at": view.started_at,
        "ended_at": view.ended_at,
        "subscription_ids": list(view.subscriptions) or _read_subscription(view.state),
    }


def describe_process(
    run: RunDocument,
    rows: Sequence[LogRow],
    *,
    form: Mapping[str, Any] | None = None,
    children: Sequence[ChildProcess] = (),
    subscriptions: Sequence[Mapping[str, Any]] = (),
) -> ProcessDetail:
    """Return the whole document of a process. `rows` is its log, `form` the schema of the form that it waits for."""
    summary = _summarize(view_run(run))
    listed = list(subscriptions) or [{"subscription_id": one} for one in summary["subscription_ids"]]
    return ProcessDetail(
        **summary,
        last_modified_at=max((row.at for row in rows), default=run.created_at),
        steps=list_steps(run, rows),
        acts=list_acts(rows),
        current_state=mask_values(run.state, run.masked),
        form=dict(form) if form is not None else None,
        subscriptions=[ProcessSubscription.model_validate(one) for one in listed],
        children=list(children),
    )


def explain_process(view: RunView, node: NodeState | None) -> str:
    """Return the reason for the status of a process. Return "" if the status says enough."""
    if view.want is not None and view.status not in RUN_OVER:
        return _BEING.get(view.want.kind, "")
    return (node.explanation if node is not None else "") or view.explanation


def read_target(state: Mapping[str, Any]) -> str | None:
    """Return the target of the process, from its state."""
    return read_text(state, "workflow_target")


def read_text(state: Mapping[str, Any], key: str) -> str | None:
    """Return the text under `key` in the state. Return None if there is no text."""
    value = state.get(key)
    return value if isinstance(value, str) and value else None


def is_task(target: str | None) -> bool:
    """Return whether processes with this target are tasks. Return False for an unknown target."""
    return target in [known.value for known in Target if known.is_task]


def _read_subscription(state: Mapping[str, Any]) -> list[str]:
    found = read_text(state, "subscription_id")
    return [found] if found is not None else []
