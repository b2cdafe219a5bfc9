"""The bodies of REST routes, except for the objects of `schemas.objects`. Source: contract, sections 1.1 to 1.5."""

import json
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import to_jsonable_python

from schemas.objects import (
    ExactInt,
    MQGroup,
    MQProfile,
    NWorkers,
    Object,
    PilotConfig,
    Priority,
    TaskDirective,
    Taskforce,
    WorkerConfig,
    Workflow,
)
from schemas.program import RequestedProgram
from schemas.rules.limits import MAX_ALIASES, MAX_TASKS
from schemas.texts import EnvironmentName, EnvironmentValue

Item = TypeVar("Item")

DEFAULT_PRIORITY = 50
#: Only EWMS itself uses higher priorities.
MAX_USER_PRIORITY = 100

Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]


def _make_optional(*names: str) -> Callable[[dict[str, Any]], None]:
    """Return a function that makes the keys `names` optional in the JSON schema of an answer."""

    def change(schema: dict[str, Any]) -> None:
        schema["required"] = [name for name in schema.get("required", []) if name not in names]

    return change


def _canonical_text(item: Any) -> str:
    return json.dumps(to_jsonable_python(item), sort_keys=True)


def _check_unique(items: list[Item]) -> list[Item]:
    # Compare texts in a set: comparing a thousand tasks pair by pair would keep the gateway busy for seconds.
    if len({_canonical_text(item) for item in items}) < len(items):
        raise ValueError("has non-unique elements")
    return items


Unique = AfterValidator(_check_unique)
_UNIQUE = {"uniqueItems": True}


class TaskRequest(Object, RequestedProgram):
    """One task of a requested workflow."""

    cluster_locations: Annotated[list[Name], Field(min_length=1, max_length=100, json_schema_extra=_UNIQUE), Unique]
    input_queue_aliases: Annotated[list[Name], Field(max_length=MAX_ALIASES, json_schema_extra=_UNIQUE), Unique]
    output_queue_aliases: Annotated[list[Name], Field(max_length=MAX_ALIASES, json_schema_extra=_UNIQUE), Unique]
    worker_config: WorkerConfig
    pilot_config: PilotConfig = Field(default_factory=PilotConfig)
    n_workers: NWorkers = None


class WorkflowRequest(Object):
    """POST /workflows."""

    tasks: Annotated[list[TaskRequest], Field(min_length=1, max_length=MAX_TASKS, json_schema_extra=_UNIQUE), Unique]
    public_queue_aliases: Annotated[list[Name], Field(max_length=1000, json_schema_extra=_UNIQUE), Unique]
    priority: Priority = DEFAULT_PRIORITY


def _as_text(value: Any) -> Any:
    # As JSON writes it: `true`, `1`, `0.5`.
    return json.dumps(value) if isinstance(value, int | float) else value


OldEnvironment = dict[EnvironmentName, Annotated[EnvironmentValue, BeforeValidator(_as_text)]]


class OldTaskRequest(TaskRequest):
    """One task as clients of v0 may write it: numbers and booleans in an environment, which are taken as text."""

    task_env: OldEnvironment = Field(default_factory=dict)
    init_env: OldEnvironment = Field(default_factory=dict)


class OldWorkflowRequest(WorkflowRequest):
    """POST /v0/workflows."""

    tasks: Annotated[  # type: ignore[assignment]  # a list is invariant; nobody changes this one
        list[OldTaskRequest], Field(min_length=1, max_length=MAX_TASKS, json_schema_extra=_UNIQUE), Unique
    ]


class WorkflowAnswer(Object):
    """What POST /workflows made."""

    workflow: Workflow
    task_directives: list[TaskDirective]
    taskforces: list[Taskforce]


class DeactivationAnswer(Object):
    """What abort or finished did. `n_taskforces` counts those that were really told to stop."""

    workflow_id: str
    n_taskforces: int


class Query(Object):
    """FindObject: a filter, the fields wanted, and where the last page ended."""

    query: dict[str, Any]
    projection: Annotated[list[str], Field(min_length=1, max_length=200, json_schema_extra=_UNIQUE), Unique] | None = (
        None
    )
    after: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")] | None = None


#: An object as it is, or what a projection leaves of it.
Part = dict[str, Any]


