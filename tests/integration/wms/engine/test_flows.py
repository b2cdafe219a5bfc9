"""Flows at a real WMS over REST, run by real step workers. Tests name the contract's rows they prove."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from ewms.errors import NotThere, ServerFailed
from ewms.flows import NodeDefine, WorkflowDefine, WorkflowService
from ewms.flows.registry import keep_flows, list_flows
from schemas.broker.topology import pool_service
from schemas.engine.flows import FlowStatus
from tests.forked_processes import ForkedProcess, start_module
from tests.integration.wms.peers import Issuer
from wms.app import run_wms
from wms.settings import WmsSettings

EXAMPLE = Path(__file__).parents[4] / "docs/examples/flow"
ROOT = EXAMPLE.parents[2]
FLOW = WorkflowDefine({"start": NodeDefine("nothing", executor=print)})
MEMBER = "/organizations/default/member"


class FlowWorld:
    """WMS over REST, the example's cloud, and step workers."""

    def __init__(self, http: httpx2.AsyncClient, issuer: Issuer, cloud: Path) -> None:
        self.http = http
        self.issuer = issuer
        self.cloud = cloud

    async def call(self, method: str, path: str, body: Any = None, *, groups: str = MEMBER) -> tuple[int, Any]:
        """Return status and body of a call below /api/v1/workflow, by a member of `groups`, separated by spaces."""
        headers = {"Authorization": f"Bearer {self.issuer.token('ada', groups=groups.split())}"}
        answer = await self.http.request(method, f"/api/v1/workflow{path}", json=body, headers=headers)
        return answer.status_code, answer.json()

    async def do(self, action: str, **body: Any) -> Any:
        """POST something that must succeed; return the data."""
        code, answer = await self.call("POST", f"/{action}", body)
        assert (code, answer["code"], answer["message"]) == (200, 0, "OK"), answer
        return answer["data"]

    async def create(self, cluster: str = "c1", n_hosts: int = 3) -> str:
        """Return the id of a flow that is ready to start."""
        made = await self.do("create", flowName="create_cluster", bizId=cluster, bizType="cluster")
        flow: str = made["workFlowId"]
        await self.do("init-context", workFlowId=flow, key="cluster", value=cluster)
        await self.do("init-context", workFlowId=flow, key="n_hosts", value=n_hosts)
        return flow

    async def detail(self, flow: str) -> Any:
        """Return a flow's detail."""
        code, answer = await self.call("GET", f"/{flow}")
        assert code == 200, answer
        return answer["data"]

    async def until(self, flow: str, holds: Callable[[Any], bool], *, seconds: float = 40) -> Any:
        """Return a flow's detail once `holds` is true of it."""
        async with asyncio.timeout(seconds):
            while not holds(found := await self.detail(flow)):
                await asyncio.sleep(0.05)
        return found

    async def until_status(self, flow: str, status: str) -> Any:
        """Return a flow's detail once it has a status."""
        return await self.until(flow, lambda found: bool(found["info"]["status"] == status))

    def list_operations(self) -> list[str]:
        """Return the ids of the operations that the cloud has."""
        return sorted(path.stem for path in (self.cloud / "operations").glob("*.json"))


@pytest.fixture
async def start_worker(
    rabbitmq: RabbitMQ, control_vhost: str, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[ForkedProcess]]]:
    """Starts a step worker with the example."""
    started: list[ForkedProcess] = []

    async def start(name: str, *, seconds: float = 4) -> ForkedProcess:
        environment = os.environ | {
            "EWMS_CONTROL_AMQP_URL": rabbitmq.amqp_url(pool_service("default"), control_vhost),
            "EWMS_WORKER_MODULES": '["create_cluster"]',
            "EWMS_WORKER_NAME": name,
            "FAKE_CLOUD": str(tmp_path / "cloud"),
            "FAKE_CLOUD_SECONDS": str(seconds),
            "PYTHONPATH": str(ROOT),
        }
        process = await start_module("ewms.worker", environment=environment, directory=EXAMPLE)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def serve_flows(settings: WmsSettings, issuer: Issuer, tmp_path: Path) -> AsyncIterator[FlowWorld]:
    """Run WMS during the block."""
    async with AsyncExitStack() as stack:
        wms = await stack.enter_async_context(run_wms(settings))
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=wms.gateway_url, timeout=60))
        yield FlowWorld(http, issuer, tmp_path / "cloud")


