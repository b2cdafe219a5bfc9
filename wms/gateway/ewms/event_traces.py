"""The routes of traces: the trace of one event, and the list of traced families.

`wms.insight.event_tracer` puts a trace together.
"""

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json
from schemas.api.event_trace import EventTrace, TracedFamilies
from schemas.ids import EventId
from wms.gateway.roles import READERS, find_access
from wms.insight.event_tracer import EventTracer


class EventTraceRoutes:
    """Handlers of /workflows/{workflow_id}/events/{event_id}/trace and /workflows/{workflow_id}/traces."""

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
            ),
            Route(
                "GET",
                "/workflows/{workflow_id}/traces",
                self.list_traces,
                "List the events whose whole way workers report, the newest reports first",
                roles=READERS,
                answer=TracedFamilies,
                errors=(404,),
            ),
        ]

    async def list_traces(self, call: Call) -> Response:
        families = await self._tracer.list_families(call.read_path("workflow_id"), find_access(call.caller))
        return answer_json(TracedFamilies(families=families))

    async def get_trace(self, call: Call) -> Response:
        event_id = EventId(call.read_path("event_id"))
        trace = await self._tracer.trace_event(call.read_path("workflow_id"), event_id, find_access(call.caller))
        return answer_json(trace)
