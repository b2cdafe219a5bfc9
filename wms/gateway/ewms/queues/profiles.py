"""The routes of queues: a workflow's public ones with tokens, their depths, and the keys that sign the tokens.

MQS owns the queues. The gateway asks MQS over the bus at each request, so no token is stored on the way.
"""

import httpx2
from starlette.requests import Request
from starlette.responses import Response

from runtime.bus.questions import Asks
from runtime.web.route import Call, OpenRoute, Route, answer_json, answer_raw
from schemas.api.queues.profiles import ProfilesAnswerBody, QueueDepths
from schemas.errors import Broken, NotFound, Unavailable
from schemas.fleet.documents import WorkflowDocument
from schemas.fleet.objects import MQProfile
from schemas.ids import WorkflowId
from schemas.questions.queues import ProfilesAnswer, ProfilesQuery
from wms.fleet.reading.object_reader import ObjectReader
from wms.fleet.stalls.depth_questions import ask_depths
from wms.gateway.ewms.queues.access_checks import check_not_gone, check_use, no_such_queue, parse_wish
from wms.gateway.roles import READERS, USERS, find_access

JWKS_PATH = "/mqbroker-issuer/.well-known/jwks.json"


class QueueRoutes:
    """Handlers of the routes of queues."""

    def __init__(self, reader: ObjectReader, mqs: Asks, http: httpx2.AsyncClient) -> None:
        self._reader = reader
        self._mqs = mqs
        self._http = http

    def routes(self) -> list[Route | OpenRoute]:
        """Return the routes."""
        return [
            Route(
                "GET",
                "/mqs/workflows/{workflow_id}/mq-profiles/public",
                self.get_public_profiles,
                "Get a workflow's public queues, with tokens once they are active",
                roles=USERS,
                answer=ProfilesAnswerBody,
                errors=(404, 422),
                query={"alias": False, "to": False},
                is_heavy=True,
            ),
            Route(
                "GET",
                "/workflows/{workflow_id}/queues",
                self.get_depths,
                "Get the depths of a workflow's queues",
                roles=READERS,
                is_heavy=True,
                answer=QueueDepths,
                errors=(404,),
            ),
            OpenRoute("GET", JWKS_PATH, self.get_signing_keys, "Get the keys that sign queue tokens"),
        ]

    async def get_public_profiles(self, call: Call) -> Response:
        workflow_id = call.read_path("workflow_id")
        wished = parse_wish(call.request.query_params)
        workflow = await self._reader.find_workflow(workflow_id, find_access(call.caller))
        if workflow is None:
            profiles = await self._find_reserved(call)
        else:
            check_use(workflow, wished)
            query = ProfilesQuery(workflow_id=workflow.workflow_id, subject=call.caller.subject)
            minted = await self._ask_profiles(query) if workflow.queues_active_at else None
            profiles = planned_profiles(workflow) if minted is None else minted
            check_not_gone(workflow, wished, profiles)
        if wished.alias is not None:
            profiles = [profile for profile in profiles if profile.alias == wished.alias]
            if not profiles:
                raise no_such_queue(workflow_id, wished.alias)
        return answer_json(ProfilesAnswerBody(mqprofiles=profiles))

    async def _find_reserved(self, call: Call) -> list[MQProfile]:
        """Return the queues that another WMS has reserved for a workflow that is not ours; else an empty list.

        An empty list is the contract's answer for an unknown workflow. It does not reveal whether the workflow exists.
        """
        workflow_id = WorkflowId(call.read_path("workflow_id"))
        if await self._reader.is_known(workflow_id):
            return []
        query = ProfilesQuery(workflow_id=workflow_id, subject=call.caller.subject, unowned=True)
        return await self._ask_profiles(query) or []

    async def _ask_profiles(self, query: ProfilesQuery) -> list[MQProfile] | None:
        try:
            match await self._mqs.ask(query):
                case ProfilesAnswer(profiles=profiles):
                    return profiles
                case other:
                    raise Broken(f"MQS answered {other.kind} to {query.kind}")
        except NotFound:
            # MQS does not have these queues yet, or it has deleted them.
            return None

    async def get_depths(self, call: Call) -> Response:
        workflow_id = call.read_path("workflow_id")
        workflow = await self._reader.get_workflow(workflow_id, find_access(call.caller))
        depths = await ask_depths(self._mqs, workflow.workflow_id)
        return answer_json(depths or QueueDepths(workflow_id=workflow_id, queues=[], n_dead=0))

    async def get_signing_keys(self, _: Request) -> Response:
        try:
            found = await self._http.get(JWKS_PATH)
            found.raise_for_status()
        except httpx2.HTTPError as error:
            raise Unavailable("the queue service does not answer") from error
        return answer_raw(found.content)


def planned_profiles(workflow: WorkflowDocument) -> list[MQProfile]:
    """Return the public queues as they will be, marked as inactive. MQS has not created them yet (ruling 1)."""
    return [
        MQProfile(
            mqid=queue.mqid,
            workflow_id=workflow.workflow_id,
            timestamp=workflow.timestamp,
            alias=queue.alias,
            is_public=True,
            is_activated=False,
        )
        for queue in workflow.queues
        if queue.is_public
    ]
