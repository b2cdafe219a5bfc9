"""The routes that send news about workflows as server-sent events."""

from starlette.responses import Response

from runtime.web.news.event_streams import EventStreams, read_last_event_id
from runtime.web.route import Call, Route
from wms.fleet.reading.object_reader import ObjectReader
from wms.gateway.roles import READERS, find_access
from wms.insight.workflow_feed import WorkflowFeed

_MEDIA_TYPE = "text/event-stream"


class WorkflowFeedRoutes:
    """Handlers of /events and /workflows/{workflow_id}/events."""

    def __init__(self, reader: ObjectReader, feed: WorkflowFeed, streams: EventStreams) -> None:
        self._reader = reader
        self._feed = feed
        self._streams = streams

    def routes(self) -> list[Route]:
        """Return the routes."""
        after = {"last_event_id": False}
        return [
            Route(
                "GET",
                "/events",
                self.follow_all,
                "Follow all workflows as server-sent events",
                roles=READERS,
                media_type=_MEDIA_TYPE,
                query=after,
            ),
            Route(
                "GET",
                "/workflows/{workflow_id}/events",
                self.follow_one,
                "Follow a workflow as server-sent events, until it is over",
                roles=READERS,
                media_type=_MEDIA_TYPE,
                errors=(404,),
                query=after,
            ),
        ]

    async def follow_all(self, call: Call) -> Response:
        events = self._feed.follow_all(find_access(call.caller), read_last_event_id(call))
        return self._streams.open_stream(call, events)

    async def follow_one(self, call: Call) -> Response:
        access = find_access(call.caller)
        workflow = await self._reader.get_workflow(call.read_path("workflow_id"), access)
        events = self._feed.follow_workflow(workflow.workflow_id, access, read_last_event_id(call))
        return self._streams.open_stream(call, events)
