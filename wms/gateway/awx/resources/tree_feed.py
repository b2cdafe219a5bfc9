"""The route that sends a launched tree as server-sent events: as it is now, and after each change.

    tree    the job, as GET shows it, with its nodes and edges under `graph`; the id is the revision of the tree
    end     the tree is over, and the stream ends

An event has all of the tree. So a client that was away needs only the newest one.
"""

from collections.abc import Sequence

from starlette.responses import Response

from runtime.web.event_streams import EventStreams, follow_rows, read_last_event_id
from runtime.web.route import Call, Route, answer_json
from runtime.web.sse_format import StreamEvent
from schemas.errors import NotFound, Rejected
from schemas.ids import RunId
from schemas.runs import RUN_OVER
from wms.engine.run_watch import LOOK_S, RunWatch
from wms.gateway.awx.requests import AwxParts, Requests, read_id, route_object
from wms.gateway.awx.resources.jobs import JobRoutes
from wms.trees.jobs.drawing import draw_run, show_drawing
from wms.trees.jobs.job_statuses import find_job_type

_MAX_DIGITS = 12


class TreeFeedRoutes:
    """The handler of /workflow_jobs/{id}/events."""

    def __init__(self, parts: AwxParts, requests: Requests, jobs: JobRoutes) -> None:
        self._parts = parts
        self._requests = requests
        self._jobs = jobs
        self._watch: RunWatch = parts.watch
        self._streams: EventStreams = parts.streams

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            route_object(
                "GET",
                "/workflow_jobs/{id}/events",
                self.follow_tree,
                "Follow a tree as server-sent events, until it is over",
                media_type="text/event-stream",
                query={"last_event_id": {"type": "string"}},
            )
        ]

    async def follow_tree(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        run = await self._parts.trees.runs.find_job(principal, RunId(read_id(call)))
        if find_job_type(run) != "workflow_job":
            raise NotFound("Not found.")
        after = read_last_event_id(call)
        parse_revision(after)
        ticket = self._watch.take_ticket(run.id)

        explained = ""

        async def read_after(place: str) -> Sequence[StreamEvent]:
            nonlocal explained
            news, explained = await self._read_news(run.id, parse_revision(place), explained)
            return news

        async def wait() -> None:
            await ticket.wait(within_s=LOOK_S)

        events = follow_rows(read_after, after=after, wait=wait, is_over=lambda event: event.name == "end")
        return self._streams.open_stream(call, events)

    async def _read_news(self, run_id: RunId, seen: int, explained: str) -> tuple[list[StreamEvent], str]:
        """Return the news for a client that has `seen` a revision, and how the tree explains itself now.

        What halts below a tree changes its explanation and not the tree itself.
        """
        run = (await self._parts.jobs.load_jobs([run_id])).get(run_id)
        if run is None:
            return [StreamEvent(data="{}", id=str(max(seen, 0)), name="end")], explained
        [shown] = await self._jobs.show_jobs([run])
        explanation = shown["job_explanation"]
        if run.rev == seen and run.status not in RUN_OVER and explanation == explained:
            return [], explained
        data = bytes(answer_json({**shown, "graph": show_drawing(draw_run(run))}).body)
        told = [StreamEvent(data=data.decode(), id=str(run.rev), name="tree")]
        if run.status in RUN_OVER:
            told.append(StreamEvent(data="{}", id=str(run.rev), name="end"))
        return told, explanation


def parse_revision(text: str) -> int:
    """Return the revision that a client has seen; -1: none.

    Raises:
        Rejected: `text` is no id of an event of a tree.
    """
    if not text:
        return -1
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise Rejected("Last-Event-ID must be an id that this stream has sent")
    return int(text)
