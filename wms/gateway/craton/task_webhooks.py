"""The webhooks of tasks: a git server says that there are new commits, and proves that it knows the task's key.

X-Hub-Signature-256: sha256=<HMAC-SHA-256 of the body>      GitHub
X-Gitea-Signature: <HMAC-SHA-256 of the body>               Gitea, Forgejo
X-Gitlab-Token: <the key>                                   GitLab
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from pydantic import RootModel
from starlette.responses import Response

from runtime.web.callers.gatekeeper import ANYBODY
from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.api.automation.tasks import WebhookSeen
from schemas.automation.catalogue import CatalogueTask
from schemas.errors import NotFound
from wms.catalogue.builds.build_keys import TaskKeys, is_same
from wms.catalogue.catalogue_service import CatalogueService
from wms.gateway.craton.task_calls import NAMED, OF_ONE, TaskCalls, read_task_id
from wms.tenancy.rights import Action, roles_for

_SHA256 = "sha256="
#: The same for a task that does not exist: a caller without the key learns nothing about which tasks there are.
_REFUSAL = "no such webhook, or not signed with its key"
#: The author of versions that a webhook has found.
_WEBHOOK = "webhook"


class WebhookBody(RootModel[Any]):
    """What a git server tells of its commits: any JSON. Only its signature counts."""


class TaskWebhookRoutes:
    """Handlers of /tasks/{task}/webhook."""

    def __init__(self, calls: TaskCalls, tasks: CatalogueService, keys: TaskKeys) -> None:
        self._keys = keys
        self._calls = calls
        self._tasks = tasks

    def routes(self) -> list[Route]:
        """Return the routes."""
        path = f"{OF_ONE}/webhook"
        return [
            Route(
                "GET",
                path,
                self.get_webhook,
                "Get the key with which a git server signs",
                roles=roles_for(Action.CHANGE_TASK),
                answer=WebhookSeen,
                errors=(404,),
                parameters=NAMED,
            ),
            Route(
                "POST",
                f"{path}/renew",
                self.renew_webhook,
                "Give the webhook a new key",
                roles=roles_for(Action.CHANGE_TASK),
                answer=WebhookSeen,
                errors=(404,),
                parameters=NAMED,
            ),
            Route(
                "POST",
                path,
                self.take_webhook,
                "Say that there are new commits. Git servers call this, and sign with the key",
                roles=ANYBODY,
                body=WebhookBody,
                codes=(204,),
                errors=(404, 413),
                parameters=NAMED,
            ),
        ]

    async def get_webhook(self, call: Call) -> Response:
        _, task = await self._calls.find_task(call, Action.CHANGE_TASK)
        return answer_json(self._show_webhook(task))

    async def renew_webhook(self, call: Call) -> Response:
        principal = await self._calls.find_principal(call)
        return answer_json(self._show_webhook(await self._tasks.renew_webhook(principal, read_task_id(call))))

    async def take_webhook(self, call: Call) -> Response:
        def check(task: CatalogueTask) -> None:
            if not is_signed(call.request.headers, call.raw_body, self._keys.make_webhook_key(task)):
                raise NotFound(_REFUSAL)

        try:
            await self._tasks.look_for(read_task_id(call), _WEBHOOK, check)
        except NotFound:
            raise NotFound(_REFUSAL) from None
        return answer_nothing()

    def _show_webhook(self, task: CatalogueTask) -> WebhookSeen:
        return WebhookSeen(path=f"/v1/tasks/{task.id}/webhook", key=self._keys.make_webhook_key(task))


def is_signed(headers: Mapping[str, str], body: bytes, key: str) -> bool:
    """Return whether `headers` prove that the sender of `body` knows `key`."""
    if (token := headers.get("x-gitlab-token")) is not None:
        return is_same(key, token)
    signature = headers.get("x-hub-signature-256", headers.get("x-gitea-signature", ""))
    wanted = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return is_same(wanted, signature.removeprefix(_SHA256))
