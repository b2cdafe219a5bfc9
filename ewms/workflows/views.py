"""Views of one workflow as a whole, as the server makes them: its graph, its progress, why it stands so, its report."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from urllib.parse import quote, urlencode

from ewms.gateway.event_following import follow_over_breaks
from ewms.gateway.http import Gateway
from schemas.api.event_trace import EventTrace, TracedFamilies
from schemas.api.queues.history import QueueHistories
from schemas.api.workflows.explanation import Explanation, WorkflowStanding
from schemas.api.workflows.graph import WorkflowGraph
from schemas.api.workflows.report import WorkflowReport
from schemas.attempts.done_history import TracedFamily
from schemas.ids import WorkflowId


class AsyncWorkflowViews:
    """The views of one workflow. Creating this object asks the server nothing."""

    def __init__(self, gateway: Gateway, workflow: WorkflowId) -> None:
        self._gateway = gateway
        self._path = f"/workflows/{workflow}"

    async def graph(self) -> WorkflowGraph:
        """Return the graph: tasks with their workers, queues with their depths, and the edges between tasks.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        answer = await self._gateway.get_json(f"{self._path}/graph")
        return WorkflowGraph.model_validate(answer, extra="ignore")

    async def draw(self, *, form: str = "mermaid") -> str:
        """Return the graph as text. `form` is `mermaid` or `dot`.

        Raises:
            Refused: there is no such form.
            NotThere: the workflow does not exist, or belongs to another user.
        """
        body, _ = await self._gateway.get_bytes(f"{self._path}/graph?format={quote(form, safe='')}")
        return body.decode()

    async def progress(self) -> WorkflowStanding:
        """Return how far the workflow is: workers, queues and events, and the problems that a person must look at.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        answer = await self._gateway.get_json(f"{self._path}/progress")
        return WorkflowStanding.model_validate(answer, extra="ignore")

    async def explain(self) -> Explanation:
        """Return why the workflow stands as it does: causes with remedies, the most serious first.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        answer = await self._gateway.get_json(f"{self._path}/explain")
        return Explanation.model_validate(answer, extra="ignore")

    async def report(self) -> WorkflowReport:
        """Return what the workers did and cost: each figure with its unit and how it was computed.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        answer = await self._gateway.get_json(f"{self._path}/report")
        return WorkflowReport.model_validate(answer, extra="ignore")

    async def queue_history(
        self, *, since: datetime | None = None, until: datetime | None = None, points: int = 300
    ) -> QueueHistories:
        """Return how many events each queue held, as points of a plot from `since` (an hour ago) until `until` (now).

        Raises:
            Refused: the times have no time zone, or there are too many points.
            NotThere: the workflow does not exist, or belongs to another user.
        """
        instants = {"since": since, "until": until}
        query = {name: at.isoformat() for name, at in instants.items() if at is not None} | {"points": str(points)}
        answer = await self._gateway.get_json(f"{self._path}/queues/history?{urlencode(query)}")
        return QueueHistories.model_validate(answer, extra="ignore")

    async def trace(self, event: str) -> EventTrace:
        """Return what is known of an event: the attempts at it, its parents, and what tasks made from it.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        answer = await self._gateway.get_json(f"{self._path}/events/{quote(event, safe='')}/trace")
        return EventTrace.model_validate(answer, extra="ignore")

    async def traces(self) -> list[TracedFamily]:
        """Return the traced events that no task made, with how much was made from each; the newest reports first.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
        """
        answer = await self._gateway.get_json(f"{self._path}/traces")
        return TracedFamilies.model_validate(answer, extra="ignore").families

    async def follow(self) -> AsyncIterator[WorkflowStanding]:
        """Yield how far the workflow is, now and after each change, until it is over.

        If the connection breaks, this goes on after the last change that it has seen.

        Raises:
            NotThere: the workflow does not exist, or belongs to another user.
            Unreachable, ServerDown: the server did not answer several times in a row.
        """
        async with aclosing(follow_over_breaks(self._gateway, f"{self._path}/events")) as events:
            async for event in events:
                if event.name == "end":
                    return
                yield WorkflowStanding.model_validate_json(event.data, extra="ignore")
