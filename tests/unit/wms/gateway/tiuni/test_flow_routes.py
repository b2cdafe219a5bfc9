"""The routes of flows on a service that the test plays. Tests name the contract's rows they prove."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client import REGISTRY

from runtime.web.callers.gatekeeper import Caller
from schemas.api.flows import FlowDetail, FlowInfo, FlowNodeInfo, FlowPage, FlowShape
from schemas.engine.flows import FlowErrorCode, FlowStatus
from schemas.errors import Conflict, NotFound, Unauthenticated
from schemas.ids import OrganizationId
from wms.flows.flow_errors import FlowCallFailed, FlowDefineNotFound, FlowStoreAway
from wms.flows.flow_service import FlowQuery
from wms.gateway import app as gateway
from wms.gateway.roles import make_gatekeeper
from wms.gateway.tiuni.dialect import TIUNI
from wms.gateway.tiuni.flows import FlowRoutes
from wms.tenancy.rights import Principal, TenancyRole

ROOT = Path(__file__).parents[5]
AT = datetime(2026, 11, 29, 8, tzinfo=UTC)
INFO = FlowInfo(
    id="u-1",
    name="create_cluster",
    biz_id="c-1",
    biz_type="cluster",
    status=FlowStatus.PROCESSING,
    create_time=AT,
    update_time=AT,
)
NODE = FlowNodeInfo(
    id="u-1/start",
    parent_id="u-1",
    edge="start",
    name="check",
    parameters="",
    operation_id="",
    result="Completed.",
    status=FlowStatus.FINISHED,
    start_time=AT,
)


class Believer:
    async def verify_token(self, token: str) -> Mapping[str, Any]:
        if token == "forged":
            raise Unauthenticated
        return {"sub": token}


class Members:
    """Everybody is a member of the default organization, and eve an auditor."""

    roles = frozenset[str](TenancyRole)

    async def find_roles(self, caller: Caller) -> frozenset[str]:
        return frozenset((await self.find_principal(caller)).every_role)

    async def find_principal(self, caller: Caller) -> Principal:
        role = TenancyRole.ORG_AUDITOR if caller.subject == "eve" else TenancyRole.ORG_MEMBER
        return Principal(caller.subject, roles={OrganizationId("default"): frozenset({role})})

    async def check_named(self, _: Principal, name: str) -> None:
        if name not in ("", "default"):
            raise NotFound(f"no organization found with name: {name}")


class PlayedFlows:
    """A workflow service that keeps what it is asked for, and may fail."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None

    def note(self, *call: Any) -> None:
        self.calls.append(call)
        if self.error is not None:
            raise self.error

    async def list_flows(self, principal: Principal, query: FlowQuery) -> tuple[list[FlowInfo], FlowPage]:
        self.note(principal.subject, query)
        return [INFO], FlowPage(page=query.page, page_size=query.page_size, total=7)

    async def get_detail(self, principal: Principal, flow_id: str) -> FlowDetail:
        self.note(principal.subject, flow_id)
        return FlowDetail(info=INFO, nodes=(NODE,), node_names=("check", "end"))

    async def list_defines(self) -> list[FlowShape]:
        return [FlowShape(flow_name="create_cluster")]

    async def find_define(self, flow_name: str) -> FlowShape:
        raise FlowDefineNotFound(flow_name)

    async def create_flow(self, principal: Principal, **wanted: Any) -> str:
        self.note(principal.subject, wanted)
        return "u-2"

    async def put_context(self, principal: Principal, *wanted: Any) -> None:
        self.note(principal.subject, *wanted)

    async def start_flow(self, principal: Principal, flow_id: str) -> None:
        self.note("start", flow_id)

    async def stop_flow(self, principal: Principal, flow_id: str) -> None:
        self.note("stop", flow_id)

    async def cancel_flow(self, principal: Principal, flow_id: str, reason: str) -> None:
        self.note("cancel", flow_id, reason)


@pytest.fixture
def flows() -> PlayedFlows:
    return PlayedFlows()


