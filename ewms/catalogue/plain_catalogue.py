"""Catalogue tasks for programs without an event loop: as `ewms.catalogue.async_catalogue`, without `await`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ewms.catalogue.async_catalogue import AsyncCatalogueClient
from ewms.durations import Duration
from ewms.loop_thread import LoopThread
from schemas.api.automation.tasks import RunnableTask, TaskSeen, TaskSummary, WebhookSeen


class CatalogueClient:
    """The catalogue tasks of one server. A task is named by its id."""

    def __init__(self, portal: LoopThread, tasks: AsyncCatalogueClient) -> None:
        self._portal = portal
        self._tasks = tasks

    def create(self, fields: Mapping[str, Any]) -> TaskSeen:
        """Register a task, and return it. `fields` are the body of `POST /v1/tasks`.

        Raises:
            Refused: a field breaks a rule.
            AlreadyThere: its organization has a task of this name.
        """
        return self._portal.run_coroutine(lambda: self._tasks.create(fields))

    def list_all(
        self, *, status: str | None = None, name: str | None = None, organization: str | None = None
    ) -> list[TaskSummary]:
        """Return the tasks that you see, by id. The arguments select among them."""
        return self._portal.run_coroutine(
            lambda: self._tasks.list_all(status=status, name=name, organization=organization)
        )

    def show(self, task: int) -> TaskSeen:
        """Return a task with its versions, the latest first.

        Raises:
            NotThere: there is no such task for you.
        """
        return self._portal.run_coroutine(lambda: self._tasks.show(task))

    def update(self, task: int, fields: Mapping[str, Any]) -> TaskSeen:
        """Set fields of a task, and return it. What decides what a job executes makes a new version.

        Raises:
            Refused: a field breaks a rule, or you may not change it.
        """
        return self._portal.run_coroutine(lambda: self._tasks.update(task, fields))

    def approve(self, task: int, *, commit: str, version: int | None = None, reason: str = "") -> TaskSeen:
        """Approve a version, the latest one by default, so that it is built. Return the task.

        The version must have the `commit`, which is the one that you have read.

        Raises:
            AlreadyThere: it does not wait for approval, or has another commit.
        """
        return self._portal.run_coroutine(
            lambda: self._tasks.approve(task, version=version, commit=commit, reason=reason)
        )

    def reject(self, task: int, *, version: int | None = None, reason: str = "") -> TaskSeen:
        """Reject a version, the latest one by default. Return the task.

        Raises:
            AlreadyThere: it does not wait for approval.
        """
        return self._portal.run_coroutine(lambda: self._tasks.reject(task, version=version, reason=reason))

    def rebuild(self, task: int, *, new_version: bool = False) -> TaskSeen:
        """Let the builder look for a new commit, or repeat a failed build. Return the task.

        With `new_version`, a commit that has a version already makes a new one.
        """
        return self._portal.run_coroutine(lambda: self._tasks.rebuild(task, new_version=new_version))

    def share(self, task: int, visibility: str, *, roles: Sequence[str] = (), reason: str = "") -> TaskSeen:
        """Say for whom a task exists: `private`, `roles` or `public`. Return the task."""
        return self._portal.run_coroutine(lambda: self._tasks.share(task, visibility, roles=roles, reason=reason))

    def disable(self, task: int, *, reason: str = "") -> TaskSeen:
        """Let no new job run a task. Return the task."""
        return self._portal.run_coroutine(lambda: self._tasks.disable(task, reason=reason))

    def enable(self, task: int, *, reason: str = "") -> TaskSeen:
        """Let jobs run a task again. Return the task."""
        return self._portal.run_coroutine(lambda: self._tasks.enable(task, reason=reason))

    def delete(self, task: int) -> None:
        """Delete a task and the logs of its builds.

        Raises:
            AlreadyThere: something uses it.
        """
        self._portal.run_coroutine(lambda: self._tasks.delete(task))

    def find_runnable(self, task: int) -> RunnableTask:
        """Return what a job of yours would run: the version in use, pinned by commit and digest.

        Raises:
            AlreadyThere: no version is Ready, or the task is disabled.
            Refused: you may not run it.
        """
        return self._portal.run_coroutine(lambda: self._tasks.find_runnable(task))

    def show_webhook(self, task: int, *, renew: bool = False) -> WebhookSeen:
        """Return where a git server reports new commits of a task, and its key. `renew` makes another key first."""
        return self._portal.run_coroutine(lambda: self._tasks.show_webhook(task, renew=renew))

    def read_log(self, task: int, *, version: int | None = None, follow: bool = False) -> Iterator[str]:
        """Yield the log of a version's last build in pieces; by default of the latest version.

        With `follow`, go on until the build is over.
        """
        return self._portal.run_iterator(self._tasks.read_log(task, version=version, follow=follow))

    def wait(self, task: int, *, timeout: Duration | None = None) -> TaskSeen:
        """Wait until the builder has nothing to do for the task's latest version, and return the task.

        The version then is Ready, Failed or Rejected, or a person must decide.

        Raises:
            TimedOut: `timeout` has passed.
        """
        return self._portal.run_coroutine(lambda: self._tasks.wait(task, timeout=timeout))
