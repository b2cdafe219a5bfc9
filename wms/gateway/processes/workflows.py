"""The routes that show what can be started."""

from pydantic import RootModel
from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json
from wms.gateway.processes.bodies import PagesBody, explain_pages
from wms.gateway.processes.callers import Callers
from wms.processes.definition_reader import DefinitionReader, WorkflowDescription
from wms.processes.process_starts import ProcessStarts
from wms.tenancy.rights import Action, roles_for


class WorkflowList(RootModel[list[WorkflowDescription]]):
    """The workflows that can be started, by name."""


class FormAnswer(RootModel[dict[str, object]]):
    """The values of all pages of a form. The request has started nothing."""


class StartableRoutes:
    """Handlers of /workflows and /forms."""

    def __init__(self, callers: Callers, starts: ProcessStarts, definitions: DefinitionReader) -> None:
        self._callers = callers
        self._starts = starts
        self._definitions = definitions

    def routes(self) -> list[Route]:
        """Return the routes."""
        sees, starts = roles_for(Action.SEE_DEFINITION), roles_for(Action.START_PROCESS)
        return [
            Route("GET", "/workflows", self.list_workflows, "List workflows", roles=sees, answer=WorkflowList),
            Route(
                "POST",
                "/forms/{workflow_key}",
                self.check_form,
                "Try the pages of a workflow's form, and start nothing",
                roles=starts,
                body=PagesBody,
                explain=explain_pages,
                answer=FormAnswer,
                errors=(404, 412, 413, 422, 510),
            ),
        ]

    async def list_workflows(self, _: Call) -> Response:
        return answer_json(await self._definitions.list_workflows())

    async def check_form(self, call: Call) -> Response:
        principal = await self._callers.find_principal(call)
        return answer_json(await self._starts.check_form(call.read_path("workflow_key"), call.body.root, principal))