@pytest.fixture
async def flow_world(wms_settings: WmsSettings, issuer: Issuer, tmp_path: Path) -> AsyncIterator[FlowWorld]:
    """WMS over REST."""
    async with serve_flows(wms_settings, issuer, tmp_path) as world:
        yield world


async def until_offered(world: FlowWorld) -> None:
    async with asyncio.timeout(60):
        while (await world.call("GET", "/definitions/create_cluster"))[0] != 200:
            await asyncio.sleep(0.05)


async def test_d3_t18_a_worker_killed_while_it_polls_starts_no_second_operation(
    flow_world: FlowWorld, start_worker: Callable[..., Awaitable[ForkedProcess]]
) -> None:
    world = flow_world
    code, answer = await world.call("POST", "/create", {"flowName": "create_cluster"})
    assert (code, answer) == (
        404,
        {"code": 40104, "message": "workflow define not found: create_cluster", "data": {}},
    )
    first = await start_worker("w1")
    await until_offered(world)
    flow = await world.create()
    made = await world.detail(flow)
    assert (made["info"]["status"], [node["status"] for node in made["nodes"]]) == (
        "Initializing",
        ["Initializing"] * 4,
    )
    assert made["nodeNames"] == ["allocate hosts", "create cluster", "announce"]

    assert await world.do("start", workFlowId=flow) == {}
    polled = await world.until(flow, lambda found: bool(found["nodes"][1]["operationId"]))
    assert polled["info"]["status"] == "Processing"
    first.kill()
    await first.wait()
    await start_worker("w2")

    ended = await world.until_status(flow, "Finished")
    assert [(node["name"], node["status"], node["result"]) for node in ended["nodes"]] == [
        ("allocate hosts", "Finished", "3 hosts"),
        ("create cluster", "Finished", "c1 runs"),
        ("announce", "Finished", "Completed."),
    ]
    assert world.list_operations() == [polled["nodes"][1]["operationId"]]
    assert (world.cloud / "announcements").read_text() == "c1\n"
    code, again = await world.call("POST", "/start", {"workFlowId": flow})
    assert (code, again["code"]) == (500, 40103)


async def test_d1_d2_d9_a_failure_is_handled_or_waits_for_a_person(
    flow_world: FlowWorld, start_worker: Callable[..., Awaitable[ForkedProcess]]
) -> None:
    world = flow_world
    await start_worker("w1", seconds=0.1)
    await until_offered(world)
    failing = await world.create("large", n_hosts=12)
    await world.do("start", workFlowId=failing)
    (world.cloud).mkdir(exist_ok=True)
    (world.cloud / "broken").touch()
    paused = await world.create("c2")
    await world.do("start", workFlowId=paused)

    failed = await world.until_status(failing, "Error")
    assert [(node["edge"], node["status"]) for node in failed["nodes"]] == [
        ("start", "Finished"),
        ("create", "Error"),
        ("undo", "Finished"),
    ]
    assert failed["nodes"][1]["result"] == "there is no rack for so many hosts"
    assert not (world.cloud / "hosts/large").exists()

    stopped = await world.until_status(paused, "Stopped")
    assert (stopped["nodes"][2]["status"], stopped["nodes"][2]["result"]) == ("Error", "the mail server is away")
    (world.cloud / "broken").unlink()
    await world.do("start", workFlowId=paused)
    assert (await world.until_status(paused, "Finished"))["nodes"][2]["result"] == "Completed."
    assert (world.cloud / "announcements").read_text() == "c2\n"


