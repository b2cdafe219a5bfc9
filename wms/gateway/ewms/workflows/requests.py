"""The routes of workflows: request one, look at it, end it."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import ErrorDetails
from starlette.responses import Response

from runtime.bus.questions import Asks
from runtime.web.answers.problems import HINT_HEADER, BadBody, make_bad_body
from runtime.web.route import Call, Route, answer_json
from runtime.web.server.reason_phrases import reason_phrase
from schemas.api.general import Empty
from schemas.api.workflows.health import WorkflowSeen
from schemas.api.workflows.requests import DeactivationAnswer, OldWorkflowRequest, WorkflowAnswer, WorkflowRequest
from schemas.checks.plain_faults import explain_faults
from schemas.checks.request_check import check_faulty
from schemas.errors import NotFound
from schemas.fleet.documents import WORKFLOWS
from schemas.fleet.phases import Deactivated
from schemas.ids import WorkflowId
from schemas.rules.complaints import join_complaints
from wms.fleet.fleet import Fleet
from wms.fleet.ownership import Owner
from wms.fleet.reading.object_reader import ObjectReader
from wms.gateway.ewms.workflows.objects import read_object, read_wanted_parts
from wms.gateway.ewms.workflows.progress import find_progress
from wms.gateway.roles import ACTORS, READERS, USERS, find_access
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import find_charged_organizations


class WorkflowRoutes:
    """Handlers of /workflows."""

    def __init__(self, fleet: Fleet, reader: ObjectReader, mqs: Asks, organizations: Organizations) -> None:
        self._fleet = fleet
        self._reader = reader
        self._mqs = mqs
        self._organizations = organizations

    def routes(self) -> list[Route]:
        """Return the routes."""
        of_one = "/workflows/{workflow_id}"
        return [
            Route(
                "POST",
                "/workflows",
                self.request_workflow,
                "Request a workflow",
                roles=USERS,
                body=WorkflowRequest,
                old_body=OldWorkflowRequest,
                explain=self._explain_body,
                answer=WorkflowAnswer,
                errors=(409, 413),
            ),
            Route(
                "GET",
                of_one,
                self.get_workflow,
                "Get a workflow",
                roles=READERS,
                answer=WorkflowSeen,
                errors=(404,),
                query={"include": False},
                parameters={"include": {"type": "string", "enum": ["health", "progress", "health,progress"]}},
            ),
            Route(
                "POST",
                f"{of_one}/actions/abort",
                self.abort_workflow,
                "Abort a workflow: stop its workers",
                roles=ACTORS,
                body=Empty,
                body_optional=True,
                answer=DeactivationAnswer,
                errors=(404, 409),
            ),
            Route(
                "POST",
                f"{of_one}/actions/finished",
                self.finish_workflow,
                "Say that a workflow is finished: stop its workers",
                roles=ACTORS,
                body=Empty,
                body_optional=True,
                answer=DeactivationAnswer,
                errors=(404, 409),
            ),
        ]

    async def request_workflow(self, call: Call) -> Response:
        principal = await self._organizations.find_principal(call.caller)
        owner = Owner(call.caller.subject, call.caller.projects, find_charged_organizations(principal))
        submitted = await self._fleet.submit_workflow(call.body, owner, call.once)
        answer = answer_json(submitted.answer)
        # The contract accepts these requests, but the workflow cannot do its work. The header says why.
        if submitted.hint:
            answer.headers[HINT_HEADER] = reason_phrase(submitted.hint)
        return answer

    def _explain_body(self, errors: Sequence[ErrorDetails], body: Any) -> BadBody:
        """Return the error about a body of the wrong shape: faults in the contract's words, a hint in plain words."""
        found = check_faulty(body, errors, clusters=self._fleet.location_names, max_queues=self._fleet.max_queues)
        # The first of `found` repeat `errors`, and the answer has those in the contract's phrases already.
        rest = found[len(explain_faults(errors, body)) :]
        more = [complaint.answer for complaint in rest if complaint.is_refused]
        return make_bad_body(errors, body, more=more, hint=join_complaints(found))

    async def get_workflow(self, call: Call) -> Response:
        workflow_id = call.read_path("workflow_id")
        found = await read_object(self._reader, WORKFLOWS, workflow_id, call)
        if found is None:
            raise NotFound(f"no workflow found with id: {workflow_id}")
        if "progress" in read_wanted_parts(call, WORKFLOWS):
            found["progress"] = await find_progress(
                self._reader, self._mqs, WorkflowId(workflow_id), find_access(call.caller)
            )
        return answer_json(found)

    async def abort_workflow(self, call: Call) -> Response:
        return await self._deactivate_workflow(call, Deactivated.ABORTED)

    async def finish_workflow(self, call: Call) -> Response:
        return await self._deactivate_workflow(call, Deactivated.FINISHED)

    async def _deactivate_workflow(self, call: Call, label: Deactivated) -> Response:
        workflow_id = WorkflowId(call.read_path("workflow_id"))
        n_taskforces = await self._fleet.deactivate_workflow(workflow_id, label, find_access(call.caller), call.once)
        return answer_json({"workflow_id": workflow_id, "n_taskforces": n_taskforces})
