"""Bodies of the routes that a TMS calls over REST. Source: contract, sections 1.1 to 1.5."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from schemas.api.fields import make_optional
from schemas.fleet.objects import ExactInt, MQProfile, Object, TaskDirective, Taskforce

#: The name of a submit command or of an attribute. MongoDB allows no NUL in a document's key.
Command = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00]+$")]


class PendingStart(Object):
    """The answer of GET /tms/pending-starter/taskforces: all that a TMS needs to submit a taskforce.

    The answer is an empty object if no taskforce waits.
    """

    model_config = ConfigDict(json_schema_extra=make_optional("taskforce", "task_directive", "mqprofiles"))

    taskforce: Taskforce | None = None
    task_directive: TaskDirective | None = None
    mqprofiles: list[MQProfile] | None = None


class CondorSubmit(Object):
    """The body of POST /tms/condor-submit/taskforces/{uuid}: the submitted cluster.

    The first four fields are required. Other fields of a taskforce are allowed, and WMS ignores them.
    """

    cluster_id: ExactInt | None = None
    n_workers: ExactInt | None = None
    submit_dict: dict[Command, str | ExactInt] | None = None
    job_event_log_fpath: Annotated[str, StringConstraints(max_length=4096)] | None = None

    taskforce_uuid: str | None = None
    task_id: str | None = None
    workflow_id: str | None = None
    timestamp: float | None = None
    priority: ExactInt | None = None
    collector: str | None = None
    schedd: str | None = None
    worker_config: dict[str, Any] | None = None
    pilot_config: dict[str, Any] | None = None
    phase: str | None = None
    phase_change_log: list[dict[str, Any]] | None = None
    compound_statuses: dict[str, dict[str, ExactInt]] | None = None
    top_task_errors: dict[str, ExactInt] | None = None


class CondorFailed(Object):
    """The body of POST /tms/condor-submit|condor-rm/taskforces/{uuid}/failed. The error is required."""

    error: Annotated[str, StringConstraints(max_length=65_536)] | None = None


class CondorComplete(Object):
    """The body of POST /tms/condor-complete/taskforces/{uuid}: when the cluster left the queue.

    The time is an integer, in seconds since 1970.
    """

    condor_complete_ts: Annotated[int, Field(strict=True, ge=0, le=253_402_300_799)]


class TaskforceConfirmed(Object):
    """The taskforce that the TMS named, now that WMS has stored the change."""

    taskforce_uuid: str


class TaskforceStatusesRequest(Object):
    """The body of POST /tms/statuses/taskforces: statuses by taskforce.

    Each mapping in it replaces the taskforce's stored mapping.
    """

    top_task_errors_by_taskforce: Annotated[dict[str, dict[str, ExactInt]], Field(min_length=1)] | None = None
    compound_statuses_by_taskforce: Annotated[dict[str, dict[str, dict[str, ExactInt]]], Field(min_length=1)] | None = (
        None
    )


class StatusResult(Object):
    """Whether WMS stored the statuses of one taskforce, and the error if not."""

    model_config = ConfigDict(json_schema_extra=make_optional("error"))

    uuid: str
    status: Literal["updated", "failed"]
    error: str | None = None


class TaskforceStatusesAnswer(Object):
    """One result for each taskforce, failures first. If there are failures, the status code is 207."""

    results: list[StatusResult]