async def test_t1_to_t19_over_rest(
    flow_world: FlowWorld,
    start_worker: Callable[..., Awaitable[ForkedProcess]],
) -> None:
    world = flow_world
    await start_worker("w1", seconds=60)
    await until_offered(world)
    code, shape = await world.call("GET", "/definitions/create_cluster")
    assert shape["data"]["nodes"]["announce"]["failureEdge"] == "pause"
    assert [each["flowName"] for each in (await world.call("GET", "/definitions"))[1]["data"]["definitions"]] == [
        "create_cluster"
    ]

    # T13, D5: a stop and a cancellation are heeded while a node waits for its operation.
    flow = await world.create()
    await world.do("start", workFlowId=flow)
    await world.do("start", workFlowId=flow)
    polled = await world.until(flow, lambda found: bool(found["nodes"][1]["operationId"]))
    code, late = await world.call("POST", "/init-context", {"workFlowId": flow, "key": "x", "value": 1})
    assert (code, late["code"]) == (409, 409)
    await world.do("stop", workFlowId=flow)
    await world.do("stop", workFlowId=flow)
    assert (await world.detail(flow))["info"]["status"] == "Stopped"
    await world.do("start", workFlowId=flow)
    assert (await world.detail(flow))["info"]["status"] == "Processing"
    # D8: also a stopped flow can be canceled, and the reason is kept.
    await world.do("stop", workFlowId=flow)
    await world.do("cancel", workFlowId=flow, reason="wrong customer")
    canceled = await world.until_status(flow, "Canceled")
    assert canceled["info"]["reason"] == "wrong customer"
    assert {node["parentId"] for node in canceled["nodes"]} == {flow}, "T15: a node names its flow"
    assert [(node["name"], node["status"]) for node in canceled["nodes"]] == [
        ("allocate hosts", "Finished"),
        ("create cluster", "Canceled"),
    ]
    assert world.list_operations() == [polled["nodes"][1]["operationId"]]
    for action, number in (("start", 40103), ("stop", 40106)):
        code, refused = await world.call("POST", f"/{action}", {"workFlowId": flow})
        assert (code, refused["code"], refused["data"]) == (500, number, {})
    await world.do("cancel", workFlowId=flow)

    # T1, D10: filters are texts, whatever a database makes of them.
    other = (await world.do("create", flowName="create_cluster", bizId="h.*", bizType="host"))["workFlowId"]
    for query, found in (
        ("", [other, flow]),
        ("?status=Canceled", [flow]),
        ("?status=Initializing&flowName=te_clu&bizId=h.*&bizType=host", [other]),
        ("?bizId=h", []),
        ("?flowName=c.e", []),
        ("?pageSize=1&page=2", [flow]),
    ):
        code, listed = await world.call("GET", f"/{query}")
        assert (code, [each["id"] for each in listed["data"]["workFlows"]]) == (200, found), query
    assert listed["page"] == {"page": 2, "pageSize": 1, "total": 2}
    assert (await world.call("GET", "?status=Sleeping"))[0] == 400

    for method, path, body, code, number in (
        ("GET", "/none", None, 500, 40102),
        ("POST", "/start", {"workFlowId": "none"}, 500, 40103),
        ("POST", "/stop", {"workFlowId": "none"}, 500, 40106),
        ("POST", "/cancel", {"workFlowId": "none"}, 500, 40107),
        ("POST", "/init-context", {"workFlowId": "none", "key": "x", "value": 1}, 404, 404),
        ("GET", "/definitions/none", None, 404, 40104),
        ("POST", "/start", {}, 400, 400),
    ):
        found_code, answer = await world.call(method, path, body)
        assert (found_code, answer["code"], answer["data"]) == (code, number, {}), (path, answer)

    # Somebody of another organization sees nothing of it, and an auditor changes nothing.
    assert (await world.call("GET", f"/{flow}", groups="/organizations/north/member"))[1]["code"] == 40102
    assert (await world.call("GET", "/", groups="/organizations/north/member"))[1]["data"]["workFlows"] == []
    auditor = "/organizations/default/auditor"
    assert (await world.call("GET", f"/{flow}", groups=auditor))[0] == 200
    assert (await world.call("POST", "/start", {"workFlowId": other}, groups=auditor))[0] == 403

    # A caller of several organizations names the one that shall own the flow.
    both, wanted = "/organizations/north/member /organizations/south/member", {"flowName": "create_cluster"}
    code, unnamed = await world.call("POST", "/create", wanted, groups=both)
    assert (code, "north, south" in unnamed["message"]) == (403, True), unnamed
    _, created = await world.call("POST", "/create", {**wanted, "organization": "south"}, groups=both)
    assert (await world.call("POST", "/create", {**wanted, "organization": "east"}, groups=both))[0] == 404
    of_south = f"/{created['data']['workFlowId']}"
    assert (await world.call("GET", of_south, groups=both.split()[1]))[0] == 200
    assert (await world.call("GET", of_south, groups=both.split(maxsplit=1)[0]))[1]["code"] == 40102

    metrics = (await world.http.get("/metrics")).text
    for line in (
        'ewms_http_requests_total{code="200",handler="workflow/query",method="GET",service="wms"}',
        'ewms_http_requests_total{code="500",handler="workflow/detail",method="GET",service="wms"}',
        'ewms_http_requests_total{code="200",handler="workflow/start",method="POST",service="wms"}',
        'ewms_http_requests_total{code="500",handler="workflow/stop",method="POST",service="wms"}',
        'ewms_http_request_duration_seconds_count{code="200",handler="workflow/stop",method="POST",service="wms"}',
        'ewms_http_request_size_bytes_count{code="200",handler="workflow/start",method="POST",service="wms"}',
        'ewms_http_response_size_bytes_count{code="200",handler="workflow/query",method="GET",service="wms"}',
        'ewms_work_flow_total{biz_type="cluster",flow_name="create_cluster",flow_status="Canceled",service="wms"} 1.0',
        'flow_node="allocate hosts",flow_node_status="Finished",service="wms"} ',
    ):
        # The registry is the process's: other tests may have counted the same node.
        assert line in metrics, line
    assert json.dumps(canceled)