@pytest.fixture
async def http(flows: PlayedFlows) -> AsyncIterator[httpx2.AsyncClient]:
    members: Any = Members()
    played: Any = flows
    app = gateway.build_app(
        [],
        make_gatekeeper(Believer(), organizations=members),
        dialects=[(TIUNI, FlowRoutes(played, members).routes())],
    )
    transport = httpx2.ASGITransport(app=app)
    headers = {"Authorization": "Bearer ada"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://wms", headers=headers) as client:
        yield client


PATH = "/api/v1/workflow"


async def test_t1_a_list_has_its_flows_and_its_page(http: httpx2.AsyncClient, flows: PlayedFlows) -> None:
    query = "status=Processing&flowName=cre&bizId=c-1&bizType=cluster&page=2&pageSize=5"
    for path in (f"{PATH}/", PATH):
        answer = await http.get(f"{path}?{query}")
        assert answer.json() == {
            "code": 0,
            "message": "OK",
            "data": {"workFlows": [INFO.model_dump(mode="json", by_alias=True)]},
            "page": {"page": 2, "pageSize": 5, "total": 7},
        }
    wanted = FlowQuery(
        status=FlowStatus.PROCESSING, flow_name="cre", biz_id="c-1", biz_type="cluster", page=2, page_size=5
    )
    assert flows.calls == [("ada", wanted)] * 2
    await http.get(f"{PATH}/?status=&bizId=")
    assert flows.calls[-1] == ("ada", FlowQuery())


@pytest.mark.parametrize(
    "query", ["status=processing", "page=0", "page=x", "pageSize=1001", "flowName=%00", f"bizId={'x' * 513}"]
)
async def test_t1_a_wrong_query_is_400_in_the_envelope(http: httpx2.AsyncClient, query: str) -> None:
    answer = await http.get(f"{PATH}/?{query}")
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (400, 400, {})


async def test_t2_a_detail_has_info_nodes_and_the_names_of_the_happy_path(http: httpx2.AsyncClient) -> None:
    data = (await http.get(f"{PATH}/u-1")).json()["data"]
    assert data.keys() == {"info", "nodes", "nodeNames"}
    assert data["nodes"][0].keys() >= {"id", "name", "parameters", "result", "status", "startTime", "endTime"}
    assert data["info"].keys() >= {"id", "name", "bizId", "bizType", "status", "createTime", "updateTime", "deleteTime"}
    assert data["nodeNames"] == ["check", "end"]


@pytest.mark.parametrize(("number", "action"), [("t3", "start"), ("t4", "stop")])
async def test_t3_t4_start_and_stop_answer_with_an_empty_object(
    http: httpx2.AsyncClient, flows: PlayedFlows, number: str, action: str
) -> None:
    answer = await http.post(f"{PATH}/{action}", json={"workFlowId": "u-1", "unknown": 1})
    assert (answer.status_code, answer.json()) == (200, {"code": 0, "message": "OK", "data": {}}), number
    assert flows.calls == [(action, "u-1")]
    refused = await http.post(f"{PATH}/{action}", json={})
    assert (refused.status_code, refused.json()["message"]) == (400, "'workFlowId' is a required property")


async def test_t8_t11_t14_the_routes_that_make_the_nine_methods_whole(
    http: httpx2.AsyncClient, flows: PlayedFlows
) -> None:
    body = {"flowName": "create_cluster", "bizId": "c-1", "bizType": "cluster"}
    for key in ("k1", "k1", "k2", ""):
        answer = await http.post(f"{PATH}/create", json=body, headers={"Idempotency-Key": key} if key else {})
        assert answer.json()["data"] == {"workFlowId": "u-2"}
    first, again, other, without = [call[1]["uuid"] for call in flows.calls]
    assert first == again != other
    assert without is None
    assert (await http.post(f"{PATH}/create", json={**body, "organization": "easst"})).status_code == 404
    flows.calls.clear()
    value = {"n": [1, None]}
    await http.post(f"{PATH}/init-context", json={"workFlowId": "u-1", "key": "k", "value": value})
    await http.post(f"{PATH}/cancel", json={"workFlowId": "u-1", "reason": "wrong customer"})
    assert flows.calls == [("ada", "u-1", "k", value), ("cancel", "u-1", "wrong customer")]
    listed = (await http.get(f"{PATH}/definitions")).json()["data"]["definitions"]
    assert [each["flowName"] for each in listed] == ["create_cluster"]


@pytest.mark.parametrize(
    ("error", "code", "number"),
    [
        (FlowCallFailed(FlowErrorCode.START_FAILED, "it is over"), 500, 40103),
        (FlowStoreAway(FlowErrorCode.START_FAILED, "MongoDB is away"), 503, 40103),
        (FlowDefineNotFound("x"), 404, 40104),
        (Conflict("it has started"), 409, 409),
        (RuntimeError("secret"), 500, 500),
    ],
)
async def test_t19_an_error_is_in_the_envelope_with_its_number(
    http: httpx2.AsyncClient, flows: PlayedFlows, error: Exception, code: int, number: int
) -> None:
    flows.error = error
    answer = await http.post(f"{PATH}/start", json={"workFlowId": "u-1"})
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (code, number, {})
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (code == 503)


async def test_read_is_for_auditors_and_update_is_not(http: httpx2.AsyncClient, flows: PlayedFlows) -> None:
    eve = {"Authorization": "Bearer eve"}
    assert (await http.get(f"{PATH}/u-1", headers=eve)).status_code == 200
    flows.calls.clear()
    for action in ("start", "stop", "cancel", "create", "init-context"):
        refused = await http.post(f"{PATH}/{action}", json={"workFlowId": "u-1"}, headers=eve)
        assert (refused.status_code, refused.json()["code"]) == (403, 403)
    assert (await http.get(f"{PATH}/u-1", headers={"Authorization": "Bearer forged"})).status_code == 403
    assert flows.calls == []


@pytest.mark.parametrize(
    ("handler", "method", "path"),
    [
        ("workflow/query", "GET", "/"),
        ("workflow/detail", "GET", "/u-1"),
        ("workflow/start", "POST", "/start"),
        ("workflow/stop", "POST", "/stop"),
    ],
)
async def test_t5_each_call_counts_with_its_time_and_its_sizes(
    http: httpx2.AsyncClient, flows: PlayedFlows, handler: str, method: str, path: str
) -> None:
    def read(name: str, code: int) -> float:
        wanted, labels = (
            f"ewms_http_{name}",
            {"service": "wms", "handler": handler, "method": method, "code": str(code)},
        )
        # After thousands of tests in one process a look at all metrics takes long.
        metrics = REGISTRY.restricted_registry([wanted]).collect()
        samples = [sample for metric in metrics for sample in metric.samples if sample.name == wanted]
        return next((sample.value for sample in samples if sample.labels == labels), 0.0)

    body = {"workFlowId": "u-1"} if method == "POST" else None
    for code, error in ((200, None), (500, FlowCallFailed(FlowErrorCode.QUERY_FAILED)), (500, RuntimeError("x"))):
        flows.error = error
        names = ("requests_total", "request_duration_seconds_count", "request_size_bytes_count")
        before = {name: read(name, code) for name in (*names, "response_size_bytes_count")}
        n_bytes = [read(f"{kind}_size_bytes_sum", code) for kind in ("request", "response")]
        answer = await http.request(method, f"{PATH}{path}", json=body)
        assert answer.status_code == code
        assert {name: read(name, code) for name in before} == {name: value + 1 for name, value in before.items()}
        after = [read(f"{kind}_size_bytes_sum", code) for kind in ("request", "response")]
        assert after[0] - n_bytes[0] == (len(b'{"workFlowId":"u-1"}') if body else 0)
        if not isinstance(error, RuntimeError):
            assert after[1] - n_bytes[1] == len(answer.content)


def test_t20_service_meta_definition_and_words_have_files_of_their_own() -> None:
    for path in (
        "wms/flows/flow_service.py",
        "wms/flows/flow_documents.py",
        "ewms/flows/defining.py",
        "schemas/engine/flows.py",
        "wms/flows/flow_errors.py",
    ):
        assert (ROOT / path).is_file()
