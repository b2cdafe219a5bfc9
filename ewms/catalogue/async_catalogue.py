"""Catalogue tasks for programs with an event loop. `ewms.catalogue.plain_catalogue` has the same without `await`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ewms.durations import Duration, parse_seconds
from ewms.errors import TimedOut
from ewms.gateway.http import Gateway
from schemas.api.automation.tasks import RunnableTask, TasksAnswer, TaskSeen, TaskSummary, TaskVersionSeen, WebhookSeen
from schemas.automation.catalogue import TaskStatus

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 2.0
_PAGE = 200
#: The header with the place in a log up to which an answer goes.
_PLACE = "x-ewms-log-place"
#: In these statuses a version goes on by itself.
GOING_ON = frozenset({TaskStatus.BUILDING, TaskStatus.SYNCING})


class AsyncCatalogueClient:
    """The catalogue tasks of one server. A task is named by its id."""

    def __init__(self, open_gateway: Callable[[], Gateway]) -> None:
        self._open_gateway = open_gateway

    async def create(self, fields: Mapping[str, Any]) -> TaskSeen:
        """Register a task, and return it. `fields` are the body of `POST /v1/tasks`.

        Raises:
            Refused: a field breaks a rule.
            AlreadyThere: its organization has a task of this name.
        """
        return _parse(await self._open_gateway().post_json("/tasks", dict(fields)))

    async def list_all(
        self, *, status: str | None = None, name: str | None = None, organization: str | None = None
    ) -> list[TaskSummary]:
        """Return the tasks that you see, by id. The arguments select among them."""
        wanted = {"status": status, "name": name, "organization": organization}
        query = {key: value for key, value in wanted.items() if value is not None}
        found: list[TaskSummary] = []
        marker: int | None = 0
        while marker is not None:
            path = f"/tasks?{urlencode({**query, 'limit': _PAGE, 'marker': marker})}"
            page = TasksAnswer.model_validate(await self._open_gateway().get_json(path), extra="ignore")
            found += page.tasks
            marker = page.next
        return found

    async def show(self, task: int) -> TaskSeen:
        """Return a task with its versions, the latest first.

        Raises:
            NotThere: there is no such task for you.
        """
        return _parse(await self._open_gateway().get_json(f"/tasks/{task}"))

    async def update(self, task: int, fields: Mapping[str, Any]) -> TaskSeen:
        """Set fields of a task, and return it. What decides what a job executes makes a new version.

        Raises:
            Refused: a field breaks a rule, or you may not change it.
        """
        return _parse(await self._open_gateway().put(f"/tasks/{task}", dict(fields)))

    async def approve(self, task: int, *, commit: str, version: int | None = None, reason: str = "") -> TaskSeen:
        """Approve a version, the latest one by default, so that it is built. Return the task.

        The version must have the `commit`, which is the one that you have read.

        Raises:
            AlreadyThere: it does not wait for approval, or has another commit.
        """
        return await self._act(task, "approve", version=version, commit=commit, reason=reason)

    async def reject(self, task: int, *, version: int | None = None, reason: str = "") -> TaskSeen:
        """Reject a version, the latest one by default. Return the task.

        Raises:
            AlreadyThere: it does not wait for approval.
        """
        return await self._act(task, "reject", version=version, reason=reason)

    async def rebuild(self, task: int, *, new_version: bool = False) -> TaskSeen:
        """Let the builder look for a new commit, or repeat a failed build. Return the task.

        With `new_version`, a commit that has a version already makes a new one.
        """
        return await self._act(task, "rebuild", new_version=new_version)

    async def share(self, task: int, visibility: str, *, roles: Sequence[str] = (), reason: str = "") -> TaskSeen:
        """Say for whom a task exists: `private`, `roles` or `public`. Return the task."""
        return await self._act(task, "share", visibility=visibility, roles=list(roles), reason=reason)

    async def disable(self, task: int, *, reason: str = "") -> TaskSeen:
        """Let no new job run a task. Return the task."""
        return await self._act(task, "disable", reason=reason)

    async def enable(self, task: int, *, reason: str = "") -> TaskSeen:
        """Let jobs run a task again. Return the task."""
        return await self._act(task, "enable", reason=reason)

    async def delete(self, task: int) -> None:
        """Delete a task and the logs of its builds.

        Raises:
            AlreadyThere: something uses it.
        """
        await self._open_gateway().delete(f"/tasks/{task}")

    async def find_runnable(self, task: int) -> RunnableTask:
        """Return what a job of yours would run: the version in use, pinned by commit and digest.

        Raises:
            AlreadyThere: no version is Ready, or the task is disabled.
            Refused: you may not run it.
        """
        return RunnableTask.model_validate(
            await self._open_gateway().get_json(f"/tasks/{task}/runnable"), extra="ignore"
        )

    async def show_webhook(self, task: int, *, renew: bool = False) -> WebhookSeen:
        """Return where a git server reports new commits of a task, and its key. `renew` makes another key first."""
        gateway, path = self._open_gateway(), f"/tasks/{task}/webhook"
        found = await gateway.post_json(f"{path}/renew", {}) if renew else await gateway.get_json(path)
        return WebhookSeen.model_validate(found, extra="ignore")

    async def read_log(self, task: int, *, version: int | None = None, follow: bool = False) -> AsyncIterator[str]:
        """Yield the log of a version's last build in pieces; by default of the latest version.

        With `follow`, go on until the build is over.
        """
        query = {} if version is None else {"version": version}
        place, pause_s = 0, _FIRST_PAUSE_S
        while True:
            is_over = not follow or not _goes_on(find_version(await self.show(task), version))
            # The log once more after the build was seen to be over: so nothing is missed.
            while True:
                path = f"/tasks/{task}/log?{urlencode({**query, 'after': place})}"
                body, headers = await self._open_gateway().get_bytes(path)
                if not body:
                    break
                place, pause_s = int(headers.get(_PLACE, place)), _FIRST_PAUSE_S
                yield body.decode(errors="replace")
            if is_over:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)

    async def wait(self, task: int, *, timeout: Duration | None = None) -> TaskSeen:
        """Wait until the builder has nothing to do for the task's latest version, and return the task.

        The version then is Ready, Failed or Rejected, or a person must decide.

        Raises:
            TimedOut: `timeout` has passed.
        """
        ends_at = None if timeout is None else time.monotonic() + parse_seconds(timeout)
        pause_s = _FIRST_PAUSE_S
        while True:
            found = await self.show(task)
            if not found.is_looking and not _goes_on(found.versions[0]):
                return found
            if ends_at is not None and time.monotonic() + pause_s > ends_at:
                raise TimedOut(f"task {task} is {found.versions[0].status} still", hint=found.reason)
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)

    async def _act(self, task: int, action: str, **body: Any) -> TaskSeen:
        return _parse(await self._open_gateway().post_json(f"/tasks/{task}/actions/{action}", body))


def _parse(answer: Any) -> TaskSeen:
    return TaskSeen.model_validate(answer, extra="ignore")


def find_version(task: TaskSeen, number: int | None) -> TaskVersionSeen:
    """Return a version of `task`, by default the latest one. The server has checked that there is one."""
    return next((each for each in task.versions if each.number == number), task.versions[0])


def _goes_on(version: TaskVersionSeen) -> bool:
    return version.status in GOING_ON
