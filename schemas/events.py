"""Every message between processes: a payload of one class per type, in a CloudEvents 1.0 envelope.

    {"specversion": "1.0", "id": "<uuid>", "source": "ewms/wms", "type": "ewms.taskforce.start",
     "subject": "TF-…", "time": "2026-11-21T08:00:00Z", "datacontenttype": "application/json",
     "dataschema": "ewms:taskforce.start:1", "traceparent": "00-…", "data": {…the payload…}}

Cores build payloads; the kernel puts them in envelopes, which need an id and a clock. Unknown fields of a payload
are ignored, so that the next version may add some; an unknown type or major version is `UnknownType`, which the bus
parks. Source: CloudEvents 1.0 core and JSON format.
"""

from abc import abstractmethod
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PrivateAttr, SerializeAsAny, model_validator

from schemas.documents import QueuePlan
from schemas.errors import Rejected
from schemas.ids import EventId, Mqid, TaskforceUuid, TaskId, WorkflowId
from schemas.objects import PilotConfig, WorkerConfig
from schemas.topology import Service, encode_schedd

PREFIX = "ewms."


class UnknownType(Rejected):
    """An event of a type or a major version that this process does not know (yet)."""


class Payload(BaseModel):
    """What an event says. `TYPE` is `<noun>.<verb>`; `TO` is the service whose inbox takes it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    TYPE: ClassVar[str]
    TO: ClassVar[Service]
    VERSION: ClassVar[int] = 1

    @property
    @abstractmethod
    def subject(self) -> str:
        """Return the id of the thing that the event is about."""

    @property
    def routing_key(self) -> str:
        """Return `<service>.<noun>.<verb>`; for a TMS the service includes its schedd."""
        return f"{self.TO}.{self.TYPE}"


class _OfWorkflow(Payload):
    workflow_id: WorkflowId

    @property
    def subject(self) -> str:
        return self.workflow_id


class _OfTaskforce(Payload):
    taskforce_uuid: TaskforceUuid

    @property
    def subject(self) -> str:
        return self.taskforce_uuid


class _ToTms(_OfTaskforce):
    TO: ClassVar = Service.TMS

    schedd: str

    @property
    def routing_key(self) -> str:
        return f"{self.TO}.{encode_schedd(self.schedd)}.{self.TYPE}"


# ---- WMS -> MQS


class WorkflowRequested(_OfWorkflow):
    """A workflow wants its queues. Repeated while MQS has not answered."""

    TYPE: ClassVar = "workflow.requested"
    TO: ClassVar = Service.MQS

    priority: int
    owner: str
    projects: list[str]
    queues: list[QueuePlan]
    #: The schedds whose TMS will ask for pilots' tokens.
    schedds: list[str]
    requested_at: AwareDatetime


class WorkflowOver(_OfWorkflow):
    """No taskforce of the workflow will run any more: its queues may be retired."""

    TYPE: ClassVar = "workflow.over"
    TO: ClassVar = Service.MQS


class WorkflowEnding(_OfWorkflow):
    """How the workflow wants to end by itself. Repeated until it has ended; the highest `number` wins."""

    TYPE: ClassVar = "workflow.ending"
    TO: ClassVar = Service.MQS

    number: int
    #: Whether its inputs are closed: nothing more comes from outside.
    is_closed: bool
    #: The queues that tasks take events from: what is in one goes on into those of later levels only.
    levels: list[list[Mqid]]
    #: How many events are to arrive in the public output queues; None: nobody has said.
    n_expected: int | None = None
    #: Whether a dead letter counts as one of them.
    counts_dead: bool = False


# ---- MQS -> WMS


class QueuesDrained(_OfWorkflow):
    """The inputs are closed, and no task has an event before it any more, nor will it get one."""

    TYPE: ClassVar = "queues.drained"
    TO: ClassVar = Service.WMS

    n_dead: int


class ResultsArrived(_OfWorkflow):
    """As many events as were expected have arrived in the workflow's public output queues."""

    TYPE: ClassVar = "queues.results-arrived"
    TO: ClassVar = Service.WMS

    n_results: int
    n_dead: int


class QueuesActivated(_OfWorkflow):
    """The workflow's queues exist and can be opened."""

    TYPE: ClassVar = "queues.activated"
    TO: ClassVar = Service.WMS


class QueuesDeferred(_OfWorkflow):
    """The broker's budget does not allow the workflow's queues yet; MQS tries again by itself."""

    TYPE: ClassVar = "queues.deferred"
    TO: ClassVar = Service.WMS

    reason: str


# ---- WMS -> TMS


