"""Decision trees for programs without an event loop: the names of `ewms.trees.async_trees`, without `await`."""

from collections.abc import Mapping, Sequence
from typing import Any

from ewms.durations import Duration
from ewms.loop_thread import LoopThread
from ewms.trees.async_trees import AsyncTreeClient, AsyncTreeRun
from ewms.trees.plain_schedules import ScheduleClient


class TreeClient:
    """The workflow job templates of one server."""

    def __init__(self, portal: LoopThread, trees: AsyncTreeClient) -> None:
        self._portal = portal
        self._trees = trees

    @property
    def schedules(self) -> ScheduleClient:
        """Return the schedules, which launch templates at the times of a rule."""
        return ScheduleClient(self._portal, self._trees.schedules)

    def find(self, template: str) -> Mapping[str, Any]:
        """Return the template with this name, or with this id.

        Raises:
            NotFound: there is none, or several have the name.
        """
        return self._portal.run_coroutine(lambda: self._trees.find(template))

    def launch(self, template: str, *, variables: Mapping[str, Any] | None = None) -> "TreeRun":
        """Launch a template, by name or id, with these variables.

        Raises:
            Rejected: answers of its survey are missing; or it does not ask for one of the variables.
        """
        run = self._portal.run_coroutine(lambda: self._trees.launch(template, variables=variables))
        return TreeRun(self._portal, run)

    def notify(
        self, template: str, receiver: str, *, on: Sequence[str] = ("any",), webhook: str = ""
    ) -> Mapping[str, Any]:
        """Let a notification template, by name or id, tell of the jobs of a template; return the notification template.

        With the address of a `webhook`, create the notification template of this name first, unless it is there with
        this address. So a call that failed halfway can be repeated.

        Raises:
            NotFound: one of the two is not there.
            Rejected: there is no such list, or the name is taken.
        """
        return self._portal.run_coroutine(lambda: self._trees.notify(template, receiver, on=on, webhook=webhook))

    def draw(self, template: str, *, form: str = "mermaid") -> str:
        """Return the graph of a template as text: `mermaid` or `dot`."""
        return self._portal.run_coroutine(lambda: self._trees.draw(template, form=form))

    def get(self, job: int) -> "TreeRun":
        """Return the tree that was launched as this job. This asks the server nothing."""
        return TreeRun(self._portal, self._trees.get(job))


class TreeRun:
    """One launched tree. Creating this object asks the server nothing."""

    def __init__(self, portal: LoopThread, run: AsyncTreeRun) -> None:
        self._portal = portal
        self._run = run
        self.id = run.id

    def __repr__(self) -> str:
        return f"TreeRun({self.id!r})"

    def show(self) -> Mapping[str, Any]:
        """Return the job, with its nodes and edges under `graph`."""
        return self._portal.run_coroutine(self._run.show)

    def list_notifications(self) -> list[Mapping[str, Any]]:
        """Return the notifications about the tree, with what became of each. Those about its jobs are others."""
        return self._portal.run_coroutine(self._run.list_notifications)

    def draw(self, *, form: str = "mermaid") -> str:
        """Return its graph with each node's state as text: `mermaid` or `dot`."""
        return self._portal.run_coroutine(lambda: self._run.draw(form=form))

    def wait(self, *, timeout: Duration | None = None) -> Mapping[str, Any]:
        """Wait until the tree is over, and return it as `show` does.

        Raises:
            TimedOut: `timeout` has passed.
        """
        return self._portal.run_coroutine(lambda: self._run.wait(timeout=timeout))

    def cancel(self) -> None:
        """Ask the server to cancel the tree with all jobs below it, and return at once. It ends when they are over."""
        self._portal.run_coroutine(self._run.cancel)

    def relaunch(self, *, from_failed: bool = False) -> "TreeRun":
        """Launch the tree again, whole or from its failed nodes, and return the new one."""
        run = self._portal.run_coroutine(lambda: self._run.relaunch(from_failed=from_failed))
        return TreeRun(self._portal, run)
