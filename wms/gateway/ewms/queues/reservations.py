"""The routes for another site's WMS: it reserves queues here, has them created, and passes on their tokens.

A site reaches only the groups of queues that its own WMS has reserved. For all other groups the answer is 404.
"""

from starlette.responses import Response

from runtime.bus.questions import Asks
from runtime.web.route import Call, Route, answer_json
from schemas.api.queues.profiles import ActivationRequest, MQGroupAnswer, ReservationRequest
from schemas.errors import Broken, NotFound
from schemas.fleet.objects import MQGroup, MQProfile
from schemas.ids import Alias, Mqid, WorkflowId
from schemas.questions.queues import (
    ActivateQuery,
    GroupAnswer,
    GroupQuery,
    ProfileQuery,
    ProfilesAnswer,
    ReserveQuery,
)
from wms.gateway.roles import READERS, WMS

#: Creating a thousand queues takes a while.
_ACTIVATION_S = 30.0

_MAX_ID = 128


class ReservationRoutes:
    """Handlers of the /mqs routes, except the one for users."""

    def __init__(self, mqs: Asks) -> None:
        self._mqs = mqs

    def routes(self) -> list[Route]:
        """Return the routes."""
        group = "/mqs/workflows/{workflow_id}/mq-group"
        return [
            Route("GET", "/mqs", self.get_root, "See that the queue service is there", roles=READERS | WMS),
            Route(
                "POST",
                f"{group}/reservation",
                self.reserve_queues,
                "Name a workflow's queues, once",
                roles=WMS,
                body=ReservationRequest,
                answer=MQGroupAnswer,
                errors=(404,),
            ),
            Route(
                "POST",
                f"{group}/activation",
                self.activate_queues,
                "Create a workflow's queues; get them with fresh tokens",
                roles=WMS,
                body=ActivationRequest,
                answer=MQGroupAnswer,
                errors=(404,),
            ),
            Route("GET", group, self.get_group, "Get a group of queues", roles=WMS, answer=MQGroup, errors=(404,)),
            Route(
                "GET",
                "/mqs/mq-profiles/{mqid}",
                self.get_profile,
                "Get a queue",
                roles=WMS,
                answer=MQProfile,
                errors=(404,),
            ),
        ]

    async def get_root(self, _: Call) -> Response:
        return answer_json({})

    async def reserve_queues(self, call: Call) -> Response:
        body: ReservationRequest = call.body
        query = ReserveQuery(
            site=_calling_site(call),
            workflow_id=_read_workflow_id(call),
            queue_aliases=[Alias(alias) for alias in body.queue_aliases],
            public=[Alias(alias) for alias in body.public],
        )
        return _answer_group(await self._ask_group(query))

    async def activate_queues(self, call: Call) -> Response:
        body: ActivationRequest = call.body
        priority = body.criteria.priority if body.criteria is not None else None
        query = ActivateQuery(site=_calling_site(call), workflow_id=_read_workflow_id(call), priority=priority)
        return _answer_group(await self._ask_group(query))

    async def get_group(self, call: Call) -> Response:
        found = await self._ask_group(GroupQuery(site=_calling_site(call), workflow_id=_read_workflow_id(call)))
        return answer_json(found.group)

    async def get_profile(self, call: Call) -> Response:
        query = ProfileQuery(site=_calling_site(call), mqid=Mqid(call.read_path("mqid")))
        match await self._mqs.ask(query):
            case ProfilesAnswer(profiles=[profile]):
                return answer_json(profile)
            case other:
                raise Broken(f"MQS answered {other.kind} to {query.kind}")

    async def _ask_group(self, query: ReserveQuery | ActivateQuery | GroupQuery) -> GroupAnswer:
        match await self._mqs.ask(query, timeout_s=_ACTIVATION_S if isinstance(query, ActivateQuery) else 5.0):
            case GroupAnswer() as found:
                return found
            case other:
                raise Broken(f"MQS answered {other.kind} to {query.kind}")


def _calling_site(call: Call) -> str:
    """Return the calling site: the subject of its WMS's token."""
    return call.caller.subject


def _read_workflow_id(call: Call) -> WorkflowId:
    """Return the id of the workflow that owns the queues. It becomes part of names on the broker.

    Raises:
        NotFound: it has a dot, or more than `_MAX_ID` characters, so it cannot be an id.
    """
    workflow_id = call.read_path("workflow_id")
    if "." in workflow_id or len(workflow_id) > _MAX_ID:
        raise NotFound("MQGroup not found")
    return WorkflowId(workflow_id)


def _answer_group(found: GroupAnswer) -> Response:
    return answer_json(MQGroupAnswer(mqgroup=found.group, mqprofiles=found.profiles))