class TaskOrder(BaseModel):
    """What a pilot is to run, as its task directive says."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: TaskId
    task_image: str
    task_args: str
    task_env: dict[str, str]
    init_image: str
    init_args: str
    init_env: dict[str, str]
    input_queues: list[Mqid]
    output_queues: list[Mqid]


class TaskforceStart(_ToTms):
    """Submit a cluster, paused, unless one of this taskforce exists. Repeated while unanswered."""

    TYPE: ClassVar = "taskforce.start"

    workflow_id: WorkflowId
    #: Whose workflow it is, as the gateway found in the caller's token; "" from a WMS that does not say.
    owner: str = ""
    priority: int
    n_workers: int
    worker_config: WorkerConfig
    pilot_config: PilotConfig
    task: TaskOrder


class TaskforceRelease(_ToTms):
    """The cluster is recorded: let its jobs run."""

    TYPE: ClassVar = "taskforce.release"

    cluster_id: int


class TaskforceRemove(_ToTms):
    """Remove this one cluster, which nobody wants (any more). Changes nothing else of the taskforce."""

    TYPE: ClassVar = "taskforce.remove"

    cluster_id: int


class TaskforceStop(_ToTms):
    """Remove whatever clusters the taskforce has; none is fine. Repeated while unanswered."""

    TYPE: ClassVar = "taskforce.stop"

    cluster_id: int | None


# ---- TMS -> WMS


class TaskforceSubmitted(_OfTaskforce):
    """A cluster of the taskforce lies in the schedd, paused. Also said again of one found after a restart."""

    TYPE: ClassVar = "taskforce.submitted"
    TO: ClassVar = Service.WMS

    schedd: str
    cluster_id: int
    n_workers: int
    submit_dict: dict[str, str | int]
    job_event_log_fpath: str


class TaskforceSubmitFailed(_OfTaskforce):
    """The taskforce could not be submitted."""

    TYPE: ClassVar = "taskforce.submit-failed"
    TO: ClassVar = Service.WMS

    error: str


class TaskforceRemoved(_OfTaskforce):
    """HTCondor took the removal; `cluster_id` None: there was no cluster, and none will come."""

    TYPE: ClassVar = "taskforce.removed"
    TO: ClassVar = Service.WMS

    cluster_id: int | None


class TaskforceRemoveFailed(_OfTaskforce):
    """HTCondor did not take the removal."""

    TYPE: ClassVar = "taskforce.remove-failed"
    TO: ClassVar = Service.WMS

    error: str


class TaskforceCompleted(_OfTaskforce):
    """The cluster has left the queue."""

    TYPE: ClassVar = "taskforce.completed"
    TO: ClassVar = Service.WMS

    cluster_id: int
    completed_at: AwareDatetime


class Snapshot(BaseModel):
    """A taskforce's counts as of one instant, whole: the newest (epoch, seq) wins, and a lost one does not matter."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    taskforce_uuid: TaskforceUuid
    epoch: int
    seq: int
    as_of: AwareDatetime
    compound_statuses: dict[str, dict[str, int]]
    top_task_errors: dict[str, int]
    #: Exit code of a pilot (minus a signal's number), as text -> how many jobs ended so.
    exit_codes: dict[str, int] = Field(default_factory=dict)
    #: Why no slot of the pool can take the jobs that wait; empty: some can, or the TMS has not looked yet.
    unmatched: str = ""
    #: Whether the task fails on every worker, so that each failure counts against its event at once.
    all_bad: bool = False


class TaskforceStatuses(Payload):
    """The snapshots of the taskforces that changed, of one schedd."""

    TYPE: ClassVar = "taskforce.statuses"
    TO: ClassVar = Service.WMS

    schedd: str
    snapshots: list[Snapshot]

    @property
    def subject(self) -> str:
        return self.schedd


ControlPayload = (
    WorkflowRequested
    | WorkflowOver
    | WorkflowEnding
    | QueuesDrained
    | ResultsArrived
    | QueuesActivated
    | QueuesDeferred
    | TaskforceStart
    | TaskforceRelease
    | TaskforceRemove
    | TaskforceStop
    | TaskforceSubmitted
    | TaskforceSubmitFailed
    | TaskforceRemoved
    | TaskforceRemoveFailed
    | TaskforceCompleted
    | TaskforceStatuses
)

PAYLOADS: dict[str, type[Payload]] = {
    f"{PREFIX}{payload.TYPE}": payload
    for payload in (
        WorkflowRequested,
        WorkflowOver,
        WorkflowEnding,
        QueuesDrained,
        ResultsArrived,
        QueuesActivated,
        QueuesDeferred,
        TaskforceStart,
        TaskforceRelease,
        TaskforceRemove,
        TaskforceStop,
        TaskforceSubmitted,
        TaskforceSubmitFailed,
        TaskforceRemoved,
        TaskforceRemoveFailed,
        TaskforceCompleted,
        TaskforceStatuses,
    )
}


class Event(BaseModel):
    """A payload in its envelope."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[EventId, Field(min_length=1, max_length=200)]
    source: Annotated[str, Field(min_length=1)]
    type: str
    subject: str
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    traceparent: str | None = None
    data: SerializeAsAny[Payload]

    #: Not on the wire: the broker's user who sent it, which the broker has checked; `source` is only what he says.
    _sender: str = PrivateAttr("")

    @model_validator(mode="before")
    @classmethod
    def _payload_of_its_type(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or isinstance(raw.get("data"), Payload):
            return raw
        if not isinstance(raw.get("type"), str):
            raise ValueError("an event has a type")
        payload = PAYLOADS.get(raw["type"])
        if payload is None or raw.get("dataschema") != schema_of(payload):
            raise UnknownType(f"unknown event type {raw.get('type')!r} with schema {raw.get('dataschema')!r}")
        return {**raw, "data": payload.model_validate(raw.get("data"))}

    @property
    def routing_key(self) -> str:
        """Return the key that leads the event to its inbox."""
        return self.data.routing_key

    @property
    def sender(self) -> str:
        """Return the broker's user who sent the event, "" if he did not name himself."""
        return self._sender

    def sent_by(self, sender: str) -> Self:
        """Return the event as `sender`'s."""
        copy = self.model_copy()
        copy._sender = sender
        return copy


def schema_of(payload: type[Payload]) -> str:
    """Return the `dataschema` of a payload class: its type and its major version."""
    return f"ewms:{payload.TYPE}:{payload.VERSION}"


def envelope(
    payload: Payload, *, event_id: EventId, source: str, time: datetime, traceparent: str | None = None
) -> Event:
    """Return `payload` as the event `event_id` that `source` sends at `time` (aware, UTC)."""
    return Event(
        id=event_id,
        source=source,
        type=f"{PREFIX}{payload.TYPE}",
        subject=payload.subject,
        time=time,
        dataschema=schema_of(type(payload)),
        traceparent=traceparent,
        data=payload,
    )
