"""The campaign of trees strikes at every failpoint that trees meet, and its judge tells good ends from every other."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.engine.graph import BranchingProfile, Definition, DefinitionKind, Graph, Node
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeStatus, Parent, RunStatus
from schemas.ids import DefinitionHash, NodeKey, RunId, RunUuid
from tests.campaigns.engine_plan import Point, Victim
from tests.campaigns.tree_plan import LEAVE, RELEASE, find_tree_points, judge_trees
from wms.engine.life.launching import LaunchWish, make_run

NOW = datetime(2026, 11, 29, tzinfo=UTC)
ENDS = ("successful", "successful", "successful", "successful", "error", "successful")
TOLD = {"1-started-9", "1-success-9", "2-started-9", "2-error-9"}


def make_tree(number: int, nodes: list[dict[str, Any]], status: str, ends: tuple[str, ...]) -> RunDocument:
    """Return a tree that ended so."""
    graph = Graph(
        profile=BranchingProfile.DAG,
        nodes=tuple(
            Node.model_validate(
                {"key": NodeKey(each["identifier"]), "name": each["identifier"], "kind": "run", "definition": "leaf"}
            )
            for each in nodes
        ),
    )
    run = make_run(
        Definition(name=f"template/{number}", kind=DefinitionKind.TEMPLATE, graph=graph),
        LaunchWish(),
        definition_hash=DefinitionHash("h"),
        run_id=RunId(number),
        uuid=RunUuid(f"u-{number}"),
        secret="s",
        now=NOW,
    )
    states = tuple(
        state.model_copy(update={"status": NodeStatus(end)}) for state, end in zip(run.nodes, ends, strict=True)
    )
    return run.model_copy(update={"status": RunStatus(status), "nodes": states, "started_at": NOW})


def make_job(tree: RunDocument, place: int, number: int, status: RunStatus = RunStatus.SUCCESSFUL) -> RunDocument:
    """Return the job of a node."""
    job = make_tree(number, [{"identifier": "work"}], status, ("successful",))
    return job.model_copy(update={"parent": Parent(run=tree.id, node=place, attempt=1)})


def judge(**changes: Any) -> list[str]:
    """Return the faults of a good end with these changes."""
    release = changes.get("release") or make_tree(1, RELEASE, "successful", ENDS)
    leave = make_tree(2, LEAVE, "canceled", ("canceled", "canceled"))
    jobs = [make_job(release, place, 10 + place) for place in range(len(RELEASE))]
    runs = {run.id: run for run in [release, leave, *jobs, *changes.get("more", ())]}
    workflows = changes.get("workflows", [{"_id": "WF-1", "deactivated": "ABORTED"}])
    told = changes.get("told", TOLD)
    return judge_trees({"release 7": release, "leave 7": leave}, runs, workflows=workflows, told=told, template=9)


def test_the_points_are_those_of_the_engine_notifications_and_turns() -> None:
    names = {point.name for point in find_tree_points()}
    assert {"engine.committed/ChildEnded", "notifications.sent", "trees.turn", "worker.called"} <= names
    assert not any(name.endswith(("/PutState", "/Unserved")) for name in names)
    assert Point(Victim.WMS, "notifications.stored") in find_tree_points()


def test_a_good_end_has_no_fault() -> None:
    assert judge() == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"more": [make_job(make_tree(1, RELEASE, "successful", ENDS), 0, 77)]}, "node 0 of run 1 has 2 jobs"),
        ({"more": [make_job(make_tree(2, LEAVE, "canceled", ("canceled",) * 2), 0, 78, RunStatus.RUNNING)]}, "run 78"),
        ({"workflows": [{"_id": "WF-1"}]}, "the fleet workflow WF-1 is an orphan"),
        ({"workflows": [{"_id": each, "deactivated": "ABORTED"} for each in "ab"]}, "1 nodes have 2 fleet workflows"),
        ({"told": TOLD | {"1-error-9"}}, "the receiver was told"),
        ({"told": TOLD - {"1-success-9"}}, "the receiver was told"),
        ({"release": make_tree(1, RELEASE, "failed", ENDS)}, "release 7 ended as failed"),
        ({"release": make_tree(1, RELEASE, "successful", (*ENDS[:5], "passed"))}, "node rollback of"),
    ],
)
def test_each_fault_is_named(changes: dict[str, Any], fault: str) -> None:
    assert any(fault in each for each in judge(**changes)), judge(**changes)
