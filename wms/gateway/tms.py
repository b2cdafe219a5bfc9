"""The routes of a TMS that asks for its work: what is to be started or stopped, and what became of it.

They do the same as the events of a TMS that is told its work, through the same decisions; a schedd is served by one of
the two ways only (`served_by` in the cluster map), and of the others' taskforces nothing is known here. Asking claims
nothing: what was asked for and never confirmed is simply there again.

A confirmation that repeats or comes too late gets its 200 and changes nothing, where the contract has no 404 for it.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from runtime.decision import Document
from runtime.store import Store
from runtime.telemetry import log
from schemas.api import (
    CondorComplete,
    CondorFailed,
    CondorSubmit,
    Empty,
    PendingStart,
    TaskforceConfirmed,
    TaskforceStatusesAnswer,
    TaskforceStatusesRequest,
)
from schemas.documents import Collection, TaskforceDocument
from schemas.errors import Broken, Conflict, NotFound, Rejected
from schemas.events import (
    TaskforceCompleted,
    TaskforceRemoved,
    TaskforceRemoveFailed,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
)
from schemas.ids import TaskforceUuid
from schemas.objects import MQProfile
from schemas.phases import Phase
from schemas.requests import ProfilesAnswer, TaskProfilesQuery
from wms.fleet import repository
from wms.fleet.clusters import ClusterMap
from wms.fleet.fleet import Fleet
from wms.fleet.snapshots import replacement
from wms.fleet.stimuli import Report
from wms.gateway.calls import Call, Route, answered
from wms.gateway.queues import Asks

#: How many taskforces are looked at whose queues cannot be opened, before it is said that nothing waits.
_MAX_PASSED_OVER = 20


class Tms:
    """Handlers of /tms."""

    def __init__(self, fleet: Fleet, store: Store, mqs: Asks, clusters: ClusterMap) -> None:
        self._fleet = fleet
        self._store = store
        self._mqs = mqs
        self._clusters = clusters

    def routes(self) -> list[Route]:
        """Return the routes."""
        submit, remove = "/tms/condor-submit/taskforces/{taskforce_uuid}", "/tms/condor-rm/taskforces/{taskforce_uuid}"

        def confirmation(path: str, handler: Any, summary: str, body: Any) -> Route:
            optional = body is Empty
            return Route(
                "POST",
                path,
                handler,
                summary,
                body=body,
                body_optional=optional,
                answer=TaskforceConfirmed,
                errors=(404, 409),
            )

        return [
            Route(
                "GET",
                "/tms/pending-starter/taskforces",
                self.next_to_start,
                "Get the next taskforce to submit",
                answer=PendingStart,
                query=_QUERY,
            ),
            Route(
                "GET",
                "/tms/pending-stopper/taskforces",
                self.next_to_stop,
                "Get the next taskforce to remove, or an empty object",
                query=_QUERY,
            ),
            confirmation(submit, self.submitted, "Say that a taskforce was submitted", CondorSubmit),
            confirmation(f"{submit}/failed", self.submit_failed, "Say that it could not be submitted", CondorFailed),
            confirmation(remove, self.removed, "Say that a taskforce was removed", Empty),
            confirmation(f"{remove}/failed", self.remove_failed, "Say that it could not be removed", CondorFailed),
            confirmation(
                "/tms/condor-complete/taskforces/{taskforce_uuid}",
                self.completed,
                "Say that a taskforce's cluster has left the queue",
                CondorComplete,
            ),
            Route(
                "POST",
                "/tms/statuses/taskforces",
                self.statuses,
                "Replace the statuses of taskforces",
                body=TaskforceStatusesRequest,
                answer=TaskforceStatusesAnswer,
                codes=(200, 207),
            ),
        ]

    # ---- what is to be done

    async def next_to_start(self, call: Call) -> Response:
        schedd = self._schedd(call)
        if schedd is None:
            return answered({})
        waiting = await self._store.find(
            Collection.TASKFORCES,
            {
                "schedd": schedd,
                "phase": Phase.PENDING_STARTER,
                "stuck": "",
                "n_submit_failures": {"$lt": self._fleet.max_failures},
            },
            sort=[("priority", -1), ("n_submit_failures", 1), ("timestamp", 1), ("cursor", 1)],
            limit=_MAX_PASSED_OVER,
        )
        for taskforce in waiting:
            task = await self._store.find_one(Collection.TASK_DIRECTIVES, {"_id": taskforce["task_id"]})
            profiles = await self._profiles(taskforce, task) if task is not None else None
            if task is None or profiles is None:
                continue
            shown = repository.public(Collection.TASKFORCES, taskforce)
            if shown["n_workers"] is None:
                shown["n_workers"] = self._clusters.default_n_workers.get(schedd, 1)
            return answered(
                {
                    "taskforce": shown,
                    "task_directive": repository.public(Collection.TASK_DIRECTIVES, task),
                    "mqprofiles": profiles,
                }
            )
        return answered({})

    async def _profiles(self, taskforce: Document, task: Document) -> list[MQProfile] | None:
        """Return the queues of a task with its pilots' token; None: there are none, and the next has its turn."""
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

    async def next_to_stop(self, call: Call) -> Response:
        schedd = self._schedd(call)
        if schedd is None:
            return answered({})
        now = datetime.now(UTC)
        waiting = await self._store.find(
            Collection.TASKFORCES,
            {
                "schedd": schedd,
                "phase": Phase.PENDING_STOPPER,
                "cluster_id": {"$ne": None},
                # After the third failure it is shown ever more seldom, but shown: what runs must not be forgotten.
                "retry_at": {"$not": {"$gt": now}},
            },
            sort=[("timestamp", 1), ("cursor", 1)],
            limit=1,
        )
        return answered(repository.public(Collection.TASKFORCES, waiting[0]) if waiting else {})

    def _schedd(self, call: Call) -> str | None:
        """Return whose work is asked for; None if nobody has any for it here.

        Raises:
            Rejected: it is not said.
        """
        schedd = call.request.query_params.get("schedd")
        if not schedd:
            raise Rejected("Missing required query parameter: schedd")
        mine = call.caller.schedds is None or schedd in call.caller.schedds
        return schedd if mine and schedd in self._clusters.by_rest else None

    # ---- what became of it

    async def submitted(self, call: Call) -> Response:
        body: CondorSubmit = call.body
        cluster_id, n_workers, submit_dict, path = (
            _needed(body, name) for name in ("cluster_id", "n_workers", "submit_dict", "job_event_log_fpath")
        )

        def report(taskforce: TaskforceDocument) -> Report:
            return TaskforceSubmitted(
                taskforce_uuid=taskforce.taskforce_uuid,
                schedd=taskforce.schedd,
                cluster_id=cluster_id,
                n_workers=n_workers,
                submit_dict=submit_dict,
                job_event_log_fpath=path,
            )

        return await self._confirmed(call, report, refusal="no 'pending-starter' taskforce found with uuid: {}")

    async def submit_failed(self, call: Call) -> Response:
        error = _needed(call.body, "error")
        return await self._confirmed(
            call,
            lambda taskforce: TaskforceSubmitFailed(taskforce_uuid=taskforce.taskforce_uuid, error=error),
            refusal="no 'pending-starter' taskforce found with uuid: {}",
        )

    async def removed(self, call: Call) -> Response:
        return await self._confirmed(
            call,
            lambda taskforce: TaskforceRemoved(
                taskforce_uuid=taskforce.taskforce_uuid, cluster_id=taskforce.cluster_id
            ),
        )

    async def remove_failed(self, call: Call) -> Response:
        error = _needed(call.body, "error")
        return await self._confirmed(
            call, lambda taskforce: TaskforceRemoveFailed(taskforce_uuid=taskforce.taskforce_uuid, error=error)
        )

    async def completed(self, call: Call) -> Response:
        body: CondorComplete = call.body
        completed_at = datetime.fromtimestamp(body.condor_complete_ts, UTC)

        def report(taskforce: TaskforceDocument) -> Report:
            # A taskforce without a cluster has none that could complete: no cluster has the number -1.
            cluster_id = -1 if taskforce.cluster_id is None else taskforce.cluster_id
            return TaskforceCompleted(
                taskforce_uuid=taskforce.taskforce_uuid, cluster_id=cluster_id, completed_at=completed_at
            )

        return await self._confirmed(call, report, refusal="no non-condor-completed taskforce found with uuid: {}")

    async def _confirmed(
        self,
        call: Call,
        report: Callable[[TaskforceDocument], Report],
        *,
        refusal: str = "no taskforce found with uuid: {}",
    ) -> Response:
        uuid = TaskforceUuid(call.path("taskforce_uuid"))
        try:
            accepted = await self._fleet.confirmed(uuid, report, schedds=call.caller.schedds, once=call.once)
        except NotFound as error:
            raise NotFound(refusal.format(uuid), hint=error.hint) from error
        if not accepted:
            raise NotFound(refusal.format(uuid))
        return answered(TaskforceConfirmed(taskforce_uuid=uuid))

    async def statuses(self, call: Call) -> Response:
        body: TaskforceStatusesRequest = call.body
        errors: Mapping[str, Any] = body.top_task_errors_by_taskforce or {}
        compound: Mapping[str, Any] = body.compound_statuses_by_taskforce or {}
        uuids = list(dict.fromkeys((*errors, *compound)))
        query: Document = {"_id": {"$in": uuids}, "schedd": {"$in": sorted(self._clusters.by_rest)}}
        if call.caller.schedds is not None:
            query["$and"] = [{"schedd": {"$in": sorted(call.caller.schedds)}}]
        found = await self._store.find(Collection.TASKFORCES, query, projection={"_id": 1})
        known = {taskforce["_id"] for taskforce in found}
        now = datetime.now(UTC)
        await self._store.bulk_update(
            Collection.TASKFORCES,
            [
                (
                    {"_id": uuid},
                    replacement(compound_statuses=compound.get(uuid), top_task_errors=errors.get(uuid), now=now),
                )
                for uuid in uuids
                if uuid in known
            ],
        )
        failed = [
            {"uuid": uuid, "status": "failed", "error": "no taskforce found with uuid"}
            for uuid in uuids
            if uuid not in known
        ]
        updated = [{"uuid": uuid, "status": "updated"} for uuid in uuids if uuid in known]
        return answered({"results": [*failed, *updated]}, code=207 if failed else 200)


_QUERY = {"schedd": True, "collector": False}


def _needed(body: CondorSubmit | CondorFailed, name: str) -> Any:
    """Return a field that the handler needs although the schema does not say so (contract, 1.2)."""
    value = getattr(body, name)
    if value is None:
        raise Rejected("Bad Request", hint=f"'{name}' is a required property")
    return value
