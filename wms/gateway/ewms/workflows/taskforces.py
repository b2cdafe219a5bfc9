"""The routes of task directives and taskforces, and the three queries."""

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json
from schemas.api.queries import Query, TaskDirectivesFound, TaskforcesFound, WorkflowsFound
from schemas.api.workflows.health import TaskforceSeen
from schemas.api.workflows.requests import AddWorkersRequest
from schemas.errors import NotFound
from schemas.fleet.documents import TASK_DIRECTIVES, TASKFORCES, WORKFLOWS
from schemas.fleet.objects import TaskDirective, Taskforce
from schemas.ids import TaskId
from wms.fleet.fleet import Fleet
from wms.fleet.reading.object_reader import ObjectReader
from wms.gateway.ewms.workflows.objects import make_query_handler, read_object
from wms.gateway.roles import ACTORS, READERS, TMS, find_access


class TaskforceRoutes:
    """Handlers of /task-directives, /taskforces and /query."""

    def __init__(self, fleet: Fleet, reader: ObjectReader, *, query_max_bytes: int) -> None:
        self._fleet = fleet
        self._reader = reader
        self._query_max_bytes = query_max_bytes

    def routes(self) -> list[Route]:
        """Return the routes."""
        of_task = "/task-directives/{task_id}"
        queries = [
            Route(
                "POST",
                f"/query/{path}",
                make_query_handler(self._reader, collection, key, max_bytes=self._query_max_bytes),
                f"Find {path}",
                roles=roles,
                body=Query,
                answer=found,
                is_heavy=True,
                query={"include": False} if collection == WORKFLOWS else {},
                parameters={"include": {"type": "string", "enum": ["outcome"]}},
            )
            for path, key, collection, found, roles in (
                ("workflows", "workflows", WORKFLOWS, WorkflowsFound, READERS | TMS),
                ("task-directives", "task_directives", TASK_DIRECTIVES, TaskDirectivesFound, READERS),
                ("taskforces", "taskforces", TASKFORCES, TaskforcesFound, READERS | TMS),
            )
        ]
        return [
            Route(
                "GET",
                of_task,
                self.get_task,
                "Get a task directive",
                roles=READERS,
                answer=TaskDirective,
                errors=(404,),
            ),
            Route(
                "POST",
                f"{of_task}/actions/add-workers",
                self.add_workers,
                "Add a taskforce to a task",
                roles=ACTORS | TMS,
                body=AddWorkersRequest,
                answer=Taskforce,
                errors=(404, 409, 422),
            ),
            Route(
                "GET",
                "/taskforces/{taskforce_uuid}",
                self.get_taskforce,
                "Get a taskforce",
                roles=READERS | TMS,
                answer=TaskforceSeen,
                errors=(404,),
                query={"include": False},
                parameters={"include": {"type": "string", "enum": ["health"]}},
            ),
            *queries,
        ]

    async def get_task(self, call: Call) -> Response:
        task_id = call.read_path("task_id")
        found = await read_object(self._reader, TASK_DIRECTIVES, task_id, call)
        if found is None:
            raise NotFound(f"no task found with id: {task_id}")
        return answer_json(found)

    async def add_workers(self, call: Call) -> Response:
        request: AddWorkersRequest = call.body
        added = await self._fleet.add_workers(
            TaskId(call.read_path("task_id")),
            cluster_location=request.cluster_location,
            n_workers=request.n_workers,
            caller=find_access(call.caller),
            once=call.once,
        )
        return answer_json(added)

    async def get_taskforce(self, call: Call) -> Response:
        uuid = call.read_path("taskforce_uuid")
        found = await read_object(self._reader, TASKFORCES, uuid, call)
        if found is None:
            raise NotFound(f"no taskforce found with uuid: {uuid}")
        return answer_json(found)
