"""The control events of WMS: it asks MQS for a workflow's queues, sends orders to a TMS, and publishes facts."""

from typing import ClassVar

from pydantic import AwareDatetime, ConfigDict, field_validator

from schemas.broker.services import Service
from schemas.broker.topology import encode_schedd
from schemas.events.cloudevents import AboutTaskforce, AboutWorkflow, Fact, Order
from schemas.fleet.documents import QueuePlan
from schemas.fleet.endings import Completion
from schemas.fleet.objects import PilotConfig, WorkerConfig
from schemas.fleet.phases import Deactivated
from schemas.fleet.program import TaskProgram
from schemas.ids import TASKFORCE_UUID, Mqid, TaskforceUuid, TaskId, WorkflowId


class WorkflowRequested(AboutWorkflow, Order):
    """A workflow needs its queues. WMS repeats this until MQS answers."""

    TYPE: ClassVar = "workflow.requested"
    TO: ClassVar = Service.MQS

    priority: int
    owner: str
    projects: list[str]
    queues: list[QueuePlan]
    #: The schedds whose TMS will ask for pilots' tokens.
    schedds: list[str]
    requested_at: AwareDatetime


class WorkflowOver(AboutWorkflow, Order):
    """No taskforce of the workflow will run any more, so MQS may retire the queues."""

    TYPE: ClassVar = "workflow.over"
    TO: ClassVar = Service.MQS


class WorkflowEnding(AboutWorkflow, Order):
    """How the workflow will end by itself. WMS repeats this event until the end. The highest `number` is valid."""

    TYPE: ClassVar = "workflow.ending"
    TO: ClassVar = Service.MQS

    number: int
    #: Whether the inputs are closed, so that no more events come from users.
    is_closed: bool
    #: The queues from which tasks take events, by level. From one level, events move only into queues of later levels.
    levels: list[list[Mqid]]
    #: How many events are expected in the public output queues; None if no number is expected.
    n_expected: int | None = None
    #: Whether a dead letter counts as an expected event.
    counts_dead: bool = False


class OrderToTms(AboutTaskforce, Order):
    """An order about a taskforce, for the TMS of its schedd."""

    TO: ClassVar = Service.TMS

    schedd: str

    @field_validator("taskforce_uuid")
    @classmethod
    def _check_form(cls, uuid: TaskforceUuid) -> TaskforceUuid:
        """Refuse a text that is not the id of a taskforce, because a TMS names a directory by the id."""
        if not TASKFORCE_UUID.fullmatch(uuid):
            raise ValueError(f"{uuid!r} is not the id of a taskforce")
        return uuid

    @property
    def routing_key(self) -> str:
        """`tms.<encoded schedd>.<noun>.<verb>`."""
        return f"{self.TO}.{encode_schedd(self.schedd)}.{self.TYPE}"


class TaskOrder(TaskProgram):
    """The program that pilots run, and the queues of its task, from the task directive."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: TaskId
    input_queues: list[Mqid]
    output_queues: list[Mqid]
    #: Only a WMS that does not name hidden texts as a secret sends these. Then the program has masks, so TMS refuses.
    sealed_texts: str = ""


class TaskforceStart(OrderToTms):
    """Submit a paused cluster, unless the taskforce has a cluster. WMS repeats this event until the TMS answers."""

    TYPE: ClassVar = "taskforce.start"

    workflow_id: WorkflowId
    #: The workflow's owner, from the caller's token; "" from a WMS that does not send it.
    owner: str = ""
    priority: int
    n_workers: int
    worker_config: WorkerConfig
    pilot_config: PilotConfig
    task: TaskOrder
    #: The W3C trace context of the request that made the taskforce; empty if it had none. The event's own is that of
    #: the moment at which WMS sends it.
    traceparent: str = ""


class TaskforceRelease(OrderToTms):
    """Let the jobs of the cluster run: WMS has recorded the cluster."""

    TYPE: ClassVar = "taskforce.release"

    cluster_id: int


class TaskforceRemove(OrderToTms):
    """Remove the cluster `cluster_id` of the taskforce, which WMS does not want. The taskforce itself goes on."""

    TYPE: ClassVar = "taskforce.remove"

    cluster_id: int


class TaskforceStop(OrderToTms):
    """Remove all clusters of the taskforce, if there are any. WMS repeats this event until the TMS answers."""

    TYPE: ClassVar = "taskforce.stop"

    cluster_id: int | None


class WorkflowOverFact(AboutWorkflow, Fact):
    """No taskforce of the workflow will run any more."""

    TYPE: ClassVar = "fact.workflow.over"
    BY: ClassVar = Service.WMS

    #: How a user ended the workflow: FINISHED or ABORTED; None if no user ended it.
    deactivated: Deactivated | None
    #: How the workflow ended by itself; None if a user ended it.
    completion: Completion | None = None
    over_at: AwareDatetime


class TaskforceCompletedFact(AboutTaskforce, Fact):
    """The taskforce's cluster has left HTCondor's queue, and WMS has recorded that."""

    TYPE: ClassVar = "fact.taskforce.completed"
    BY: ClassVar = Service.WMS

    workflow_id: WorkflowId
    schedd: str
    cluster_id: int
    completed_at: AwareDatetime
