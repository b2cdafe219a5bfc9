"""The routes by which a TMS that polls reports whether taskforces were submitted, removed and completed.

They lead to the same decisions as the events of a TMS that takes events. A repeated or late confirmation changes
nothing. The answer to it is 200, except where the contract has 404.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from runtime.clock import utc_now
from runtime.web.route import Call, Route, answer_json
from schemas.api.general import Empty
from schemas.api.tms_routes import (
    CondorComplete,
    CondorFailed,
    CondorSubmit,
    TaskforceConfirmed,
    TaskforceStatusesAnswer,
    TaskforceStatusesRequest,
)
from schemas.errors import NotFound, Rejected
from schemas.events import (
    TaskforceCompleted,
    TaskforceRemoved,
    TaskforceRemoveFailed,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
)
from schemas.fleet.documents import TaskforceDocument
from schemas.ids import TaskforceUuid
from wms.fleet.life.stimuli import Report
from wms.fleet.status_snapshots import SnapshotWriter
from wms.fleet.taskforce_control import TaskforceControl
from wms.gateway.roles import TMS, find_schedds

#: An existing TMS sends the statuses of all its taskforces at once, each with up to ten whole tracebacks. WMS keeps a
#: part of each traceback.
_MAX_STATUSES_BYTES = 16 * 1024 * 1024


class ConfirmationRoutes:
    """The /tms routes by which a TMS that works over REST confirms what it has done, and replaces statuses."""

    def __init__(self, taskforces: TaskforceControl, snapshots: SnapshotWriter) -> None:
        self._taskforces = taskforces
        self._snapshots = snapshots

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
                roles=TMS,
                body_optional=optional,
                answer=TaskforceConfirmed,
                errors=(404, 409),
            )

        return [
            confirmation(submit, self.confirm_submitted, "Say that a taskforce was submitted", CondorSubmit),
            confirmation(
                f"{submit}/failed", self.confirm_submit_failed, "Say that it could not be submitted", CondorFailed
            ),
            confirmation(remove, self.confirm_removed, "Say that a taskforce was removed", Empty),
            confirmation(
                f"{remove}/failed", self.confirm_remove_failed, "Say that it could not be removed", CondorFailed
            ),
            confirmation(
                "/tms/condor-complete/taskforces/{taskforce_uuid}",
                self.confirm_completed,
                "Say that a taskforce's cluster has left the queue",
                CondorComplete,
            ),
            Route(
                "POST",
                "/tms/statuses/taskforces",
                self.replace_statuses,
                "Replace the statuses of taskforces",
                roles=TMS,
                body=TaskforceStatusesRequest,
                max_body_bytes=_MAX_STATUSES_BYTES,
                answer=TaskforceStatusesAnswer,
                codes=(200, 207),
            ),
        ]

    async def confirm_submitted(self, call: Call) -> Response:
        body: CondorSubmit = call.body
        cluster_id, n_workers, submit_dict, path = (
            _require_field(body, name) for name in ("cluster_id", "n_workers", "submit_dict", "job_event_log_fpath")
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

        return await self._record_confirmation(
            call, report, refusal="no 'pending-starter' taskforce found with uuid: {}"
        )

    async def confirm_submit_failed(self, call: Call) -> Response:
        error = _require_field(call.body, "error")
        return await self._record_confirmation(
            call,
            lambda taskforce: TaskforceSubmitFailed(taskforce_uuid=taskforce.taskforce_uuid, error=error),
            refusal="no 'pending-starter' taskforce found with uuid: {}",
        )

    async def confirm_removed(self, call: Call) -> Response:
        return await self._record_confirmation(
            call,
            lambda taskforce: TaskforceRemoved(
                taskforce_uuid=taskforce.taskforce_uuid, cluster_id=taskforce.cluster_id
            ),
        )

    async def confirm_remove_failed(self, call: Call) -> Response:
        error = _require_field(call.body, "error")
        return await self._record_confirmation(
            call, lambda taskforce: TaskforceRemoveFailed(taskforce_uuid=taskforce.taskforce_uuid, error=error)
        )

    async def confirm_completed(self, call: Call) -> Response:
        body: CondorComplete = call.body
        completed_at = datetime.fromtimestamp(body.condor_complete_ts, UTC)

        def report(taskforce: TaskforceDocument) -> Report:
            # A taskforce without a cluster has nothing to complete: no cluster has the number -1.
            cluster_id = -1 if taskforce.cluster_id is None else taskforce.cluster_id
            return TaskforceCompleted(
                taskforce_uuid=taskforce.taskforce_uuid, cluster_id=cluster_id, completed_at=completed_at
            )

        return await self._record_confirmation(
            call, report, refusal="no non-condor-completed taskforce found with uuid: {}"
        )

    async def _record_confirmation(
        self,
        call: Call,
        report: Callable[[TaskforceDocument], Report],
        *,
        refusal: str = "no taskforce found with uuid: {}",
    ) -> Response:
        uuid = TaskforceUuid(call.read_path("taskforce_uuid"))
        try:
            accepted = await self._taskforces.record_confirmation(
                uuid, report, schedds=find_schedds(call.caller), once=call.once
            )
        except NotFound as error:
            raise NotFound(refusal.format(uuid), hint=error.hint) from error
        if not accepted:
            raise NotFound(refusal.format(uuid))
        return answer_json(TaskforceConfirmed(taskforce_uuid=uuid))

    async def replace_statuses(self, call: Call) -> Response:
        body: TaskforceStatusesRequest = call.body
        errors: Mapping[str, Any] = body.top_task_errors_by_taskforce or {}
        compound: Mapping[str, Any] = body.compound_statuses_by_taskforce or {}
        uuids = list(dict.fromkeys((*errors, *compound)))
        statuses = {uuid: (compound.get(uuid), errors.get(uuid)) for uuid in uuids}
        known = await self._snapshots.replace_statuses(statuses, schedds=find_schedds(call.caller), now=utc_now())
        failed = [
            {"uuid": uuid, "status": "failed", "error": "no taskforce found with uuid"}
            for uuid in uuids
            if uuid not in known
        ]
        updated = [{"uuid": uuid, "status": "updated"} for uuid in uuids if uuid in known]
        return answer_json({"results": [*failed, *updated]}, code=207 if failed else 200)


def _require_field(body: CondorSubmit | CondorFailed, name: str) -> Any:
    """Return a field that the handler needs although the schema does not require it (contract, 1.2)."""
    value = getattr(body, name)
    if value is None:
        raise Rejected("Bad Request", hint=f"'{name}' is a required property")
    return value
