"""The route of the trace of one event. `wms.insight.event_tracer` puts the trace together."""

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json
from schemas.api.event_trace import EventTrace
from schemas.ids import EventId
from wms.gateway.roles import READERS, find_access
from wms.insight.event_tracer import EventTracer


class EventTraceRoutes:
    """Handlers of /workflows/{workflow_id}/events/{event_id}/trace."""

    def __init__(self, tracer: EventTracer) -> None:
        self._tracer = tracer

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "GET",
                "/workflows/{workflow_id}/events/{event_id}/trace",
                self.get_trace,
                "Get what is known of an event, of its parents, and of the events that tasks made from it",
                roles=READERS,
                is_heavy=True,
                answer=EventTrace,
                errors=(404,),
            )
        ]

    async def get_trace(self, call: Call) -> Response:
        event_id = EventId(call.read_path("event_id"))
        trace = await self._tracer.trace_event(call.read_path("workflow_id"), event_id, find_access(call.caller))
        return answer_json(trace)
