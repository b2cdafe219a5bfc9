"""The routes by which a TMS polls for taskforces to start and to stop. `tms_confirmations` takes its reports.

Either events or these routes serve a schedd (`served_by` in the cluster map). These routes do not show taskforces of
schedds that events serve. Polling claims nothing: the answer repeats a taskforce until the TMS confirms it.
"""

from collections.abc import AsyncIterator

from starlette.responses import Response

from runtime.bus.questions import Asks
from runtime.clock import utc_now
from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from runtime.telemetry import log
from schemas.api.tms_routes import PendingStart
from schemas.documents import TASK_DIRECTIVES, TASKFORCES
from schemas.errors import Broken, Conflict, Rejected, Unavailable
from schemas.objects import MQProfile
from schemas.requests import ProfilesAnswer, TaskProfilesQuery
from schemas.rules.submitters import submitter_name
from wms.fleet import repository
from wms.fleet.fleet import Fleet
from wms.fleet.life.conditions import filter_offered_starts, filter_offered_stops
from wms.fleet.locations import LocationMap
from wms.gateway.route import Call, Route, answer_json

#: How many taskforces to read at a time. If MQS refuses the queues of one, the next has its turn.
_AT_ONCE = 20
#: After this many unanswered requests, treat MQS as down. One alone may concern a single workflow.
_PATIENCE = 3

#: The header that names the user of a taskforce's jobs, as HTCondor's `accounting_group_user`.
SUBMITTER_HEADER = "EWMS-Submitter"


class TmsRoutes:
    """Handlers of the /tms routes that hand out work."""

    def __init__(self, fleet: Fleet, store: Store, mqs: Asks, clusters: LocationMap) -> None:
        self._fleet = fleet
        self._store = store
        self._mqs = mqs
        self._clusters = clusters

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "GET",
                "/tms/pending-starter/taskforces",
                self.get_next_start,
                "Get the next taskforce to submit",
                answer=PendingStart,
                query=_QUERY,
            ),
            Route(
                "GET",
                "/tms/pending-stopper/taskforces",
                self.get_next_stop,
                "Get the next taskforce to remove, or an empty object",
                query=_QUERY,
            ),
        ]

    async def get_next_start(self, call: Call) -> Response:
        schedd = self._read_schedd(call)
        if schedd is None:
            return answer_json({})
        n_open = 0
        async for taskforce in self._find_waiting(schedd):
            task = await self._store.find_one(TASK_DIRECTIVES, {"_id": taskforce["task_id"]})
            try:
                profiles = await self._ask_profiles(taskforce, task) if task is not None else None
            except Unavailable:
                n_open += 1
                if n_open == _PATIENCE:
                    raise
                continue
            if task is None or profiles is None:
                continue
            shown = repository.select_public(TASKFORCES, taskforce)
            if shown["n_workers"] is None:
                default = taskforce.get("default_n_workers")
                shown["n_workers"] = self._clusters.default_n_workers.get(schedd, 1) if default is None else default
            answer = answer_json(
                {
                    "taskforce": shown,
                    "task_directive": repository.select_public(TASK_DIRECTIVES, task),
                    "mqprofiles": profiles,
                }
            )
            # The contract's objects have no field for it. A TMS that reads this header can account jobs to their user.
            answer.headers[SUBMITTER_HEADER] = submitter_name(taskforce.get("owner", ""))
            return answer
        if n_open:
            raise Unavailable("MQS does not answer about the queues of the waiting taskforces; ask again")
        return answer_json({})

    async def _find_waiting(self, schedd: str) -> AsyncIterator[Document]:
        """Yield the taskforces to start at `schedd`, in the contract's order."""
        seen: list[str] = []
        while True:
            some = await self._store.find(
                TASKFORCES,
                {
                    "schedd": schedd,
                    **filter_offered_starts(self._fleet.policy.max_failures),
                    "_id": {"$nin": seen},
                },
                sort=[("priority", -1), ("n_submit_failures", 1), ("timestamp", 1), ("cursor", 1)],
                limit=_AT_ONCE,
            )
            for taskforce in some:
                yield taskforce
            if len(some) < _AT_ONCE:
                return
            seen += [taskforce["_id"] for taskforce in some]

    async def _ask_profiles(self, taskforce: Document, task: Document) -> list[MQProfile] | None:
        """Return the queues of a task with its pilots' token; None if MQS refuses. The next has its turn then."""
        query = TaskProfilesQuery(
            workflow_id=taskforce["workflow_id"],
            taskforce_uuid=taskforce["taskforce_uuid"],
            inputs=task["input_queues"],
            outputs=task["output_queues"],
        )
        try:
            match await self._mqs.ask(query):
                case ProfilesAnswer(profiles=profiles):
                    return profiles
                case other:
                    raise Broken(f"MQS answered {other.kind} to {query.kind}")
        except (Rejected, Conflict) as error:
            log.warning("taskforce passed over", taskforce_uuid=taskforce["taskforce_uuid"], reason=error.reason)
            return None

    async def get_next_stop(self, call: Call) -> Response:
        schedd = self._read_schedd(call)
        if schedd is None:
            return answer_json({})
        now = utc_now()
        waiting = await self._store.find(
            TASKFORCES,
            {"schedd": schedd, **filter_offered_stops(now)},
            sort=[("timestamp", 1), ("cursor", 1)],
            limit=1,
        )
        return answer_json(repository.select_public(TASKFORCES, waiting[0]) if waiting else {})

    def _read_schedd(self, call: Call) -> str | None:
        """Return the schedd that the caller polls for; None if these routes have no work for it.

        Raises:
            Rejected: the query names no schedd.
        """
        schedd = call.request.query_params.get("schedd")
        if not schedd:
            raise Rejected("Missing required query parameter: schedd")
        mine = call.caller.schedds is None or schedd in call.caller.schedds
        return None if self._clusters.find_port(schedd).takes_orders or not mine else schedd


_QUERY = {"schedd": True, "collector": False}
