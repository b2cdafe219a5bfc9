"""A node that runs an EWMS workflow: the engine as a user of the fleet, with MQS and TMS played by the test."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from schemas.graph import BranchingProfile, Edge, EdgeKind, Graph, Node
from schemas.runs import Outcome, WantKind
from tests.integration.wms.conftest import World, request
from tests.integration.wms.engine.conftest import EngineWorld, define, step
from tests.integration.wms.engine.peers import Worker
from wms.engine.life.stimuli import Wish


def graph(params: dict[str, Any]) -> Graph:
    """Return a graph that runs a workflow, then one step for a good end and another for a bad one."""
    edges = (Edge(kind=EdgeKind.SUCCESS, to=1), Edge(kind=EdgeKind.FAILURE, to=2))
    workflow = Node.model_validate({"key": "wf", "name": "wf", "kind": "workflow", "params": params, "edges": edges})
    return Graph(profile=BranchingProfile.DAG, nodes=(workflow, step("good"), step("bad")))


@pytest.fixture
async def both(world: World, connect_worker: Callable[[str, str], Awaitable[Worker]]) -> tuple[World, EngineWorld]:
    """The fleet's world and the engine's, of one WMS."""
    return world, EngineWorld(world.wms, connect_worker)


async def test_a_workflow_that_its_user_finishes_ends_its_node_well(both: tuple[World, EngineWorld]) -> None:
    world, engine = both
    worker = await engine.add_worker("w1", define("wf", graph=graph(request())))
    run = await engine.launch("wf")
    started = await engine.until(run, lambda document: document.nodes[0].workflow_id is not None)
    workflow_id = started.nodes[0].workflow_id
    (taskforce,) = [t async for t in taskforces_of(world, str(workflow_id))]
    await world.in_phase(taskforce, "condor-submit")
    assert (await engine.load(run)).status == "running"
    answer = await world.post(f"/v1/workflows/{workflow_id}/actions/finished", {})
    assert answer.status_code == 200, answer.text
    await worker.end(await worker.hear("good"))
    ended = await engine.until_status(run, "successful")
    assert [state.status for state in ended.nodes] == ["successful", "successful", "passed"]


async def test_a_workflow_that_somebody_aborts_is_an_error_of_its_node(both: tuple[World, EngineWorld]) -> None:
    world, engine = both
    worker = await engine.add_worker("w1", define("wf", graph=graph(request())))
    run = await engine.launch("wf")
    started = await engine.until(run, lambda document: document.nodes[0].workflow_id is not None)
    await world.post(f"/v1/workflows/{started.nodes[0].workflow_id}/actions/abort", {})
    await worker.hear("bad")
    error = (await engine.load(run)).nodes[0].error
    assert error is not None
    assert "was aborted" in error.message


async def test_a_canceled_run_aborts_its_workflow_and_is_over_after_it(both: tuple[World, EngineWorld]) -> None:
    world, engine = both
    await engine.add_worker("w1", define("wf", graph=graph(request())))
    run = await engine.launch("wf")
    started = await engine.until(run, lambda document: document.nodes[0].workflow_id is not None)
    (taskforce,) = [t async for t in taskforces_of(world, str(started.nodes[0].workflow_id))]
    await world.in_phase(taskforce, "condor-submit")
    await engine.wms.engine.apply_stimulus(run, Wish(WantKind.CANCEL, "bob", "enough"))
    canceled = await engine.until_status(run, "canceled")
    assert [state.status for state in canceled.nodes] == ["canceled", "passed", "passed"]
    assert (await world.taskforce(taskforce))["phase"] == "condor-complete"


async def test_a_request_that_the_fleet_refuses_is_an_error_that_names_the_field(
    both: tuple[World, EngineWorld],
) -> None:
    _, engine = both
    worker = await engine.add_worker("w1", define("wf", graph=graph({"tasks": []})))
    run = await engine.launch("wf")
    await worker.end(await worker.hear("bad"), Outcome.SUCCESSFUL)
    ended = await engine.until_status(run, "successful")
    assert ended.nodes[0].error is not None
    assert "tasks" in ended.nodes[0].error.message


async def taskforces_of(world: World, workflow_id: str) -> AsyncIterator[str]:
    """Yield the taskforces of a workflow."""
    for taskforce in await world.wms.store.find("TaskforceColl", {"workflow_id": workflow_id}):
        yield taskforce["_id"]