class WorkflowFound(Workflow):
    """A workflow that a query has found: with `?include=outcome` more."""

    model_config = ConfigDict(json_schema_extra=_make_optional("outcome"))

    outcome: Annotated[
        str | None,
        Field(description="`done`, `done with failures`: by itself; `finished`, `aborted`: by a user; null: not yet."),
    ] = None


class WorkflowsFound(Object):
    """POST /query/workflows."""

    workflows: list[WorkflowFound | Part]
    next_after: str | None


class TaskDirectivesFound(Object):
    """POST /query/task-directives."""

    task_directives: list[TaskDirective | Part]
    next_after: str | None


class TaskforcesFound(Object):
    """POST /query/taskforces."""

    taskforces: list[Taskforce | Part]
    next_after: str | None


class StallCause(Object):
    """One reason why work waits in vain, and the command that helps, or shows more."""

    cause: Annotated[
        str,
        Field(
            description="queues-awaited, broker-away, all-bad, paused, no-takers, takes-nothing; "
            "or why no worker comes: tms-silent, start-failed, no-slot, held, pilot-failed, gone, suspended, ended"
        ),
    ]
    text: str
    command: str
    #: Empty: the cause concerns the whole workflow.
    task_id: str = ""
    n_events: int = 0


class Stall(Object):
    """A workflow whose work waits, with nothing on its way to do it."""

    since: datetime
    causes: list[StallCause]


class MissingWorkers(Object):
    """Workers of a taskforce that do not take events, for one reason, and the command that helps or shows more."""

    cause: str
    n_workers: int
    text: str
    command: str
    #: Whether they will come without anybody's help.
    is_coming: bool


class WorkflowHealth(Object):
    """What we know of a workflow beside the contract's fields."""

    stalled: Stall | None = None

    queues_deferred: str | None
    queues_active_at: datetime | None
    over_at: datetime | None


class TaskforceHealth(Object):
    """What we know of a taskforce beside the contract's fields."""

    stuck: str | None
    n_submit_failures: int | None
    n_remove_failures: int | None
    retry_at: datetime | None
    ended_at: datetime | None
    status_as_of: datetime | None
    #: Why no slot of the pool can take the waiting workers; empty: some can.
    unmatched: str = ""
    exit_codes: dict[str, int]
    stale: bool
    #: How many workers the taskforce should have, how many of them take events, and why the others do not.
    n_wanted: int = 0
    n_at_work: int = 0
    missing: list[MissingWorkers] = Field(default_factory=list)
    ended: Annotated[
        str, Field(description="How and when its workflow ended, as a sentence: no worker is missing then.")
    ] = ""


class WorkflowProgress(Object):
    """How many of the events that users published are done. Replayed dead letters count once."""

    n_done: Annotated[int, Field(description="Those that no task has before it any more and that did not fail.")]
    n_all: Annotated[int, Field(description="Those that were published, or the results that are expected.")]
    n_failed: Annotated[int, Field(description="How many were given up; a replay takes them out again.")]
    is_whole: Annotated[bool, Field(description="Whether no more can come; until then `n_all` may grow.")]


class WorkflowSeen(Workflow):
    """GET /workflows/{id}: with `?include=health`, `progress`, or both (`health,progress`) more."""

    model_config = ConfigDict(json_schema_extra=_make_optional("health", "progress"))

    health: WorkflowHealth | None = None
    #: Null: the queues do not allow a count.
    progress: WorkflowProgress | None = None


class TaskforceSeen(Taskforce):
    """GET /taskforces/{id}: with `?include=health` more."""

    model_config = ConfigDict(json_schema_extra=_make_optional("health"))

    health: TaskforceHealth | None = None


class AddWorkersRequest(Object):
    """POST /task-directives/{id}/actions/add-workers: both fields are required."""

    cluster_location: Name
    n_workers: NWorkers


class Use(StrEnum):
    """What a user wants a public queue for (`?to=`)."""

    PUBLISH = "publish"
    CONSUME = "consume"


class ClusterLocation(Object):
    """A place where tasks can run."""

    name: Annotated[str, Field(description="What `cluster_locations` calls it. Several names may mean one schedd.")]
    schedd: str
    n_workers: Annotated[int, Field(description="How many workers a taskforce gets whose `n_workers` is null.")]


class ClustersAnswer(Object):
    """GET /clusters."""

    clusters: list[ClusterLocation]


