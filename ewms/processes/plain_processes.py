"""Processes for programs without an event loop: the names of `ewms.processes.async_processes`, without `await`."""

from collections.abc import Mapping, Sequence
from typing import Any

from ewms.durations import Duration
from ewms.loop_thread import LoopThread
from ewms.processes.async_processes import AsyncProcesses, AsyncProcessRun, Page
from schemas.api.processes import ProcessDetail, ProcessStep, ProcessSummary
from schemas.api.workflows.explanation import ObjectExplanation


class Processes:
    """The processes of one server."""

    def __init__(self, portal: LoopThread, processes: AsyncProcesses) -> None:
        self._portal = portal
        self._processes = processes

    def start(self, workflow: str, *, pages: Sequence[Page] = ({},), organization: str = "") -> "ProcessRun":
        """Start a process of `workflow` with the pages of its form, and return it.

        A workflow without a form takes one empty page, which is the default. `organization` owns a process without a
        customer, if you may start processes in several.

        Raises:
            FormNotComplete: the form wants another page; the error has its JSON schema in `form`.
            Refused: a page is not valid, or the workflow may not start now; the reason says why.
            NotThere: no step worker has registered the workflow.
        """
        return ProcessRun(
            self._portal,
            self._portal.run_coroutine(lambda: self._processes.start(workflow, pages=pages, organization=organization)),
        )

    def next_form(self, workflow: str, *, pages: Sequence[Page] = ()) -> Mapping[str, Any] | None:
        """Return the JSON schema of the page that follows `pages`. Return None if the form needs no more pages. This
        starts nothing.

        Raises:
            Refused: a page is not valid; `members["validation_errors"]` names the fields.
        """
        return self._portal.run_coroutine(lambda: self._processes.next_form(workflow, pages=pages))

    def get(self, process_id: str) -> "ProcessRun":
        """Return the process with this id. This asks the server nothing."""
        return ProcessRun(self._portal, self._processes.get(process_id))

    def find(self, filters: Mapping[str, str] | None = None, *, sort: str = "", n: int = 250) -> list[ProcessSummary]:
        """Return at most `n` processes that match `filters`, the latest first.

        `filters` are fields and values such as `{"workflow_name": "create_node", "last_status": "failed"}`, and `sort`
        is such as "started_at,asc".

        Raises:
            Refused: there is no such field; the reason names those that there are.
        """
        return self._portal.run_coroutine(lambda: self._processes.find(filters, sort=sort, n=n))

    def publish_event(
        self, name: str, body: Any = None, *, correlation: str = "", event_id: str = "", organization: str = ""
    ) -> int:
        """Publish an event for the processes that wait for it with this correlation. Return how many it brings on.

        If none waits, the server keeps the event for the first that does. To publish the same event again safely, give
        it an `event_id` of its own. `organization` owns the processes, if you have a role in several.

        Raises:
            AlreadyThere: another event has this `event_id`.
            Refused: your roles allow no input to processes there.
        """
        return self._portal.run_coroutine(
            lambda: self._processes.publish_event(
                name, body, correlation=correlation, event_id=event_id, organization=organization
            )
        )

    def workflows(self) -> list[Mapping[str, Any]]:
        """Return the workflows that users can start, in the order of their names, each as the JSON object of the REST
        API.
        """
        return self._portal.run_coroutine(self._processes.workflows)

    def pools(self) -> list[Mapping[str, Any]]:
        """Return the pools of step workers, each as a JSON object. Its `workers` say what they offer, and since when
        they run.
        """
        return self._portal.run_coroutine(self._processes.pools)


class ProcessRun:
    """One process on the server. Creating this object asks the server nothing."""

    def __init__(self, portal: LoopThread, run: AsyncProcessRun) -> None:
        self._portal = portal
        self._run = run
        self.id = run.id

    def __repr__(self) -> str:
        return f"ProcessRun({self.id!r})"

    def show(self) -> ProcessDetail:
        """Return the process with its steps, its state, and the form that it waits for."""
        return self._portal.run_coroutine(self._run.show)

    def explain(self) -> ObjectExplanation:
        """Return why the process stands as it does: causes with remedies, the most serious first.

        Raises:
            NotThere: the process does not exist, or you may not see it.
        """
        return self._portal.run_coroutine(self._run.explain)

    def log(self) -> list[ProcessStep]:
        """Return the steps that have begun, with every failed attempt, in order."""
        return self._portal.run_coroutine(self._run.log)

    def wait(self, *, timeout: Duration | None = None) -> ProcessDetail:
        """Wait until the process is over or a person has to act, and return it as it is then.

        A person has to act on a process that is suspended or failed: `resume` or `abort` it, and wait again.

        Raises:
            TimedOut: `timeout` has passed.
        """
        return self._portal.run_coroutine(lambda: self._run.wait(timeout=timeout))

    def resume(self, *, pages: Sequence[Page] = ()) -> None:
        """Continue the process: with the pages of the form that it waits for, or with another attempt at the step that
        failed.

        Raises:
            FormNotComplete: the form wants another page.
            Refused: a page is not valid. The process has not changed.
            AlreadyThere: the status of the process does not allow this.
        """
        self._portal.run_coroutine(lambda: self._run.resume(pages=pages))

    def abort(self, *, reason: str = "") -> None:
        """Ask the server to end the process for good, and return at once. A step under way still runs to its end.

        Raises:
            AlreadyThere: it is over, or it is being aborted already.
        """
        self._portal.run_coroutine(lambda: self._run.abort(reason=reason))
