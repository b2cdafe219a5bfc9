"""The actions on tasks: approve, reject, rebuild, share, disable, enable."""

from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from runtime.web.route import Call, Handler, Route, answer_json
from schemas.api.automation.tasks import (
    TaskApproveRequest,
    TaskReasonRequest,
    TaskRebuildRequest,
    TaskRejectRequest,
    TaskSeen,
    TaskShareRequest,
)
from wms.catalogue.catalogue_service import CatalogueService
from wms.gateway.craton.task_calls import NAMED, OF_ONE, TaskCalls, read_task_id
from wms.gateway.craton.task_shapes import show_task
from wms.tenancy.rights import Action, roles_for


class TaskActionRoutes:
    """Handlers of /tasks/{task}/actions."""

    def __init__(self, calls: TaskCalls, tasks: CatalogueService) -> None:
        self._calls = calls
        self._tasks = tasks

    def routes(self) -> list[Route]:
        """Return the routes."""
        approve, change, share = Action.APPROVE_TASK, Action.CHANGE_TASK, Action.SHARE_TASK
        return [
            _act("approve", self.approve, "Approve a version, so that it is built", approve, TaskApproveRequest),
            _act("reject", self.reject, "Reject a version", approve, TaskRejectRequest),
            _act("rebuild", self.rebuild, "Look for a new commit; repeat a failed build", change, TaskRebuildRequest),
            _act("share", self.share, "Say for whom a task exists", share, TaskShareRequest, body_optional=False),
            _act("disable", self.disable, "Let no new job run a task", share, TaskReasonRequest),
            _act("enable", self.enable, "Let jobs run a task again", share, TaskReasonRequest),
        ]

    async def approve(self, call: Call) -> Response:
        body: TaskApproveRequest = call.body
        return await self._decide(call, approves=True, number=body.version, commit=body.commit, reason=body.reason)

    async def reject(self, call: Call) -> Response:
        body: TaskRejectRequest = call.body
        return await self._decide(call, approves=False, number=body.version, reason=body.reason)

    async def rebuild(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        task = await self._tasks.rebuild_task(principal, read_task_id(call), makes_version=call.body.new_version)
        return answer_json(show_task(task))

    async def share(self, call: Call) -> Response:
        body: TaskShareRequest = call.body
        principal = await self._calls.find_principal(call)
        task = await self._tasks.share_task(
            principal, read_task_id(call), body.visibility, body.roles, reason=body.reason
        )
        return answer_json(show_task(task))

    async def disable(self, call: Call) -> Response:
        return await self._disable(call, is_disabled=True)

    async def enable(self, call: Call) -> Response:
        return await self._disable(call, is_disabled=False)

    async def _decide(self, call: Call, *, approves: bool, **fields: Any) -> Response:
        principal = await self._calls.find_principal(call)
        task = await self._tasks.decide_version(
            principal, read_task_id(call), approves=approves, once=call.once, **fields
        )
        return answer_json(show_task(task))

    async def _disable(self, call: Call, *, is_disabled: bool) -> Response:
        principal = await self._calls.find_principal(call)
        task = await self._tasks.disable_task(
            principal, read_task_id(call), is_disabled=is_disabled, reason=call.body.reason
        )
        return answer_json(show_task(task))


def _act(
    name: str,
    handler: Handler,
    summary: str,
    action: Action,
    body: type[BaseModel],
    *,
    body_optional: bool = True,
) -> Route:
    return Route(
        "POST",
        f"{OF_ONE}/actions/{name}",
        handler,
        summary,
        roles=roles_for(action),
        body=body,
        body_optional=body_optional,
        answer=TaskSeen,
        errors=(404, 409),
        parameters=NAMED,
    )
