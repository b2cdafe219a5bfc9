"""Bodies of the REST routes that are not objects themselves. Source: contract, sections 1.1 to 1.5."""

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from schemas.objects import (
    Environment,
    Image,
    MQProfile,
    NWorkers,
    Object,
    PilotConfig,
    Priority,
    TaskDirective,
    Taskforce,
    Text,
    WorkerConfig,
    Workflow,
)

Item = TypeVar("Item")

DEFAULT_PRIORITY = 50
#: Only EWMS itself goes above.
MAX_USER_PRIORITY = 100
MAX_BODY_BYTES = 1024 * 1024

Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]


def _unique(items: list[Item]) -> list[Item]:
    if any(item in items[:n] for n, item in enumerate(items)):
        raise ValueError("has non-unique elements")
    return items


Unique = AfterValidator(_unique)
_UNIQUE = {"uniqueItems": True}


class TaskRequest(Object):
    """One task of a requested workflow."""

    cluster_locations: Annotated[list[Name], Field(min_length=1, max_length=100, json_schema_extra=_UNIQUE), Unique]
    task_image: Annotated[Image, Field(min_length=1)]
    task_args: Text
    task_env: Environment = Field(default_factory=dict)
    init_image: Image = ""
    init_args: Text = ""
    init_env: Environment = Field(default_factory=dict)
    input_queue_aliases: Annotated[list[Name], Field(max_length=100, json_schema_extra=_UNIQUE), Unique]
    output_queue_aliases: Annotated[list[Name], Field(max_length=100, json_schema_extra=_UNIQUE), Unique]
    worker_config: WorkerConfig
    pilot_config: PilotConfig = Field(default_factory=PilotConfig)
    n_workers: NWorkers = None


class WorkflowRequest(Object):
    """POST /workflows."""

    tasks: Annotated[list[TaskRequest], Field(min_length=1, max_length=1000, json_schema_extra=_UNIQUE), Unique]
    public_queue_aliases: Annotated[list[Name], Field(max_length=1000, json_schema_extra=_UNIQUE), Unique]
    priority: Priority = DEFAULT_PRIORITY


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
    projection: Annotated[list[str], Field(min_length=1, max_length=200)] | None = None
    after: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")] | None = None


class AddWorkersRequest(Object):
    """POST /task-directives/{id}/actions/add-workers: both fields are required."""

    cluster_location: Name
    n_workers: NWorkers


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
    #: Failed, and waiting for their next attempt.
    n_delayed: int = 0
    n_consumers: int


class QueueDepths(Object):
    """GET /workflows/{id}/queues: the depth of each queue of a workflow, its dead letters too."""

    workflow_id: str
    queues: list[QueueDepth]
    n_dead: int


class Empty(Object):
    """A POST without arguments: no body, or `{}`."""

    @model_validator(mode="before")
    @classmethod
    def _absent_is_empty(cls, body: Any) -> Any:
        return {} if body is None else body
