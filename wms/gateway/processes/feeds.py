"""The routes that send news about processes as server-sent events."""

from starlette.responses import Response

from runtime.web.news.event_streams import EventStreams, read_last_event_id
from runtime.web.route import Call, Route
from wms.gateway.processes.callers import Callers
from wms.processes.process_feed import ProcessFeed
from wms.tenancy.rights import Action, Principal, roles_for

_MEDIA_TYPE = "text/event-stream"


class FeedRoutes:
    """Handlers of /processes/events and /processes/{process_id}/events."""

    def __init__(self, callers: Callers, feed: ProcessFeed, streams: EventStreams) -> None:
        self._callers = callers
        self._feed = feed
        self._streams = streams

    def routes(self) -> list[Route]:
        """Return the routes."""
        sees, after = roles_for(Action.SEE_PROCESS), {"last_event_id": False}
        about_all = "Follow all processes as server-sent events"
        about_one = "Follow a process as server-sent events, until it is over"
        return [
            Route(
                "GET",
                "/processes/events",
                self.follow_all,
                about_all,
                roles=sees,
                media_type=_MEDIA_TYPE,
                query=after,
            ),
            Route(
                "GET",
                "/processes/{process_id}/events",
                self.follow_one,
                about_one,
                roles=sees,
                media_type=_MEDIA_TYPE,
                query=after,
            ),
        ]

    async def follow_all(self, call: Call) -> Response:
        async def find_principal() -> Principal:
            return await self._callers.find_principal(call)

        return self._streams.open_stream(call, self._feed.follow_all(find_principal, read_last_event_id(call)))

    async def follow_one(self, call: Call) -> Response:
        _, run = await self._callers.find_process(call, Action.SEE_PROCESS)
        return self._streams.open_stream(call, self._feed.follow_process(run.id, read_last_event_id(call)))
