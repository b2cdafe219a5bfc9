"""The routes of flows. The first four are the seed's; the others make its nine methods whole."""

import uuid
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from runtime.web.route import Call, Handler, Route, answer_json
from schemas.api.flows import (
    CancelFlowRequest,
    CreateFlowRequest,
    FlowAnswer,
    FlowCreated,
    FlowCreatedAnswer,
    FlowDetailAnswer,
    FlowDoneAnswer,
    FlowList,
    FlowListAnswer,
    FlowRequest,
    FlowShapeAnswer,
    FlowShapes,
    FlowShapesAnswer,
    InitContextRequest,
)
from schemas.engine.flows import FlowStatus
from schemas.errors import Rejected
from schemas.ids import RunUuid
from wms.flows.flow_service import FlowQuery, FlowService
from wms.gateway.tiuni.handler_metrics import measure_handler
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal, roles_for

#: Who may READ and who may UPDATE. The service checks the flow's own organization.
_READ = roles_for(Action.SEE_PROCESS)
_UPDATE = roles_for(Action.START_PROCESS)
_CANCEL = roles_for(Action.ABORT_PROCESS)

_MAX_TEXT = 512
_PAGE_SIZE = 10
_MAX_PAGE_SIZE = 1000

#: The parameters of a list, with their JSON schemas. None is required.
_LIST_QUERY: Mapping[str, Mapping[str, Any]] = {
    "status": {"type": "string", "enum": [*FlowStatus]},
    **{name: {"type": "string", "maxLength": _MAX_TEXT} for name in ("flowName", "bizId", "bizType")},
    "page": {"type": "integer", "minimum": 1, "default": 1},
    "pageSize": {"type": "integer", "minimum": 1, "maximum": _MAX_PAGE_SIZE, "default": _PAGE_SIZE},
}

#: What the ids of flows are made from that are created with an `Idempotency-Key`.
_CREATED = uuid.UUID("b2d7c0f4-4a49-4a5c-8e7b-7c1f6f0f2a91")


