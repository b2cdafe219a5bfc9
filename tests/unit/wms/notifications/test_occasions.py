"""What a run has to tell, when, and whose lists count."""

from typing import Any

import pytest

from schemas.automation.notifications import NotificationList
from schemas.engine.graph import BranchingProfile, NodeKind, WaitKind, WaitSpec
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeError, NodeState, Parent, RunMoment, RunStatus
from schemas.ids import OrganizationId, RunId
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import NOW, Walk
from wms.notifications.occasions import find_occasions, list_targets, may_tell
from wms.trees.graphs.tree_definitions import name_definition

BOTH = (RunMoment.STARTED, RunMoment.ENDED)


def make_told_run(
    status: str, *, began: bool = True, untold: tuple[RunMoment, ...] = BOTH, **fields: Any
) -> RunDocument:
    """Return a job of one node."""
    run = Walk(make_graph(BranchingProfile.TREE, 1)).run.facts
    more = {"status": RunStatus(status), "started_at": NOW if began else None, "untold": untold}
    return run.model_copy(update={**more, "organization": "north", "definition": name_definition(7), **fields})  # type: ignore[arg-type]  # an id


def make_approval(status: str, error_class: str = "") -> RunDocument:
    """Return an approval."""
    wait = WaitSpec(kind=WaitKind.APPROVAL, name="sign")
    more = {"kind": NodeKind.WAIT, "wait": wait, "function": ""}
    graph = make_graph(BranchingProfile.TREE, 1, fields={0: more}).model_copy(update={"is_leaf": True})
    run = make_told_run(status, graph=graph, parent=Parent(run=RunId(3), node=0, attempt=1))
    error = NodeError(error_class=error_class, message="") if error_class else None
    return run.model_copy(update={"nodes": (NodeState(key=graph.nodes[0].key, error=error),)})


@pytest.mark.parametrize(
    ("run", "told", "settled"),
    [
        (make_told_run("created", began=False), [], []),
        (make_told_run("running"), ["started/started"], ["started"]),
        (make_told_run("waiting", untold=(RunMoment.ENDED,)), [], []),
        (make_told_run("successful"), ["started/started", "success/success"], ["started", "ended"]),
        (make_told_run("successful", untold=(RunMoment.ENDED,)), ["success/success"], ["ended"]),
        (make_told_run("failed", untold=(RunMoment.ENDED,)), ["error/error"], ["ended"]),
        (make_told_run("error", untold=(RunMoment.ENDED,)), ["error/error"], ["ended"]),
        (make_told_run("canceled"), ["started/started", "error/error"], ["started", "ended"]),
        (make_told_run("canceled", began=False), ["error/error"], ["started", "ended"]),
        (make_told_run("successful", untold=()), [], []),
        (make_approval("waiting"), ["approvals/running"], ["started"]),
        (make_approval("successful"), ["approvals/running", "approvals/approved"], ["started", "ended"]),
        (make_approval("failed", "Denied"), ["approvals/running", "approvals/denied"], ["started", "ended"]),
        (make_approval("failed", "TimedOut"), ["approvals/running", "approvals/timed_out"], ["started", "ended"]),
        (make_approval("canceled"), ["approvals/running"], ["started", "ended"]),
    ],
)
def test_a33_a_run_tells_of_its_start_and_its_end(run: RunDocument, told: list[str], settled: list[str]) -> None:
    occasions, moments = find_occasions(run)
    assert [f"{each.list}/{each.words}" for each in occasions] == told
    assert [each.value for each in moments] == settled
    for each in occasions:
        assert each.list in list(NotificationList)


def test_a33_the_lists_of_the_template_and_of_the_organization_count() -> None:
    run = make_told_run("running")
    assert list_targets(run, None) == ("template/7", "organization/north")
    assert list_targets(run.model_copy(update={"organization": ""}), None) == ("template/7",)
    parent = run.model_copy(update={"definition": name_definition(9)})  # type: ignore[arg-type]  # an id
    assert list_targets(make_approval("waiting"), parent) == ("template/9", "organization/north")
    assert list_targets(make_approval("waiting"), None) == ("organization/north",)


@pytest.mark.parametrize(("organization", "may"), [("north", True), ("south", False), ("", True)])
def test_no_receiver_is_told_of_a_run_of_another_organization(organization: str, may: bool) -> None:
    run = make_told_run("running").model_copy(update={"organization": organization})
    assert may_tell(run, OrganizationId("north")) is may
