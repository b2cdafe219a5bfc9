"""The routes of saved lists of tasks, which Craton calls workflows."""

from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.api.automation.jobs import TaskListBody, TaskListChange, TaskListsAnswer, TaskListSeen
from schemas.errors import NotFound
from schemas.ids import CatalogueTaskId, TaskListId
from wms.gateway.craton.inventory_calls import NUMBER, PAGED, read_page
from wms.gateway.craton.job_shapes import read_secrets, show_task_list
from wms.jobs.plans.payloads import check_variable_names, dump_json
from wms.jobs.task_list_service import TaskListService
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal, roles_for
from wms.trees.object_ids import read_object_id

_OF_ONE = "/workflow/{workflow}"
_NAMED = {"workflow": NUMBER}


class TaskListRoutes:
    """Handlers of /workflow and below."""

    def __init__(self, organizations: Organizations, lists: TaskListService) -> None:
        self._organizations = organizations
        self._lists = lists

    def routes(self) -> list[Route]:
        """Return the routes."""
        see, change = roles_for(Action.SEE_TASK_LIST), roles_for(Action.CHANGE_TASK_LIST)
        return [
            Route(
                "GET",
                "/workflow",
                self.list_lists,
                "List the saved workflows that the caller sees",
                roles=see,
                answer=TaskListsAnswer,
                query=dict.fromkeys(PAGED, False),
                parameters=PAGED,
            ),
            Route(
                "POST",
                "/workflow",
                self.create_list,
                "Save an ordered list of tasks. `warnings` name those that are not Ready",
                roles=change,
                body=TaskListBody,
                answer=TaskListSeen,
                codes=(201,),
                errors=(404, 409, 413),
            ),
            Route(
                "GET",
                _OF_ONE,
                self.get_list,
                "Get a saved workflow",
                roles=see,
                answer=TaskListSeen,
                errors=(404,),
                parameters=_NAMED,
            ),
            Route(
                "PUT",
                _OF_ONE,
                self.change_list,
                "Change fields of a saved workflow",
                roles=change,
                body=TaskListChange,
                answer=TaskListSeen,
                errors=(404, 409, 413),
                parameters=_NAMED,
            ),
            Route(
                "DELETE",
                _OF_ONE,
                self.delete_list,
                "Delete a saved workflow",
                roles=change,
                codes=(204,),
                errors=(404,),
                parameters=_NAMED,
            ),
        ]

    async def _find_principal(self, call: Call) -> Principal:
        return await self._organizations.find_principal(call.caller)

    async def list_lists(self, call: Call) -> Response:
        after, limit = read_page(call)
        found = await self._lists.list_lists(await self._find_principal(call), after=after, limit=limit + 1)
        page = found[:limit]
        following = page[-1].id if len(found) > limit else None
        return answer_json(TaskListsAnswer(workflows=list(map(show_task_list, page)), next=following))

    async def create_list(self, call: Call) -> Response:
        body: TaskListBody = call.body
        principal = await self._find_principal(call)
        made = await self._lists.create_list(
            principal,
            _read_fields({name: getattr(body, name) for name in TaskListChange.model_fields}),
            organization=body.organization,
            once=call.once,
        )
        return answer_json(show_task_list(made, await self._lists.find_warnings(principal, made)), code=201)

    async def get_list(self, call: Call) -> Response:
        principal = await self._find_principal(call)
        saved = await self._lists.get_list(principal, _read_list_id(call))
        return answer_json(show_task_list(saved, await self._lists.find_warnings(principal, saved)))

    async def change_list(self, call: Call) -> Response:
        body: TaskListChange = call.body
        given = {name: value for name in TaskListChange.model_fields if (value := getattr(body, name)) is not None}
        principal = await self._find_principal(call)
        changed = await self._lists.change_list(principal, _read_list_id(call), _read_fields(given))
        return answer_json(show_task_list(changed, await self._lists.find_warnings(principal, changed)))

    async def delete_list(self, call: Call) -> Response:
        await self._lists.delete_list(await self._find_principal(call), _read_list_id(call))
        return answer_nothing()


def _read_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Return fields of a request as they are stored.

    Raises:
        Rejected: a variable has a reserved name.
    """
    fields = dict(given)
    if "payload" in fields:
        check_variable_names(fields["payload"])
        fields["payload"] = dump_json(fields["payload"])
    if "secrets" in fields:
        fields["secrets"] = read_secrets(fields["secrets"])
    if "tasks" in fields:
        fields["tasks"] = tuple(map(CatalogueTaskId, fields["tasks"]))
    return fields


def _read_list_id(call: Call) -> TaskListId:
    text = call.read_path("workflow")
    found = read_object_id(text)
    if found is None:
        raise NotFound(f"no workflow found with id: {text}")
    return TaskListId(found)
