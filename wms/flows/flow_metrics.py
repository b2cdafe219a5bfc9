"""Count the new statuses of flows and their nodes, after the commit."""

from runtime.telemetry import counter
from schemas.engine.flows import BIZ_TYPE, BIZ_TYPES, FlowStatus
from schemas.engine.graph import DefinitionKind
from wms.engine.engine import Engine
from wms.engine.life.open_run import OpenRun, RunDecision
from wms.flows.statuses import find_flow_status, find_node_status, find_want

_SERVICE = "wms"
_flows = counter(
    "work_flow_total",
    "Flows, by the statuses that they have taken.",
    ["service", "biz_type", "flow_name", "flow_status"],
)
_nodes = counter(
    "work_flow_node_total",
    "Nodes of flows, by the statuses that they have taken.",
    ["service", "biz_type", "flow_name", "flow_node", "flow_node_status"],
)


def count_statuses(engine: Engine) -> None:
    """Count the statuses of all flows of `engine` from now on."""
    engine.on_launch.append(_count_launch)
    engine.on_change.append(_count_change)


def _count_launch(run: OpenRun) -> None:
    if run.facts.kind is DefinitionKind.FLOW:
        _count_flow(run, find_flow_status(run.facts.status, find_want(run.facts.want)))


def _count_change(run: OpenRun, decision: RunDecision) -> None:
    """Count the changes of `decision` in `run`, which is the run before the decision."""
    if run.facts.kind is not DefinitionKind.FLOW:
        return
    before = find_flow_status(run.facts.status, find_want(run.facts.want))
    status, want = (decision.fields.get(name, getattr(run.facts, name)) for name in ("status", "want"))
    after = find_flow_status(status, find_want(want))
    if after is not before:
        _count_flow(run, after)
    for number, state in decision.nodes.items():
        stood, stands = find_node_status(run.nodes[number].status), find_node_status(state.status)
        if stands is not None and stands is not stood:
            name = run.facts.graph.nodes[number].name
            _nodes.labels(_SERVICE, _find_biz_type(run), run.facts.definition, name, stands.value).inc()


def _count_flow(run: OpenRun, status: FlowStatus) -> None:
    _flows.labels(_SERVICE, _find_biz_type(run), run.facts.definition, status.value).inc()


def _find_biz_type(run: OpenRun) -> str:
    """Return the flow's `biz_type`, or "other" if it is unknown: a label must not have an unlimited number of
    values.
    """
    biz_type = str(run.facts.params.get(BIZ_TYPE, ""))
    return biz_type if not biz_type or biz_type in BIZ_TYPES else "other"
