"""The routes of tasks: list, create, get, change, delete, and what a job would run."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.api.automation.tasks import RunnableTask, TaskChangeRequest, TaskCreateRequest, TasksAnswer, TaskSeen
from schemas.automation.catalogue import TaskStatus
from schemas.errors import Rejected
from wms.catalogue.catalogue_parts import Catalogue
from wms.catalogue.task_recipes import RECIPE_FIELDS
from wms.gateway.craton.task_calls import NAMED, OF_ONE, TaskCalls, read_task_id
from wms.gateway.craton.task_shapes import show_runnable, show_task, summarize_task
from wms.tenancy.rights import Action, roles_for

_PAGE = 50
_MAX_PAGE = 200
_FACTS = ("name", "description")
_LIST_QUERY: Mapping[str, Mapping[str, Any]] = {
    "name": {"type": "string"},
    "organization": {"type": "string"},
    "status": {"type": "string", "enum": [*TaskStatus]},
    "limit": {"type": "integer", "minimum": 1, "maximum": _MAX_PAGE, "default": _PAGE},
    "marker": {"type": "integer", "minimum": 0, "default": 0},
}


class TaskRoutes:
    """Handlers of /tasks."""

    def __init__(self, calls: TaskCalls, tasks: Catalogue) -> None:
        self._calls = calls
        self._tasks = tasks

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "GET",
                "/tasks",
                self.list_tasks,
                "List the tasks that the caller sees",
                roles=roles_for(Action.SEE_TASK),
                answer=TasksAnswer,
                query=dict.fromkeys(_LIST_QUERY, False),
                parameters=_LIST_QUERY,
            ),
            Route(
                "POST",
                "/tasks",
                self.create_task,
                "Register a task",
                roles=roles_for(Action.CHANGE_TASK),
                body=TaskCreateRequest,
                answer=TaskSeen,
                codes=(201,),
                errors=(404, 409, 413),
            ),
            Route(
                "GET",
                OF_ONE,
                self.get_task,
                "Get a task with its versions",
                roles=roles_for(Action.SEE_TASK),
                answer=TaskSeen,
                errors=(404,),
                parameters=NAMED,
            ),
            Route(
                "PUT",
                OF_ONE,
                self.change_task,
                "Change fields of a task; what a job executes makes a new version",
                roles=roles_for(Action.CHANGE_TASK),
                body=TaskChangeRequest,
                answer=TaskSeen,
                errors=(404, 409, 413),
                parameters=NAMED,
            ),
            Route(
                "DELETE",
                OF_ONE,
                self.delete_task,
                "Delete a task and the logs of its builds",
                roles=roles_for(Action.CHANGE_TASK),
                codes=(204,),
                errors=(404, 409),
                parameters=NAMED,
            ),
            Route(
                "GET",
                f"{OF_ONE}/runnable",
                self.get_runnable,
                "Get what a job of the caller would run: the version in use, pinned",
                roles=roles_for(Action.SEE_TASK),
                answer=RunnableTask,
                errors=(404, 409),
                parameters=NAMED,
            ),
        ]

    async def list_tasks(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        limit = call.read_number("limit", _PAGE, minimum=1, maximum=_MAX_PAGE)
        query: dict[str, str] = {}
        for name in ("name", "organization"):
            if (text := call.read_query(name)) is not None:
                query[name] = text
        if (status := call.read_query("status")) is not None:
            query["status"] = _read_status(status)
        # One more than the page has, to see whether there is another page.
        found = await self._tasks.service.list_tasks(
            principal, query, after=call.read_number("marker", 0), limit=limit + 1
        )
        page = found[:limit]
        following = page[-1].id if len(found) > limit else None
        return answer_json(TasksAnswer(tasks=list(map(summarize_task, page)), next=following))

    async def create_task(self, call: Call) -> Response:
        body: TaskCreateRequest = call.body
        principal = await self._calls.find_principal(call)
        made = await self._tasks.service.create_task(
            principal,
            {name: getattr(body, name) for name in _FACTS},
            {name: getattr(body, name) for name in RECIPE_FIELDS},
            organization=body.organization,
            once=call.once,
        )
        return answer_json(show_task(made), code=201)

    async def get_task(self, call: Call) -> Response:
        _, task = await self._calls.find_task(call, Action.SEE_TASK)
        return answer_json(show_task(task))

    async def change_task(self, call: Call) -> Response:
        body: TaskChangeRequest = call.body
        given = {name: value for name in (*_FACTS, *RECIPE_FIELDS) if (value := getattr(body, name)) is not None}
        changed = await self._tasks.service.change_task(
            await self._calls.find_principal(call),
            read_task_id(call),
            {name: value for name, value in given.items() if name in _FACTS},
            {name: value for name, value in given.items() if name in RECIPE_FIELDS},
            reason=body.reason,
        )
        return answer_json(show_task(changed))

    async def delete_task(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        await self._tasks.deletion.delete_task(principal, read_task_id(call))
        return answer_nothing()

    async def get_runnable(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        task, version = await self._tasks.service.pin_task(principal, read_task_id(call))
        return answer_json(show_runnable(task, version))


def _read_status(text: str) -> str:
    for status in TaskStatus:
        if status.value.casefold() == text.casefold():
            return status.value
    raise Rejected(f"'status': must be one of {', '.join(TaskStatus)}")
