"""The nine methods of the workflow service, over the engine. Step workers register the definitions when they start.

    create_flow ──► Initializing ── put_context, any number of times ── start_flow ──► Processing ──► Finished | Error
                                                        start_flow ◄──► stop_flow          cancel_flow ──► Canceled

A repeated start, stop or cancel changes nothing, so a call whose answer was lost may be repeated.
"""

import re
from dataclasses import dataclass
from typing import Any

from runtime.kernel.store import Store
from runtime.tracing import current_traceparent
from schemas.api.flows import FlowDetail, FlowInfo, FlowPage, FlowShape
from schemas.engine.flows import BIZ_ID, BIZ_TYPE, FlowErrorCode, FlowStatus
from schemas.engine.graph import Definition, DefinitionKind
from schemas.engine.run_documents import DEFINITIONS, RUNS
from schemas.engine.runs import WantKind
from schemas.errors import Conflict, NotFound
from schemas.ids import OrganizationId, RunId, RunUuid
from wms.audit.audit_log import AuditLog
from wms.engine import repository
from wms.engine.engine import Engine
from wms.engine.life.launching import LaunchWish
from wms.engine.life.run_acts import describe_run
from wms.engine.life.stimuli import Begin, PutState, RunStimulus, Wish
from wms.engine.run_records import note_launch
from wms.flows.flow_documents import FLOW_FIELDS, describe_definition, describe_flow, describe_nodes, list_node_names
from wms.flows.flow_errors import FlowDefineNotFound, number_errors
from wms.flows.statuses import find_flow_status, find_want, make_status_filter
from wms.tenancy.rights import Action, Principal, check_right, choose_organization, find_organizations

