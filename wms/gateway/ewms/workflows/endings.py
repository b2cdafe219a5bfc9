"""The routes for workflows that end by themselves: close the inputs, set how many results end it, see how it ended."""

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json
from schemas.api.general import Empty
from schemas.fleet.endings import Ending, ExpectedResults
from schemas.ids import WorkflowId
from wms.fleet.fleet import Fleet
from wms.fleet.life.completion import describe_ending
from wms.fleet.life.stimuli import CloseInputs, ExpectResults
from wms.fleet.reading.object_reader import ObjectReader
from wms.gateway.roles import ACTORS, READERS, find_access


class EndingRoutes:
    """Handlers of /workflows/{workflow_id}/ending, /close-inputs and /expected-results."""

    def __init__(self, fleet: Fleet, reader: ObjectReader) -> None:
        self._fleet = fleet
        self._reader = reader

    def routes(self) -> list[Route]:
        """Return the routes."""
        of_one = "/workflows/{workflow_id}"
        return [
            Route(
                "GET",
                f"{of_one}/ending",
                self.get_ending,
                "See whether and how a workflow ends by itself",
                roles=READERS,
                answer=Ending,
                errors=(404,),
            ),
            Route(
                "POST",
                f"{of_one}/close-inputs",
                self.close_inputs,
                "Close a workflow's inputs: it ends by itself once every event is settled",
                roles=ACTORS,
                body=Empty,
                body_optional=True,
                answer=Ending,
                errors=(404, 409, 422),
            ),
            Route(
                "POST",
                f"{of_one}/expected-results",
                self.expect_results,
                "Say how many results end a workflow",
                roles=ACTORS,
                body=ExpectedResults,
                answer=Ending,
                errors=(404, 409, 422),
            ),
        ]

    async def get_ending(self, call: Call) -> Response:
        workflow_id = call.read_path("workflow_id")
        return answer_json(describe_ending(await self._reader.get_workflow(workflow_id, find_access(call.caller))))

    async def close_inputs(self, call: Call) -> Response:
        return await self._change_ending(call, CloseInputs())

    async def expect_results(self, call: Call) -> Response:
        wish: ExpectedResults = call.body
        return await self._change_ending(call, ExpectResults(wish.n, counts_dead=wish.count_failures))

    async def _change_ending(self, call: Call, wish: CloseInputs | ExpectResults) -> Response:
        workflow_id = WorkflowId(call.read_path("workflow_id"))
        return answer_json(await self._fleet.change_ending(workflow_id, wish, find_access(call.caller), call.once))
