"""Every route of the dialects "processes" and "tiuni" against every role, at a running gateway.

The gateway makes its roles from `wms.tenancy.rights.RIGHTS`. The table here says the same a second time, on purpose.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from runtime.clock import stored_now
from runtime.web.callers.gatekeeper import ANYBODY
from schemas.engine.graph import DefinitionKind
from schemas.engine.run_documents import RUNS, RunDocument
from schemas.engine.runs import NodeStatus, RunStatus
from schemas.engine.subscriptions import SUBSCRIPTIONS
from schemas.ids import RunId, RunUuid
from tests.integration.wms.engine.conftest import EngineWorld
from tests.integration.wms.peers import Issuer
from tests.source_conformance import make_subscription
from tests.unit.wms.processes.process_runs import make_error, make_node, make_process
from wms.engine import repository
from wms.gateway.catalogue import list_bare_dialects
from wms.processes.subscriptions.subscription_documents import make_insert

#: The claims of each role. Those of organizations are in the one that all objects here belong to.
ROLES: Mapping[str, Mapping[str, Any]] = {
    "superuser": {"ewms_role": "superuser"},
    "system auditor": {"ewms_role": "system-auditor"},
    "admin": {"groups": ["/organizations/default/admin"]},
    "auditor": {"groups": ["/organizations/default/auditor"]},
    "member": {"groups": ["/organizations/default/member"]},
    "no role": {"ewms_role": "user", "groups": ["/institutions/IceCube"]},
}
#: An admin elsewhere passes the door. To this caller the objects do not exist.
STRANGER: Mapping[str, Any] = {"groups": ["/organizations/north/admin"]}


@dataclass(frozen=True)
class Row:
    """Who may call a route: a letter for each of `ROLES`, in order. An `object` belongs to one organization."""

    allowed: str
    body: Any = None
    #: Whether the path or the body names an object, which a stranger does not see.
    object: bool = False


SEES, SEES_ONE = Row("yyyyy-"), Row("yyyyy-", object=True)
ACTS_ON_FLOW = Row("y-y-y-", {"workFlowId": "{flow}"}, object=True)
TABLE: Mapping[str, Row] = {
    "GET /api/processes/events": SEES,
    "GET /api/processes/{process_id}/events": SEES_ONE,
    "GET /api/processes": SEES,
    "GET /api/processes/status-counts": SEES,
    "GET /api/processes/{process_id}": SEES_ONE,
    "GET /api/processes/{process_id}/explain": SEES_ONE,
    "PATCH /api/processes/{process_id}": Row("y-y-y-", {"note": "looked at it"}, object=True),
    "POST /api/processes/{workflow_key}": Row("y-y-y-", [{}]),
    "PUT /api/processes/resume-all": Row("y-----"),
    "PUT /api/processes/{process_id}/resume": Row("y-y-y-", [{}], object=True),
    "PUT /api/processes/{process_id}/abort": Row("y-y-y-", object=True),
    "DELETE /api/processes/{process_id}": Row("y-y---", object=True),
    "POST /api/processes/{process_id}/callback/{token}": Row("yyyyyy", {}),
    "POST /api/processes/{process_id}/callback/{token}/progress": Row("yyyyyy", {}),
    "POST /api/events": Row("y-y-y-", {"name": "walked"}),
    "GET /api/workflows": SEES,
    "POST /api/forms/{workflow_key}": Row("y-y-y-", [{}]),
    "GET /api/subscriptions": SEES,
    "GET /api/subscriptions/domain-model/{subscription_id}": SEES_ONE,
    "GET /api/subscriptions/workflows/{subscription_id}": SEES_ONE,
    "PUT /api/subscriptions/{subscription_id}/set_in_sync": Row("y-y-y-", object=True),
    "GET /api/subscriptions/{subscription_id}/processes": SEES_ONE,
    "GET /api/subscriptions/{subscription_id}": SEES_ONE,
    "GET /api/subscriptions/{subscription_id}/explain": SEES_ONE,
    "GET /api/products": SEES,
    "GET /api/products/{product_id}": SEES,
    "GET /api/settings/status": SEES,
    "PUT /api/settings/status": Row("y-----", {"global_lock": False}),
    "GET /api/settings/worker-status": SEES,
    "GET /api/health": Row("yyyyyy"),
    "GET /api/v1/workflow/": SEES,
    "GET /api/v1/workflow/definitions": SEES,
    "GET /api/v1/workflow/definitions/{flowName}": SEES,
    "GET /api/v1/workflow/{workFlowId}": SEES_ONE,
    "POST /api/v1/workflow/start": ACTS_ON_FLOW,
    "POST /api/v1/workflow/stop": ACTS_ON_FLOW,
    "POST /api/v1/workflow/create": Row("y-y-y-", {"flowName": "none"}),
    "POST /api/v1/workflow/init-context": Row("y-y-y-", {"workFlowId": "{flow}", "key": "k", "value": 1}, object=True),
    "POST /api/v1/workflow/cancel": ACTS_ON_FLOW,
}


def test_the_table_has_every_route_of_both_dialects() -> None:
    served = [
        (dialect.prefixes[0], route)
        for dialect, routes in list_bare_dialects()
        for route in routes
        # Decision trees have a table of their own in tests/unit/wms/tenancy, inventories and tasks in their own tests.
        if dialect.name in ("processes", "tiuni")
    ]
    assert set(TABLE) == {f"{route.method} {prefix}{route.path}" for prefix, route in served}
    for prefix, route in served:
        assert (route.roles is ANYBODY) == (TABLE[f"{route.method} {prefix}{route.path}"].allowed == "yyyyyy")


@pytest.fixture
async def names(engine_world: EngineWorld) -> Mapping[str, str]:
    """Store a failed process, a flow and a subscription in the default organization; return what paths call them."""
    store = engine_world.wms.store
    failed = make_node(2, NodeStatus.HALTED, error=make_error())
    nodes = [NodeStatus.SUCCESSFUL, NodeStatus.SUCCESSFUL, failed, NodeStatus.PENDING]
    process = make_process(nodes, RunStatus.HALTED, subscriptions=(str(UUID(int=1)),))

    async def put(number: int, run: RunDocument) -> str:
        made = run.model_copy(update={"id": RunId(number), "uuid": RunUuid(str(uuid4()))})
        await store.insert_new(RUNS, [repository.make_document(made)])
        return made.uuid

    subscription = make_insert(make_subscription(1, insync=True), stored_now())
    await store.insert_new(SUBSCRIPTIONS, [dict(subscription.document)])
    flow = await put(1002, process.model_copy(update={"kind": DefinitionKind.FLOW}))
    return {
        "process_id": await put(1001, process),
        "flow": flow,
        "workFlowId": flow,
        "subscription_id": str(UUID(int=1)),
        "product_id": str(UUID(int=901)),
        **dict.fromkeys(("workflow_key", "token", "flowName"), "none"),
    }


async def test_each_role_gets_through_to_what_the_table_says(
    engine_world: EngineWorld, issuer: Issuer, names: Mapping[str, str], subtests: pytest.Subtests
) -> None:
    async with httpx2.AsyncClient(base_url=engine_world.wms.gateway_url, timeout=60) as http:
        for called, row in TABLE.items():
            method, _, path = called.partition(" ")
            path = path.format(**names)
            body = {**row.body, "workFlowId": names["flow"]} if row.object and "flow" in str(row.body) else row.body

            async def call(role: str, claims: Mapping[str, Any]) -> tuple[int, str]:
                # Each caller is another one, so that nobody is over a share.
                token = issuer.token(f"{role} {called}", **claims)  # noqa: B023 - called within the loop only
                headers = {"Authorization": f"Bearer {token}"}
                async with http.stream(method, path, json=body, headers=headers) as answer:  # noqa: B023 - as above
                    is_stream = answer.headers.get("content-type", "").startswith("text/event-stream")
                    return answer.status_code, "" if is_stream else (await answer.aread()).decode()

            for (role, claims), letter in zip(ROLES.items(), row.allowed, strict=True):
                with subtests.test(f"{called} as {role}"):
                    status, text = await call(role, claims)
                    assert status != 500 or '"code":40' in text, text
                    assert (status != 403) == (letter == "y"), (status, text)
            if row.object:
                with subtests.test(f"{called} as a stranger"):
                    status, text = await call("stranger", STRANGER)
                    assert "found with id" in text, (status, text)
                    assert status >= 400
