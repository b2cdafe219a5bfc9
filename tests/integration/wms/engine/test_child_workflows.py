"""A node that runs an EWMS workflow: the engine as a user of the fleet, with MQS and TMS played by the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from yarl import URL

from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.amqp import Connection
from schemas.broker.topology import event_exchange
from schemas.engine.graph import BranchingProfile, Edge, EdgeKind, Graph, Node, NodeKind
from schemas.engine.runs import Outcome, WantedWorkflow, WantKind
from schemas.fleet.documents import WORKFLOWS
from schemas.fleet.objects import MQProfile
from schemas.ids import Alias, Mqid, NodeKey, WorkflowId
from tests.integration.wms.conftest import World, request
from tests.integration.wms.engine.conftest import EngineWorld, define, step
from tests.integration.wms.engine.peers import Worker
from wms.engine.life.stimuli import Wish
from wms.engine.nested.workflow_queues import make_event_id


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
    (stored,) = await world.wms.store.find(WORKFLOWS, {"_id": workflow_id})
    assert stored["organizations"] == ["default"], "it counts for the run's organization, not for its owner's"
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
    assert "somebody aborted" in error.message


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


async def test_a_step_says_what_its_workflow_shall_be_its_events_get_there_and_its_results_come_back(
    both: tuple[World, EngineWorld], rabbitmq: RabbitMQ, data_vhost: str
) -> None:
    world, engine = both
    mqid, mqid_out = Mqid("a72475165e05b4f83a948"), Mqid("b72475165e05b4f83a948")
    url = URL(rabbitmq.amqp_url("mqs", data_vhost))
    connection = await Connection.connect(str(url), name="mqs", wait_s=10.0)
    try:
        async with connection.lend_channel() as channel:
            for queue in (mqid, mqid_out):
                await channel.exchange_declare(event_exchange(queue), durable=True)
                await channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
                await channel.queue_bind(queue, event_exchange(queue), routing_key=queue)
        world.mqs.profiles = [
            MQProfile(
                mqid=queue,
                workflow_id=WorkflowId("WF-1"),
                timestamp=1.5,
                alias=Alias(alias),
                is_public=True,
                is_activated=True,
                auth_token=url.password,
                broker_type="rabbitmq",
                broker_address=f"mqs@{url.host}:{url.port}/{data_vhost}",
            )
            for queue, alias in ((mqid, "input-queue"), (mqid_out, "output-queue"))
        ]
        workflow = Node(key=NodeKey("w"), name="w", kind=NodeKind.WORKFLOW, result_key="simulation")
        worker = await engine.add_worker("w1", define("ask", step("ask", opens=1), workflow, "after"))
        run = await engine.launch("ask")
        wanted = WantedWorkflow(request=request(), events=(1, {"a": 2}), max_results=2)
        await worker.end(await worker.hear("ask"), artifacts=wanted.as_artifacts())
        started = await engine.until(run, lambda document: document.nodes[1].workflow_id is not None)
        workflow_id = str(started.nodes[1].workflow_id)
        got: list[tuple[str, bytes]] = []
        await connection.consume(mqid, lambda one: got.append((one.id, one.body)), prefetch=0, no_ack=True)
        async with asyncio.timeout(60):
            while len(got) < 2 or not await is_closed(world, workflow_id):
                await asyncio.sleep(0.05)
        ids = [make_event_id(WorkflowId(workflow_id), number) for number in range(2)]
        assert got == list(zip(ids, (b"1", b'{"a": 2}'), strict=True))
        for number, body in enumerate((b'{"found": 1}', b'"two"', b"3")):
            exchange, kind = event_exchange(mqid_out), "application/json"
            await connection.publish(exchange, mqid_out, body, message_id=str(number), content_type=kind)
        await world.post(f"/v1/workflows/{workflow_id}/actions/finished", {})
        order = await worker.hear("after")
        assert order.state["simulation"]["results"] == [{"found": 1}, "two"]
        async with connection.lend_channel() as channel:
            left = await channel.queue_declare(mqid_out, passive=True)
        assert left.message_count == 3, "the results stay in their queue"
        assert order.state["simulation"]["workflow_id"] == workflow_id
        assert (order.state["simulation"]["status"], order.variables) == ("finished", {})
        await worker.end(order)
        await engine.until_status(run, "successful")
    finally:
        await connection.close()


async def is_closed(world: World, workflow_id: str) -> bool:
    """Return whether the inputs of a workflow are closed."""
    found = await world.wms.store.find_one(WORKFLOWS, {"_id": workflow_id})
    return found is not None and found.get("inputs_closed_at") is not None


async def taskforces_of(world: World, workflow_id: str) -> AsyncIterator[str]:
    """Yield the taskforces of a workflow."""
    for taskforce in await world.wms.store.find("TaskforceColl", {"workflow_id": workflow_id}):
        yield taskforce["_id"]