class FlowRoutes:
    """Handlers below /api/v1/workflow."""

    def __init__(self, flows: FlowService, organizations: Organizations) -> None:
        self._flows = flows
        self._organizations = organizations

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            _read(
                "/",
                "workflow/query",
                self.query_flows,
                "List flows, the newest first",
                FlowListAnswer,
                query=_LIST_QUERY,
            ),
            _read(
                "/definitions", "workflow/definitions", self.list_defines, "List what can be created", FlowShapesAnswer
            ),
            _read(
                "/definitions/{flowName}", "workflow/definition", self.get_define, "Get a flow's nodes", FlowShapeAnswer
            ),
            _read("/{workFlowId}", "workflow/detail", self.get_detail, "Get a flow and its nodes", FlowDetailAnswer),
            _update("/start", "workflow/start", self.start_flow, "Start a flow, or let it go on", FlowRequest),
            _update("/stop", "workflow/stop", self.stop_flow, "Stop a flow at its current node", FlowRequest),
            _update(
                "/create",
                "workflow/create",
                self.create_flow,
                "Create a flow",
                CreateFlowRequest,
                answer=FlowCreatedAnswer,
            ),
            _update(
                "/init-context",
                "workflow/init-context",
                self.put_context,
                "Set a key of its context",
                InitContextRequest,
            ),
            _update("/cancel", "workflow/cancel", self.cancel_flow, "End a flow", CancelFlowRequest, roles=_CANCEL),
        ]

    async def query_flows(self, call: Call) -> Response:
        query = FlowQuery(
            status=_read_status(call),
            flow_name=_read_text(call, "flowName"),
            biz_id=_read_text(call, "bizId"),
            biz_type=_read_text(call, "bizType"),
            page=call.read_number("page", 1, minimum=1, maximum=1_000_000),
            page_size=call.read_number("pageSize", _PAGE_SIZE, minimum=1, maximum=_MAX_PAGE_SIZE),
        )
        found, page = await self._flows.list_flows(await self._find_principal(call), query)
        return answer_flow(FlowListAnswer(data=FlowList(work_flows=tuple(found)), page=page))

    async def get_detail(self, call: Call) -> Response:
        principal = await self._find_principal(call)
        detail = await self._flows.get_detail(principal, call.read_path("workFlowId"))
        return answer_flow(FlowDetailAnswer(data=detail))

    async def list_defines(self, _: Call) -> Response:
        found = await self._flows.list_defines()
        return answer_flow(FlowShapesAnswer(data=FlowShapes(definitions=tuple(found))))

    async def get_define(self, call: Call) -> Response:
        found = await self._flows.find_define(call.read_path("flowName"))
        return answer_flow(FlowShapeAnswer(data=found))

    async def create_flow(self, call: Call) -> Response:
        wanted: CreateFlowRequest = call.body
        once = call.once
        principal = await self._find_principal(call)
        await self._organizations.check_named(principal, wanted.organization)
        flow_id = await self._flows.create_flow(
            principal,
            flow_name=wanted.flow_name,
            biz_id=wanted.biz_id,
            biz_type=wanted.biz_type,
            organization=wanted.organization,
            uuid=None if once is None else RunUuid(str(uuid.uuid5(_CREATED, f"{once.inbox_id} {once.digest}"))),
        )
        return answer_flow(FlowCreatedAnswer(data=FlowCreated(work_flow_id=flow_id)))

    async def put_context(self, call: Call) -> Response:
        wanted: InitContextRequest = call.body
        await self._flows.put_context(await self._find_principal(call), wanted.work_flow_id, wanted.key, wanted.value)
        return answer_flow(FlowDoneAnswer())

    async def start_flow(self, call: Call) -> Response:
        await self._flows.start_flow(await self._find_principal(call), call.body.work_flow_id)
        return answer_flow(FlowDoneAnswer())

    async def stop_flow(self, call: Call) -> Response:
        await self._flows.stop_flow(await self._find_principal(call), call.body.work_flow_id)
        return answer_flow(FlowDoneAnswer())

    async def cancel_flow(self, call: Call) -> Response:
        wanted: CancelFlowRequest = call.body
        await self._flows.cancel_flow(await self._find_principal(call), wanted.work_flow_id, wanted.reason)
        return answer_flow(FlowDoneAnswer())

    async def _find_principal(self, call: Call) -> Principal:
        return await self._organizations.find_principal(call.caller)


def answer_flow(answer: FlowAnswer) -> Response:
    """Return the HTTP answer to a call that has succeeded."""
    return answer_json(answer.model_dump(mode="json", by_alias=True))


def _read_status(call: Call) -> FlowStatus | None:
    text = call.read_query("status")
    if not text:
        return None
    try:
        return FlowStatus(text)
    except ValueError:
        raise Rejected(f"'status': must be one of {', '.join(FlowStatus)}") from None


def _read_text(call: Call, name: str) -> str:
    text = call.read_query(name) or ""
    if len(text) > _MAX_TEXT or "\0" in text:
        raise Rejected(f"'{name}': must have at most {_MAX_TEXT} characters, and none of them may be NUL")
    return text


def _read(
    path: str,
    name: str,
    handler: Handler,
    summary: str,
    answer: type[FlowAnswer],
    *,
    query: Mapping[str, Mapping[str, Any]] | None = None,
) -> Route:
    return Route(
        "GET",
        path,
        measure_handler(name, handler),
        summary,
        roles=_READ,
        answer=answer,
        errors=(404,),
        query=dict.fromkeys(query or {}, False),
        parameters=query or {},
    )


def _update(
    path: str,
    name: str,
    handler: Handler,
    summary: str,
    body: type[BaseModel],
    *,
    answer: type[FlowAnswer] = FlowDoneAnswer,
    roles: frozenset[str] = _UPDATE,
) -> Route:
    return Route(
        "POST",
        path,
        measure_handler(name, handler),
        summary,
        roles=roles,
        body=body,
        answer=answer,
        errors=(404, 409, 413),
    )
