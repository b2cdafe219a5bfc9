"""The routes of the history of queues, and of one queue as it is now. MQS samples and keeps the history."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from starlette.responses import Response

from runtime.bus.questions import Asks
from runtime.clock import utc_now
from runtime.web.route import Call, Route, answer_json
from schemas.api.queues.history import QueueHistories, QueueSeen
from schemas.errors import Broken, NotFound, Rejected
from schemas.fleet.documents import QueuePlan
from schemas.ids import MQID, Mqid, WorkflowId
from schemas.questions.queues import MAX_HISTORIES, MAX_POINTS, HistoryAnswer, HistoryQuery, QueueHistory
from wms.fleet.reading.object_reader import ObjectReader
from wms.fleet.stalls.depth_questions import ask_depths
from wms.gateway.ewms.query_instants import parse_instant
from wms.gateway.roles import READERS, find_access

_DEFAULT_SPAN = timedelta(hours=1)
_DEFAULT_POINTS = 300
#: From this long on, rates and the age of the oldest event are those of now.
_NOW_SPAN = timedelta(minutes=2)
#: The most queues of one answer, and the most points of all its queues together.
_MOST_QUEUES = 200
_MOST_POINTS = _MOST_QUEUES * _DEFAULT_POINTS
#: How long MQS may take to read the queues of one question, in seconds.
_HISTORY_TIMEOUT_S = 30.0


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
                query={"since": False, "until": False, "points": False, "mqids": False},
                parameters={
                    "since": instant,
                    "until": instant,
                    "points": {"type": "integer", "minimum": 1, "maximum": MAX_POINTS, "default": _DEFAULT_POINTS},
                    "mqids": {"type": "string", "description": f"At most {_MOST_QUEUES} queues, separated by commas."},
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
        plans = choose_queues(workflow.queues, call.read_query("mqids"), n_points)
        queues: list[QueueHistory] = []
        for place in range(0, len(plans), MAX_HISTORIES):
            mqids = [plan.mqid for plan in plans[place : place + MAX_HISTORIES]]
            try:
                found = await self._ask_history(HistoryQuery(mqids=mqids, since=since, until=until, n_points=n_points))
            except NotFound:
                # MQS does not have these queues yet, or it has deleted them.
                continue
            queues += found.queues
        return answer_json(QueueHistories(workflow_id=workflow.workflow_id, since=since, until=until, queues=queues))

    async def get_queue(self, call: Call) -> Response:
        mqid = call.read_path("mqid")
        missing = NotFound(f"no queue found with id: {mqid}")
        if not MQID.fullmatch(mqid):
            raise missing
        now = utc_now()
        try:
            found = await self._ask_history(
                HistoryQuery(mqids=[Mqid(mqid)], since=now - _NOW_SPAN, until=now, n_points=1)
            )
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
                sampled_at=found.queues[0].sampled_at,
            )
        )

    async def _ask_history(self, query: HistoryQuery) -> HistoryAnswer:
        match await self._mqs.ask(query, timeout_s=_HISTORY_TIMEOUT_S):
            case HistoryAnswer() as found:
                return found
            case other:
                raise Broken(f"MQS answered {other.kind} to {query.kind}")


def choose_queues(plans: Sequence[QueuePlan], named: str | None, n_points: int) -> list[QueuePlan]:
    """Return the queues that `?mqids=` names, or all if it is not given.

    Raises:
        Rejected: there is no such queue, or the answer would be too large.
    """
    chosen = list(plans)
    if named is not None:
        wanted = set(named.split(","))
        chosen = [plan for plan in plans if plan.mqid in wanted]
        if unknown := wanted - {plan.mqid for plan in chosen}:
            raise Rejected(f"'mqids': the workflow has no queue {min(unknown)[:64]!r}; name its queues, with commas")
    if (n := len(chosen)) > _MOST_QUEUES:
        raise Rejected(f"'mqids': must name at most {_MOST_QUEUES} of the workflow's {len(plans)} queues, not {n}")
    if n * n_points > _MOST_POINTS:
        raise Rejected(
            f"'points': must be at most {_MOST_POINTS // n} for {n} queues; ask for fewer points, or name fewer queues"
            " in 'mqids'"
        )
    return chosen


def read_instant(call: Call, name: str, default: datetime) -> datetime:
    """Return the parameter `name` of the query as an instant. Return `default` if the query does not have it.

    Raises:
        Rejected: the text is no instant, has no time zone, or lies outside the years that are possible.
    """
    text = call.read_query(name)
    return default if text is None else parse_instant(name, text)
