"""The routes of workflows: request one, look at it, end it."""

from starlette.responses import Response

from runtime.kernel.store import Store
from schemas import runnable
from schemas.api import DeactivationAnswer, Empty, OldWorkflowRequest, WorkflowAnswer, WorkflowRequest, WorkflowSeen
from schemas.documents import Collection
from schemas.errors import NotFound
from schemas.ids import WorkflowId
from schemas.phases import Deactivated
from wms.fleet.fleet import Fleet
from wms.gateway.problems import HINT_HEADER
from wms.gateway.reason_phrases import reason_phrase
from wms.gateway.route import Call, Route, answered
from wms.gateway.routes.objects import one


class Workflows:
    """Handlers of /workflows."""

    def __init__(self, fleet: Fleet, store: Store) -> None:
        self._fleet = fleet
        self._store = store

    def routes(self) -> list[Route]:
        """Return the routes."""
        of_one = "/workflows/{workflow_id}"
        return [
            Route(
                "POST",
                "/workflows",
                self.request,
                "Request a workflow",
                body=WorkflowRequest,
                old_body=OldWorkflowRequest,
                answer=WorkflowAnswer,
                errors=(409, 413),
            ),
            Route(
                "GET", of_one, self.get, "Get a workflow", answer=WorkflowSeen, errors=(404,), query={"include": False}
            ),
            Route(
                "POST",
                f"{of_one}/actions/abort",
                self.abort,
                "Abort a workflow: stop its workers",
                body=Empty,
                body_optional=True,
                answer=DeactivationAnswer,
                errors=(404, 409),
            ),
            Route(
                "POST",
                f"{of_one}/actions/finished",
                self.finished,
                "Say that a workflow is finished: stop its workers",
                body=Empty,
                body_optional=True,
                answer=DeactivationAnswer,
                errors=(404, 409),
            ),
        ]

    async def request(self, call: Call) -> Response:
        request: WorkflowRequest = call.body
        answer = answered(await self._fleet.submit(request, call.caller.owner, call.once))
        # The contract takes these requests; who reads the header hears that they will not do what they say.
        if found := runnable.complaints(request):
            answer.headers[HINT_HEADER] = reason_phrase("; ".join(map(str, found)))
        return answer

    async def get(self, call: Call) -> Response:
        workflow_id = call.path("workflow_id")
        found = await one(self._store, Collection.WORKFLOWS, workflow_id, call)
        if found is None:
            raise NotFound(f"no workflow found with id: {workflow_id}")
        return answered(found)

    async def abort(self, call: Call) -> Response:
        return await self._deactivate(call, Deactivated.ABORTED)

    async def finished(self, call: Call) -> Response:
        return await self._deactivate(call, Deactivated.FINISHED)

    async def _deactivate(self, call: Call, label: Deactivated) -> Response:
        workflow_id = WorkflowId(call.path("workflow_id"))
        n_taskforces = await self._fleet.deactivate(workflow_id, label, call.caller.access, call.once)
        return answered({"workflow_id": workflow_id, "n_taskforces": n_taskforces})
