"""The route that sends a launched tree as server-sent events: as it is now, and then each change.

`wms.gateway.awx.shapes.tree_news` describes the events. Their id is the revision of the tree. A client that comes back
gets the whole tree once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from runtime.web.news.event_streams import EventStreams, follow_object, read_last_event_id
from runtime.web.news.sse_format import StreamEvent
from runtime.web.route import Call, Route, answer_json
from schemas.engine.runs import RUN_OVER
from schemas.errors import NotFound, Rejected
from schemas.ids import RunId
from wms.engine.run_watch import LOOK_S, RunWatch
from wms.gateway.awx.requests import AwxParts, Requests, read_id, route_object
from wms.gateway.awx.resources.jobs import JobRoutes
from wms.gateway.awx.shapes.tree_news import END, TreeNews
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
        check_revision(after)
        news = TreeNews()
        ticket = self._watch.take_ticket(run.id)

        async def read_after(_: str) -> Sequence[StreamEvent]:
            return await self._update_news(run.id, news)

        async def wait() -> None:
            await ticket.wait(within_s=LOOK_S)

        events = follow_object(read_after, after=after, wait=wait, is_over=lambda event: event.name == "end")
        return self._streams.open_stream(call, events)

    async def _update_news(self, run_id: RunId, news: TreeNews) -> list[StreamEvent]:
        run = (await self._parts.jobs.load_jobs([run_id])).get(run_id)
        if run is None:
            return [_make_event(*END, revision=0)]
        [shown] = await self._jobs.show_jobs([run])
        drawn = {**shown, "graph": show_drawing(draw_run(run))}
        told = news.update_client(drawn, is_over=run.status in RUN_OVER)
        return [_make_event(name, data, revision=run.rev) for name, data in told]


def _make_event(name: str, data: Mapping[str, Any], *, revision: int) -> StreamEvent:
    return StreamEvent(data=bytes(answer_json(data).body).decode(), id=str(revision), name=name)


def check_revision(text: str) -> None:
    """Check the id of the last event that a client has received; "" if it has received none.

    Raises:
        Rejected: `text` is no id of an event of a tree.
    """
    if text and not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise Rejected("Last-Event-ID must be an id that this stream has sent")
