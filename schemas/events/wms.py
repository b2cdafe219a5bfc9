"""What WMS says: to MQS what queues a workflow needs, to a TMS what is to become of a taskforce; and its facts."""

from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict

from schemas.documents import QueuePlan
from schemas.endings import Completion
from schemas.events.cloudevents import AboutTaskforce, AboutWorkflow, Fact, Order
from schemas.ids import Mqid, TaskId, WorkflowId
from schemas.objects import PilotConfig, WorkerConfig
from schemas.phases import Deactivated
from schemas.services import Service
from schemas.topology import encode_schedd


class WorkflowRequested(AboutWorkflow, Order):
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


class WorkflowOver(AboutWorkflow, Order):
    """No taskforce of the workflow will run any more: its queues may be retired."""

    TYPE: ClassVar = "workflow.over"
    TO: ClassVar = Service.MQS


class WorkflowEnding(AboutWorkflow, Order):
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


class OrderToTms(AboutTaskforce, Order):
    """An order about a taskforce, for the TMS of its schedd."""

    TO: ClassVar = Service.TMS

    schedd: str

    @property
    def routing_key(self) -> str:
        """Return `tms.<encoded schedd>.<noun>.<verb>`."""
        return f"{self.TO}.{encode_schedd(self.schedd)}.{self.TYPE}"


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


class TaskforceStart(OrderToTms):
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


class TaskforceRelease(OrderToTms):
    """The cluster is recorded: let its jobs run."""

    TYPE: ClassVar = "taskforce.release"

    cluster_id: int


class TaskforceRemove(OrderToTms):
    """Remove this one cluster, which nobody wants (any more). Changes nothing else of the taskforce."""

    TYPE: ClassVar = "taskforce.remove"

    cluster_id: int


class TaskforceStop(OrderToTms):
    """Remove whatever clusters the taskforce has; none is fine. Repeated while unanswered."""

    TYPE: ClassVar = "taskforce.stop"

    cluster_id: int | None


class WorkflowOverFact(AboutWorkflow, Fact):
    """No taskforce of the workflow will run any more."""

    TYPE: ClassVar = "fact.workflow.over"
    BY: ClassVar = Service.WMS

    #: How it ended: FINISHED or ABORTED; None: nobody has said.
    deactivated: Deactivated | None
    #: How it ended by itself; None: somebody ended it.
    completion: Completion | None = None
    over_at: AwareDatetime


class TaskforceCompletedFact(AboutTaskforce, Fact):
    """The taskforce's cluster has left HTCondor's queue, and WMS has recorded it."""

    TYPE: ClassVar = "fact.taskforce.completed"
    BY: ClassVar = Service.WMS

    workflow_id: WorkflowId
    schedd: str
    cluster_id: int
    completed_at: AwareDatetime
