"""The views of one workflow without `await`. `ewms.workflows.views` has the same methods for event loops."""

from collections.abc import Iterator
from datetime import datetime

from ewms.loop_thread import LoopThread
from ewms.workflows.views import AsyncWorkflowViews
from schemas.api.event_trace import EventTrace
from schemas.api.queues.history import QueueHistories
from schemas.api.workflows.explanation import Explanation, WorkflowStanding
from schemas.api.workflows.graph import WorkflowGraph
from schemas.api.workflows.report import WorkflowReport
from schemas.attempts.done_history import TracedFamily


class WorkflowViews:
    """The views of one workflow. Creating this object asks the server nothing."""

    def __init__(self, portal: LoopThread, views: AsyncWorkflowViews) -> None:
        self._portal = portal
        self._views = views

    def graph(self) -> WorkflowGraph:
        """Return the graph: tasks with their workers, queues with their depths, and the edges between tasks.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        return self._portal.run_coroutine(self._views.graph)

    def draw(self, *, form: str = "mermaid") -> str:
        """Return the graph as text. `form` is `mermaid` or `dot`.

        Raises:
            Refused: there is no such form.
            NotThere: the workflow does not exist, or belongs to another user.
        """
        return self._portal.run_coroutine(lambda: self._views.draw(form=form))

    def progress(self) -> WorkflowStanding:
        """Return how far the workflow is: workers, queues and events, and the problems that a person must look at.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        return self._portal.run_coroutine(self._views.progress)

    def explain(self) -> Explanation:
        """Return why the workflow stands as it does: causes with remedies, the most serious first.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        return self._portal.run_coroutine(self._views.explain)

    def report(self) -> WorkflowReport:
        """Return what the workers did and cost: each figure with its unit and how it was computed.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        return self._portal.run_coroutine(self._views.report)

    def queue_history(
        self, *, since: datetime | None = None, until: datetime | None = None, points: int = 300
    ) -> QueueHistories:
        """Return how many events each queue held, as points of a plot from `since` (an hour ago) until `until` (now).

        Raises:
            Refused: the times have no time zone, or there are too many points.
            NotThere: the workflow does not exist, or belongs to another user.
        """
        return self._portal.run_coroutine(lambda: self._views.queue_history(since=since, until=until, points=points))

    def trace(self, event: str) -> EventTrace:
        """Return what is known of an event: the attempts at it, its parents, and what tasks made from it.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        return self._portal.run_coroutine(lambda: self._views.trace(event))

    def traces(self) -> list[TracedFamily]:
        """Return the traced events that no task made, with how much was made from each; the newest reports first.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        return self._portal.run_coroutine(self._views.traces)

    def follow(self) -> Iterator[WorkflowStanding]:
        """Yield how far the workflow is, now and after each change, until it is over.

        If the connection breaks, this goes on after the last change that it has seen.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
            Unreachable, ServerDown: the server did not answer several times in a row.
        """
        return self._portal.run_iterator(self._views.follow())