_FLOWS = {"kind": DefinitionKind.FLOW.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowQuery:
    """The filter of a list of flows, and the page to return."""

    status: FlowStatus | None = None
    #: A part of the name.
    flow_name: str = ""
    biz_id: str = ""
    biz_type: str = ""
    page: int = 1
    page_size: int = 10


class FlowService:
    """The methods of the workflow service, for the flows of one store."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._audit = AuditLog(store)

    async def create_flow(
        self,
        principal: Principal,
        *,
        flow_name: str,
        biz_id: str,
        biz_type: str,
        organization: str = "",
        uuid: RunUuid | None = None,
    ) -> RunUuid:
        """Create a flow that is not started, and return its id. If `uuid` is the id of an earlier flow, return `uuid`.

        Raises:
            FlowDefineNotFound: no step worker has registered a flow of this name.
            FlowCallFailed: the flow cannot be created.
            FlowStoreAway: a service is not available.
        """
        with number_errors(FlowErrorCode.CREATE_FAILED):
            await self.find_define(flow_name)
            owner = choose_organization(principal, Action.START_PROCESS, organization)
            wish = LaunchWish(
                who=principal.subject,
                state=_seed_context(principal, owner),
                params={BIZ_ID: biz_id, BIZ_TYPE: biz_type},
                organization=owner,
            )
            also = note_launch(self._audit, principal.subject, lambda run: describe_run(run, "create"))
            run = await self._engine.launch_run(flow_name, wish, begins=False, run_uuid=uuid, also=also)
            return run.uuid

    async def put_context(self, principal: Principal, flow_id: str, key: str, value: Any) -> None:
        """Set a key of the context of a flow that has not started.

        Raises:
            FlowDefineNotFound: the definition of the flow no longer exists.
            NotFound: no flow has this id, or the principal may not see it.
            Forbidden: the principal may see the flow, but not start it.
            Conflict: the flow has started.
            TooLarge: the context would be larger than 1 MiB.
        """
        run_id = await self._find_run(principal, flow_id, Action.START_PROCESS)
        await self._engine.apply_stimulus(run_id, PutState({key: value}, principal.subject))

    async def start_flow(self, principal: Principal, flow_id: str) -> None:
        """Start a flow. If it was stopped, continue it; if a node failed by the edge `pause`, run that node again.

        Raises:
            Forbidden: the principal may see the flow, but not start it.
            FlowDefineNotFound: the definition of the flow no longer exists.
            FlowCallFailed: no flow has this id for the principal, or its status does not allow a start.
            FlowStoreAway: a service is not available.
        """
        with number_errors(FlowErrorCode.START_FAILED):
            run_id = await self._find_run(principal, flow_id, Action.START_PROCESS)
            await self._apply_stimulus(run_id, Begin(principal.subject), FlowStatus.PROCESSING)

    async def stop_flow(self, principal: Principal, flow_id: str) -> None:
        """Request that a flow stops, and return at once. The current node still ends and keeps its result, and no other
        starts.

        Raises:
            Forbidden: the principal may see the flow, but not stop it.
            FlowDefineNotFound: the definition of the flow no longer exists.
            FlowCallFailed: no flow has this id for the principal, or its status does not allow a stop.
            FlowStoreAway: a service is not available.
        """
        with number_errors(FlowErrorCode.STOP_FAILED):
            run_id = await self._find_run(principal, flow_id, Action.START_PROCESS)
            await self._apply_stimulus(run_id, Wish(WantKind.STOP, principal.subject), FlowStatus.STOPPED)

    async def cancel_flow(self, principal: Principal, flow_id: str, reason: str) -> None:
        """Request the end of a flow for good, and return at once. The flow ends as soon as its current node allows.

        Raises:
            Forbidden: the principal may see the flow, but not cancel it.
            FlowDefineNotFound: the definition of the flow no longer exists.
            FlowCallFailed: no flow has this id for the principal, or it is over in another way.
            FlowStoreAway: a service is not available.
        """
        with number_errors(FlowErrorCode.CANCEL_FAILED):
            run_id = await self._find_run(principal, flow_id, Action.ABORT_PROCESS)
            wish = Wish(WantKind.CANCEL, principal.subject, reason)
            await self._apply_stimulus(run_id, wish, FlowStatus.CANCELING, FlowStatus.CANCELED)

    async def list_flows(self, principal: Principal, query: FlowQuery) -> tuple[list[FlowInfo], FlowPage]:
        """Return a page of the flows that match `query`, the newest first, and the number of all that match.

        Raises:
            FlowStoreAway: the database is not available.
        """
        with number_errors(FlowErrorCode.QUERY_FAILED):
            wanted = make_query(query, principal)
            found = await self._store.find(
                RUNS,
                wanted,
                sort=[("_id", -1)],
                skip=(query.page - 1) * query.page_size,
                limit=query.page_size,
                projection=FLOW_FIELDS,
            )
            total = await self._store.count(RUNS, wanted)
            page = FlowPage(page=query.page, page_size=query.page_size, total=total)
            return list(map(describe_flow, found)), page

    async def get_detail(self, principal: Principal, flow_id: str) -> FlowDetail:
        """Return a flow with all its nodes.

        Raises:
            FlowDefineNotFound: the definition of the flow no longer exists.
            FlowCallFailed: no flow has this id, or the principal may not see it.
        """
        with number_errors(FlowErrorCode.DETAIL_FAILED):
            run_id = await self._find_run(principal, flow_id, Action.SEE_PROCESS)
            stored = await self._store.find_one(RUNS, {"_id": run_id})
            if stored is None:
                raise _make_absence(flow_id)
            run = repository.parse_run(stored)
            return FlowDetail(
                info=describe_flow(stored),
                nodes=tuple(describe_nodes(run)),
                node_names=list_node_names(run.graph),
            )

    async def find_define(self, flow_name: str) -> FlowShape:
        """Return the flow definition called `flow_name` that a step worker registered last.

        Raises:
            FlowDefineNotFound: there is no such definition.
        """
        found = await repository.find_definition(self._store, flow_name)
        if found is None or found[1].kind is not DefinitionKind.FLOW:
            raise FlowDefineNotFound(flow_name)
        return describe_definition(found[1])

    async def list_defines(self) -> list[FlowShape]:
        """Return the latest flow definition of each name, in the order of the names.

        Raises:
            FlowStoreAway: the database is not available.
        """
        with number_errors(FlowErrorCode.QUERY_FAILED):
            found = await self._store.find(DEFINITIONS, _FLOWS, sort=[("registered_at", 1)])
            latest = {each["name"]: Definition.model_validate(each["definition"]) for each in found}
            return [describe_definition(latest[name]) for name in sorted(latest)]

    async def _find_run(self, principal: Principal, flow_id: str, action: Action) -> RunId:
        """Return the run of a flow, if `principal` has the right to do `action`.

        Raises:
            NotFound: no flow has this id, or the principal may not see it.
            Forbidden: the principal may see the flow, but not do `action`.
            FlowDefineNotFound: the definition of the flow no longer exists.
        """
        projection = {"definition": 1, "organization": 1}
        found = await self._store.find_one(RUNS, {"uuid": flow_id, **_FLOWS}, projection=projection)
        if found is None:
            raise _make_absence(flow_id)
        check_right(principal, action, found.get("organization", ""), absent=_make_absence(flow_id).reason)
        await self.find_define(found["definition"])
        return RunId(found["_id"])

    async def _apply_stimulus(self, run_id: RunId, stimulus: RunStimulus, *reached: FlowStatus) -> None:
        """Apply `stimulus`. Ignore a refusal of the engine if the flow already has one of the statuses `reached`."""
        try:
            await self._engine.apply_stimulus(run_id, stimulus)
        except Conflict:
            run = await repository.load_run(self._store, run_id)
            if run is None or find_flow_status(run.status, find_want(run.want)) not in reached:
                raise


def make_query(query: FlowQuery, principal: Principal) -> dict[str, Any]:
    """Return the MongoDB filter for the flows that match `query` and that `principal` may see."""
    wanted: dict[str, Any] = dict(_FLOWS)
    if query.status is not None:
        wanted |= make_status_filter(query.status)
    if query.flow_name:
        wanted["definition"] = {"$regex": re.escape(query.flow_name)}
    if query.biz_id:
        wanted[f"params.{BIZ_ID}"] = query.biz_id
    if query.biz_type:
        wanted[f"params.{BIZ_TYPE}"] = query.biz_type
    organizations = find_organizations(principal, Action.SEE_PROCESS)
    if organizations is not None:
        wanted["organization"] = {"$in": sorted(organizations)}
    return wanted


def _seed_context(principal: Principal, organization: OrganizationId) -> dict[str, Any]:
    """Return the first context of a flow: its user and organization, and the trace in which it was created."""
    trace = (current_traceparent() or "").split("-")
    return {
        "trace_id": trace[1] if len(trace) > 1 else "",
        "user_id": principal.subject,
        "tenant_id": organization,
    }


def _make_absence(flow_id: str) -> NotFound:
    return NotFound(f"no workflow found with id: {flow_id}")
