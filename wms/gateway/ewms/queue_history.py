"""The routes of the history of queues, and of one queue as it is now. MQS samples and keeps the history."""

from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from runtime.bus.questions import Asks
from runtime.clock import utc_now
from runtime.web.route import Call, Route, answer_json
from schemas.api.queue_history import QueueHistories, QueueSeen
from schemas.errors import Broken, NotFound, Rejected
from schemas.ids import MQID, Mqid, WorkflowId
from schemas.requests import MAX_POINTS, HistoryAnswer, HistoryQuery, QueuePoints
from wms.fleet.depth_questions import ask_depths
from wms.fleet.object_reader import ObjectReader
from wms.gateway.roles import READERS, find_access

_DEFAULT_SPAN = timedelta(hours=1)
_DEFAULT_POINTS = 300
#: From this long on, rates and the age of the oldest event are those of now.
_NOW_SPAN = timedelta(minutes=2)


class QueueHistoryRoutes:
    """Handlers of /workflows/{workflow_id}/queues/history and /queues/{mqid}."""

    def __init__(self, reader: ObjectReader, mqs: Asks) -> None:
        self._reader = reader
        self._mqs = mqs

    def routes(self) -> list[Route]:
        """Return the routes."""
        instant = {"type": "string", "format": "date-time"}
        return [
            Route(
                "GET",
                "/workflows/{workflow_id}/queues/history",
                self.get_histories,
                "Get the history of a workflow's queues, as points of a plot",
                roles=READERS,
                is_heavy=True,
                answer=QueueHistories,
                errors=(404,),
                query={"since": False, "until": False, "points": False},
                parameters={
                    "since": instant,
                    "until": instant,
                    "points": {"type": "integer", "minimum": 1, "maximum": MAX_POINTS, "default": _DEFAULT_POINTS},
                },
            ),
            Route(
                "GET",
                "/queues/{mqid}",
                self.get_queue,
                "Get a queue: its depth, rates, consumers, and the age of its oldest event",
                roles=READERS,
                is_heavy=True,
                answer=QueueSeen,
                errors=(404,),
            ),
        ]

    async def get_histories(self, call: Call) -> Response:
        now = utc_now()
        until = read_instant(call, "until", now)
        since = read_instant(call, "since", until - _DEFAULT_SPAN)
        if since >= until:
            raise Rejected("'since': must be earlier than 'until', which is now unless it is given")
        n_points = call.read_number("points", _DEFAULT_POINTS, minimum=1, maximum=MAX_POINTS)
        workflow = await self._reader.get_workflow(call.read_path("workflow_id"), find_access(call.caller))
        query = HistoryQuery(workflow_id=workflow.workflow_id, since=since, until=until, n_points=n_points)
        try:
            queues = (await self._ask_history(query)).queues
        except NotFound:
            # MQS does not have these queues yet, or it has deleted them.
            queues = []
        return answer_json(QueueHistories(workflow_id=workflow.workflow_id, since=since, until=until, queues=queues))

    async def get_queue(self, call: Call) -> Response:
        mqid = call.read_path("mqid")
        missing = NotFound(f"no queue found with id: {mqid}")
        if not MQID.fullmatch(mqid):
            raise missing
        now = utc_now()
        try:
            found = await self._ask_history(HistoryQuery(mqid=Mqid(mqid), since=now - _NOW_SPAN, until=now, n_points=1))
            await self._reader.get_workflow(found.workflow_id, find_access(call.caller))
        except NotFound as error:
            raise missing from error
        depths = await ask_depths(self._mqs, WorkflowId(found.workflow_id))
        depth = next((each for each in depths.queues if each.mqid == mqid), None) if depths is not None else None
        if depth is None:
            raise missing
        points = found.queues[0].points
        is_sampled = bool(points.at_s)
        return answer_json(
            QueueSeen(
                **depth.model_dump(),
                workflow_id=found.workflow_id,
                in_per_s=points.in_per_s[-1] if is_sampled else None,
                out_per_s=points.out_per_s[-1] if is_sampled else None,
                oldest_s=points.oldest_s[-1] if is_sampled else None,
                sampled_at=_find_time(points),
            )
        )

    async def _ask_history(self, query: HistoryQuery) -> HistoryAnswer:
        match await self._mqs.ask(query):
            case HistoryAnswer() as found:
                return found
            case other:
                raise Broken(f"MQS answered {other.kind} to {query.kind}")


def read_instant(call: Call, name: str, default: datetime) -> datetime:
    """Return the parameter `name` of the query as an instant. Return `default` if the query does not have it.

    Raises:
        Rejected: the text is no instant, or has no time zone.
    """
    text = call.read_query(name)
    if text is None:
        return default
    try:
        # In a query, the plus of a time zone may have become a space.
        at = datetime.fromisoformat(text.replace(" ", "+")) if text.isascii() else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Rejected(f"'{name}': must be an instant with a time zone, such as 2026-11-30T08:00:00Z")
    return at.astimezone(UTC)


def _find_time(points: QueuePoints) -> datetime | None:
    return datetime.fromtimestamp(points.at_s[-1], UTC) if points.at_s else None