async def test_t6_to_t14_the_nine_methods_from_anywhere(
    flow_world: FlowWorld, start_worker: Callable[..., Awaitable[ForkedProcess]]
) -> None:
    await start_worker("w1", seconds=60)
    await until_offered(flow_world)
    token = flow_world.issuer.token("ada", groups=[MEMBER])

    def use_service() -> None:
        with WorkflowService(str(flow_world.http.base_url).rstrip("/"), token=token) as flows:
            with keep_flows():
                flows.register_work_flow("other", FLOW)
                assert "other" in list_flows()
            with pytest.raises(NotThere, match="workflow define not found: other"):
                flows.get_work_flow_define("other")
            with pytest.raises(NotThere, match="workflow define not found: other"):
                flows.create_work_flow("c1", "cluster", "other")
            assert flows.get_work_flow_define("create_cluster").node_names[0] == "allocate hosts"
            flow = flows.create_work_flow("c1", "cluster", "create_cluster")
            flows.init_context(flow, "cluster", "c1")
            flows.init_context(flow, "n_hosts", 2)
            flows.start(flow)
            flows.stop(flow)
            flows.start(flow)
            flows.cancel(flow, "no need")
            listed, page = flows.list_work_flows(flow_name="create", biz_id="c1", page_size=5)
            assert ([each.id for each in listed.work_flows], page.total) == ([flow], 1)
            detail = flows.detail_work_flow(flow)
            assert detail.info.status in (FlowStatus.CANCELING, FlowStatus.CANCELED)
            with pytest.raises(ServerFailed, match="workflow start failed: the run is"):
                flows.start(flow)

    await asyncio.to_thread(use_service)


async def test_t18_wms_is_restarted_while_a_flow_is_polled(
    wms_settings: WmsSettings,
    issuer: Issuer,
    tmp_path: Path,
    start_worker: Callable[..., Awaitable[ForkedProcess]],
) -> None:
    async with serve_flows(wms_settings, issuer, tmp_path) as world:
        await start_worker("w1", seconds=3)
        await until_offered(world)
        flow = await world.create()
        await world.do("start", workFlowId=flow)
        await world.until(flow, lambda found: bool(found["nodes"][1]["operationId"]))
    async with serve_flows(wms_settings, issuer, tmp_path) as world:
        ended = await world.until_status(flow, "Finished")
    assert world.list_operations() == [ended["nodes"][1]["operationId"]]
