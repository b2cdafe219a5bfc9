"""Decision trees for programs without an event loop: the names of `ewms.trees.async_trees`, without `await`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ewms.durations import Duration
from ewms.loop_thread import LoopThread
from ewms.trees.async_trees import AsyncTreeClient, AsyncTreeRun
from ewms.trees.plain_schedules import ScheduleClient
from schemas.api.workflows.explanation import ObjectExplanation


class TreeClient:
    """The decision trees of one server: launch a template, and look at its jobs."""

    def __init__(self, portal: LoopThread, trees: AsyncTreeClient) -> None:
        self._portal = portal
        self._trees = trees

    @property
    def schedules(self) -> ScheduleClient:
        """Return the schedules, which launch templates at the times of a rule."""
        return ScheduleClient(self._portal, self._trees.schedules)

    def find(self, template: str) -> Mapping[str, Any]:
        """Return the template with this name or number, as the JSON object of the REST API.

        Raises:
            NotFound: there is no such template, or several have the name.
        """
        return self._portal.run_coroutine(lambda: self._trees.find(template))

    def launch(self, template: str, *, variables: Mapping[str, Any] | None = None) -> "TreeRun":
        """Launch the template with this name or number, with these variables. Return the launched tree.

        Raises:
            NotFound: there is no such template, or several have the name.
            Rejected: the template does not ask for one of the variables.
            Refused: answers of the template's survey are missing or wrong.
        """
        run = self._portal.run_coroutine(lambda: self._trees.launch(template, variables=variables))
        return TreeRun(self._portal, run)

    def find_text_variables(self, template: str) -> frozenset[str]:
        """Return the variables for which the survey of a template wants a text. The template has this name or number,
        and any kind. Empty: it has no survey, there is no such template, or several have the name.
        """
        return self._portal.run_coroutine(lambda: self._trees.find_text_variables(template))

    def notify(
        self, template: str, receiver: str, *, on: Sequence[str] = ("any",), webhook: str = ""
    ) -> Mapping[str, Any]:
        """Tell a receiver of the jobs of a template from now on. Return the receiver's notification template.

        `template` and `receiver` are each a name or a number: of a template, and of a notification template. `on` names
        the lists of the template into which the receiver comes. With the address of a `webhook`, first create the
        notification template `receiver`, unless the same call has created it in the last two weeks. So you can
        repeat a call that failed halfway.

        Raises:
            NotFound: there is no such template, or no such notification template.
            Rejected: there is no such list, or the name of the new notification template is taken.
        """
        return self._portal.run_coroutine(lambda: self._trees.notify(template, receiver, on=on, webhook=webhook))

    def draw(self, template: str, *, form: str = "mermaid") -> str:
        """Return the graph of the template with this name or number as text. `form` is `mermaid` or `dot`.

        Raises:
            NotFound: there is no such template, or several have the name.
            Rejected: there is no such form.
        """
        return self._portal.run_coroutine(lambda: self._trees.draw(template, form=form))

    def list_latest(self, n: int = 50, *, template: str = "", status: str = "") -> list[Mapping[str, Any]]:
        """Return the latest `n` launched trees that you see, the newest first, as JSON objects of the REST API.

        `template`, a name or a number, leaves out trees of other templates; `status`, such as `running`, other trees.

        Raises:
            NotFound: there is no such template, or several have the name.
        """
        return self._portal.run_coroutine(lambda: self._trees.list_latest(n, template=template, status=status))

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
        """Return the tree's job as the JSON object of the REST API. Its key `graph` has the nodes and edges."""
        return self._portal.run_coroutine(self._run.show)

    def explain(self) -> ObjectExplanation:
        """Return why the tree stands as it does: causes with remedies, the most serious first. They are also those of
        the jobs and processes below it.

        Raises:
            NotThere: the tree does not exist, or you may not see it.
        """
        return self._portal.run_coroutine(self._run.explain)

    def list_notifications(self) -> list[Mapping[str, Any]]:
        """Return the notifications about the tree, each with its status. Leave out notifications about the jobs of its
        nodes.
        """
        return self._portal.run_coroutine(self._run.list_notifications)

    def draw(self, *, form: str = "mermaid") -> str:
        """Return the graph of the tree, with each node's state, as text. `form` is `mermaid` or `dot`.

        Raises:
            Rejected: there is no such form.
        """
        return self._portal.run_coroutine(lambda: self._run.draw(form=form))

    def wait(self, *, timeout: Duration | None = None) -> Mapping[str, Any]:
        """Wait until the tree is over, and return it as `show` does.

        Raises:
            TimedOut: `timeout` has passed.
        """
        return self._portal.run_coroutine(lambda: self._run.wait(timeout=timeout))

    def follow(self, *, again_s: float | None = None) -> Iterator[Mapping[str, Any]]:
        """Yield the tree as `show` returns it: now, and after each change, until it is over.

        With `again_s`, yield it also when nothing has changed for so many seconds.
        """
        news = self._run.follow(again_s=again_s)

        async def take_next() -> Mapping[str, Any] | None:
            return await anext(news, None)

        try:
            while (job := self._portal.run_coroutine(take_next)) is not None:
                yield job
        finally:
            self._portal.run_coroutine(news.aclose)

    def approve(self, name: str = "", *, comment: str = "") -> None:
        """Approve the approval of this name that waits in the tree. Without a name, approve the only one that waits.

        Raises:
            NotFound: none waits, or several do and there is no name.
            Forbidden: you may not approve it.
        """
        self._portal.run_coroutine(lambda: self._run.approve(name, comment=comment))

    def deny(self, name: str = "", *, comment: str = "") -> None:
        """Deny an approval, which `approve` describes. Its node fails.

        Raises:
            NotFound: none waits, or several do and there is no name.
            Forbidden: you may not deny it.
        """
        self._portal.run_coroutine(lambda: self._run.deny(name, comment=comment))

    def cancel(self) -> None:
        """Ask the server to cancel the tree with all jobs below it, and return at once. It ends when they are over."""
        self._portal.run_coroutine(self._run.cancel)

    def relaunch(self, *, from_failed: bool = False) -> "TreeRun":
        """Launch the tree again, and return the new tree. With `from_failed`, nodes that ended well keep their
        results.
        """
        run = self._portal.run_coroutine(lambda: self._run.relaunch(from_failed=from_failed))
        return TreeRun(self._portal, run)