class ProfilesAnswerBody(Object):
    """GET /mqs/workflows/{id}/mq-profiles/public."""

    mqprofiles: list[MQProfile]


class ErrorBody(Object):
    """Every error."""

    code: int
    error: str


class QueueDepth(Object):
    """GET /queues/{mqid}: how many events wait, are being worked on or put off, and who takes them."""

    mqid: str
    alias: str
    is_public: bool
    n_ready: int
    n_unacknowledged: int
    #: Events that failed and wait for their next attempt.
    n_delayed: int = 0
    n_consumers: int
    n_arrived: Annotated[
        int | None, Field(description="How many events have ever come into it; null: that is not known (any more).")
    ] = None
    n_replayed: Annotated[int, Field(description="How many of these were dead letters that a replay sent back.")] = 0
    n_gone: Annotated[int | None, Field(description="How many of them have left it for sure; null: not known.")] = None


class QueueDepths(Object):
    """GET /workflows/{id}/queues: the depth of each queue of a workflow, its dead letters too."""

    workflow_id: str
    queues: list[QueueDepth]
    n_dead: int
    n_failed: Annotated[
        int, Field(description="How many events were given up: the dead letters, and those that were discarded.")
    ] = 0
    max_age_s: Annotated[float, Field(description="How old the figures of events in hand or put off may be.")] = 6.0


#: The name of a submit command or of an attribute. MongoDB allows no NUL in a document's key.
Command = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00]+$")]


class PendingStart(Object):
    """GET /tms/pending-starter/taskforces: what a TMS needs to submit a taskforce. Empty if nothing waits."""

    model_config = ConfigDict(json_schema_extra=_make_optional("taskforce", "task_directive", "mqprofiles"))

    taskforce: Taskforce | None = None
    task_directive: TaskDirective | None = None
    mqprofiles: list[MQProfile] | None = None


class CondorSubmit(Object):
    """POST /tms/condor-submit/taskforces/{uuid}: the cluster that was submitted.

    Any field of a taskforce may be there; these four must, and the others are ignored.
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
    """POST /tms/condor-submit|condor-rm/taskforces/{uuid}/failed: why not. The error must be there."""

    error: Annotated[str, StringConstraints(max_length=65_536)] | None = None


class CondorComplete(Object):
    """POST /tms/condor-complete/taskforces/{uuid}: when the cluster left the queue, in whole seconds."""

    condor_complete_ts: Annotated[int, Field(strict=True, ge=0, le=253_402_300_799)]


class TaskforceConfirmed(Object):
    """The taskforce that a TMS has spoken of."""

    taskforce_uuid: str


class TaskforceStatusesRequest(Object):
    """POST /tms/statuses/taskforces: whole statuses by taskforce; each of the two replaces what was there."""

    top_task_errors_by_taskforce: Annotated[dict[str, dict[str, ExactInt]], Field(min_length=1)] | None = None
    compound_statuses_by_taskforce: Annotated[dict[str, dict[str, dict[str, ExactInt]]], Field(min_length=1)] | None = (
        None
    )


class StatusResult(Object):
    """What became of the statuses of one taskforce."""

    model_config = ConfigDict(json_schema_extra=_make_optional("error"))

    uuid: str
    status: Literal["updated", "failed"]
    error: str | None = None


class TaskforceStatusesAnswer(Object):
    """One result a taskforce, those that failed first. The answer is 207 if there are any."""

    results: list[StatusResult]


class ReservationRequest(Object):
    """POST /mqs/workflows/{id}/mq-group/reservation."""

    queue_aliases: Annotated[list[Name], Field(min_length=1, max_length=1000)]
    public: Annotated[list[Name], Field(max_length=1000)]


class Criteria(Object):
    """What the order of activations goes by."""

    priority: ExactInt


class ActivationRequest(Object):
    """POST /mqs/workflows/{id}/mq-group/activation."""

    criteria: Criteria | None = None


class MQGroupAnswer(Object):
    """A group of queues and each of them, in the order of the reservation."""

    mqgroup: MQGroup
    mqprofiles: list[MQProfile]


class Empty(Object):
    """A POST without arguments: no body, or `{}`."""

    @model_validator(mode="before")
    @classmethod
    def _absent_is_empty(cls, body: Any) -> Any:
        return {} if body is None else body
