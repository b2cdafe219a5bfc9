"""The objects that users get, with exactly the contract's keys (section 3).

    Workflow 1 - n TaskDirective 1 - n Taskforce        MQGroup 1 - n MQProfile

`documents` adds the fields that only services use. These fields never leave a service.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from schemas.fleet.phases import Deactivated, Phase
from schemas.fleet.program import ContractProgram
from schemas.fleet.texts import EnvironmentName, EnvironmentValue, Image, Requirements
from schemas.ids import Alias, Mqid, TaskforceUuid, TaskId, WorkflowId
from schemas.lazy_model import LazyModel
from schemas.rules.sizes import MAX_BYTES, parse_bytes


def _check_size(size: str | int) -> str | int:
    parse_bytes(size)
    return size


Size = Annotated[str | int, AfterValidator(_check_size)]
#: An integer in the contract's sense: small enough for MongoDB, and for every JSON reader to keep it exact.
ExactInt = Annotated[int, Field(strict=True, ge=-MAX_BYTES, le=MAX_BYTES)]

#: The values in a pilot's extra environment. The contract allows no booleans.
PilotValue = Annotated[
    EnvironmentValue | ExactInt | Annotated[list[EnvironmentValue], Field(min_length=1)],
    Field(union_mode="left_to_right"),
]


class Object(LazyModel):
    """An object of the contract: it cannot change, and unknown keys are refused.

    An answer has all keys, also the keys that are optional in a request.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


class WorkerConfig(Object):
    """The resources that one worker of a task needs. Times in seconds; sizes in bytes, or with a unit (`512M`)."""

    do_transfer_worker_stdouterr: Annotated[bool, Field(strict=True)]
    max_worker_runtime: Annotated[int, Field(strict=True, ge=1, le=60 * 60 * 24 * 365)]
    n_cores: Annotated[int, Field(strict=True, ge=1, le=4096)]
    priority: Annotated[int, Field(strict=True, ge=-1_000_000, le=1_000_000)]
    worker_disk: Size
    worker_memory: Size
    condor_requirements: Requirements = ""

    @property
    def memory_bytes(self) -> int:
        """`worker_memory` in bytes."""
        return parse_bytes(self.worker_memory)

    @property
    def disk_bytes(self) -> int:
        """`worker_disk` in bytes."""
        return parse_bytes(self.worker_disk)


class ImageSource(StrEnum):
    """The source of the pilot's image."""

    CVMFS = "cvmfs"
    AUTO = "auto"


class PilotConfig(Object):
    """The configuration of a task's pilot."""

    tag: Annotated[str, StringConstraints(pattern=r"^(\d+\.\d+\.\d+|latest|[a-z0-9._-]+-[a-z0-9]{1,128})$")] = "latest"
    image_source: ImageSource = ImageSource.CVMFS
    environment: dict[EnvironmentName, PilotValue] = Field(default_factory=dict)
    input_files: list[Image] = Field(default_factory=list, max_length=1000)


class Workflow(Object):
    """A user's tasks, joined by queues, as one object."""

    workflow_id: WorkflowId
    timestamp: float
    priority: int
    deactivated: Deactivated | None = None
    deactivated_ts: float | None = None


class TaskDirective(Object, ContractProgram):
    """A task's image, arguments and queues, as WMS stored them. A task directive never changes."""

    task_id: TaskId
    workflow_id: WorkflowId
    timestamp: float
    cluster_locations: list[str]
    input_queues: list[Mqid]
    output_queues: list[Mqid]


class PhaseChange(Object):
    """An entry in a taskforce's log: it moved to another phase, or the move failed."""

    target_phase: Phase
    timestamp: float
    was_successful: bool
    source_event_time: float | None
    source_entity: str
    context: str


class Taskforce(Object):
    """The workers of one task at one place, from the request to their end: one HTCondor cluster."""

    taskforce_uuid: TaskforceUuid
    task_id: TaskId
    workflow_id: WorkflowId
    timestamp: float
    priority: int
    collector: None = None
    schedd: str
    n_workers: int | None
    worker_config: WorkerConfig
    pilot_config: PilotConfig
    cluster_id: int | None = None
    submit_dict: dict[str, str | int] = Field(default_factory=dict)
    job_event_log_fpath: str = ""
    phase: Phase = Phase.PRE_MQ_ACTIVATION
    phase_change_log: list[PhaseChange] = Field(default_factory=list)
    compound_statuses: dict[str, dict[str, int]] = Field(default_factory=dict)
    top_task_errors: dict[str, int] = Field(default_factory=dict)


class MQGroup(Object):
    """The queues of a workflow as one object. `criteria` is null until the queues are activated."""

    workflow_id: WorkflowId
    timestamp: float
    criteria: dict[str, Any] | None = None


class MQProfile(Object):
    """One queue. `auth_token` and `broker_*` are null until the queue is activated."""

    mqid: Mqid
    workflow_id: WorkflowId
    timestamp: float
    alias: Alias
    is_public: bool
    is_activated: bool
    auth_token: str | None = None
    broker_type: str | None = None
    broker_address: str | None = None


#: `n_workers` in a request; null means the location's default.
NWorkers = Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None
#: A priority in a request. WMS stores at most 100.
Priority = ExactInt
