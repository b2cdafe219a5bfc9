"""The routes that move processes: start, resume, abort, resume all, and the answers to callbacks, and
events from outside."""

from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from pydantic import BaseModel
from starlette.responses import Response

from runtime.web.callers.gatekeeper import ANYBODY
from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.ids import RunUuid
from wms.gateway.processes.bodies import AbortBody, CallbackBody, EventBody, PagesBody, explain_pages
from wms.gateway.processes.callers import Callers
from wms.processes.process_parts import ProcessParts
from wms.tenancy.rights import Action, roles_for

_OWNER = {
    "organization": {
        "type": "string",
        "maxLength": 255,
        "description": "The organization of a process without a customer, for a caller who may start in several",
    }
}
_EVENTS = uuid5(NAMESPACE_URL, "ewms:processes:events")
_EVENTS_OWNER = {
    "organization": {
        "type": "string",
        "maxLength": 255,
        "description": "The organization of the processes that wait, for a caller who has a role in several",
    }
}


class StartedProcess(BaseModel):
    """The answer to a start: the id of the new process."""

    id: str


class ResumedProcesses(BaseModel):
    """The answer to a request to resume all tasks: how many processes the engine has resumed."""

    count: int


class PublishedEvent(BaseModel):
    """How many processes an event has brought on. With 0, the event is kept for the first one that waits for it."""

    id: str
    n_ended: int


class ProcessControlRoutes:
    """Handlers of the routes that move processes."""

    def __init__(self, callers: Callers, parts: ProcessParts) -> None:
        self._callers = callers
        self._starts = parts.starts
        self._service = parts.service
        self._callbacks = parts.callbacks
        self._events = parts.events

    def routes(self) -> list[Route]:
        """Return the routes."""
        of_one = "/processes/{process_id}"
        pages: dict[str, Any] = {"body": PagesBody, "explain": explain_pages}
        callback: dict[str, Any] = {
            "roles": ANYBODY,
            "body": CallbackBody,
            "body_optional": True,
            "errors": (404, 409, 413),
        }
        return [
            Route(
                "POST",
                "/processes/{workflow_key}",
                self.start_process,
                "Start a process with the pages of its form",
                roles=roles_for(Action.START_PROCESS),
                answer=StartedProcess,
                codes=(201,),
                query={"organization": False},
                parameters=_OWNER,
                errors=(404, 409, 412, 413, 422, 510),
                **pages,
            ),
            Route(
                "PUT",
                "/processes/resume-all",
                self.resume_all,
                "Resume all tasks that failed or wait",
                roles=roles_for(Action.RESUME_ALL),
                answer=ResumedProcesses,
                errors=(409,),
            ),
            Route(
                "PUT",
                f"{of_one}/resume",
                self.resume_process,
                "Bring a process on: with the pages of its form, or again at the step that failed",
                roles=roles_for(Action.RESUME_PROCESS),
                codes=(204,),
                errors=(404, 409, 412, 413, 422, 510),
                body_optional=True,
                empty_body=b"[]",
                **pages,
            ),
            Route(
                "PUT",
                f"{of_one}/abort",
                self.abort_process,
                "End a process for good, after the step under way",
                roles=roles_for(Action.ABORT_PROCESS),
                body=AbortBody,
                body_optional=True,
                codes=(204,),
                errors=(404, 409, 413),
            ),
            Route(
                "POST",
                f"{of_one}/callback/{{token}}",
                self.answer_callback,
                "Answer the callback that a process waits for",
                **callback,
            ),
            Route(
                "POST",
                f"{of_one}/callback/{{token}}/progress",
                self.note_progress,
                "Say how far the work before a callback has come",
                **callback,
            ),
            Route(
                "POST",
                "/events",
                self.publish_event,
                "Publish an event for the processes that wait for it",
                roles=roles_for(Action.RESUME_PROCESS),
                body=EventBody,
                answer=PublishedEvent,
                query={"organization": False},
                parameters=_EVENTS_OWNER,
                errors=(404, 409, 413),
            ),
        ]

    async def start_process(self, call: Call) -> Response:
        principal = await self._callers.find_principal(call)
        workflow = call.read_path("workflow_key")
        organization = await self._callers.read_organization(call, principal)
        started = await self._starts.start_process(
            workflow, call.body.root, principal, organization=organization, once=call.once
        )
        return answer_json({"id": started}, code=201)

    async def resume_process(self, call: Call) -> Response:
        principal, run = await self._callers.find_process(call, Action.RESUME_PROCESS)
        await self._service.resume_process(run, call.body.root, principal)
        return answer_nothing()

    async def resume_all(self, call: Call) -> Response:
        return answer_json({"count": await self._service.resume_all(await self._callers.find_principal(call))})

    async def abort_process(self, call: Call) -> Response:
        principal, run = await self._callers.find_process(call, Action.ABORT_PROCESS)
        body: AbortBody = call.body
        await self._service.abort_process(run, principal, why=body.reason)
        return answer_nothing()

    async def answer_callback(self, call: Call) -> Response:
        process_id = RunUuid(str(call.read_uuid("process_id")))
        await self._callbacks.answer_callback(process_id, call.read_path("token"), call.body.root)
        return answer_json({})

    async def note_progress(self, call: Call) -> Response:
        process_id = RunUuid(str(call.read_uuid("process_id")))
        await self._callbacks.note_progress(process_id, call.read_path("token"), call.body.root)
        return answer_json({})

    async def publish_event(self, call: Call) -> Response:
        principal = await self._callers.find_principal(call)
        organization = await self._callers.read_organization(call, principal)
        body: EventBody = call.body
        event_id = body.id or (str(uuid4() if call.once is None else uuid5(_EVENTS, call.once.inbox_id)))
        n_ended = await self._events.publish_event(
            body.name,
            body.body,
            principal,
            event_id=event_id,
            correlation=body.correlation,
            organization=organization,
        )
        return answer_json({"id": event_id, "n_ended": n_ended})
