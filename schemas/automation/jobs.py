"""Jobs: a catalogue task, or an ordered list of them, that runs on hosts of an inventory.

job      what runs (pinned by digests), where and how. Its id is the id of the run that carries it out
batch    hosts that run the tasks together; one batch after the other
host     what each task has done on this host

A *task list* is a list of tasks that somebody has saved, to run it again. Craton calls it a workflow.
"""

from datetime import datetime

from pydantic import Field

from schemas.automation.catalogue import FanOut, TaskResources
from schemas.automation.stored_secrets import SecretFile
from schemas.engine.runs import RunModel
from schemas.ids import (
    CatalogueTaskId,
    InventoryId,
    NodeKey,
    OrganizationId,
    RunId,
    RunUuid,
    TaskListId,
    WorkflowId,
)
from schemas.registry import register_collection
from schemas.rules.limits import MAX_ARGUMENT_BYTES
from schemas.stored_enum import StoredEnum

#: A payload is one argument of its command (R4).
MAX_PAYLOAD_BYTES = MAX_ARGUMENT_BYTES
#: What a job keeps of a task's output on one host, as JSON.
MAX_ARTIFACT_BYTES = 64 * 1024
#: The name of every job's definition. A step worker cannot register one of this name.
JOB_DEFINITION = "job/on-hosts"
#: All payloads of one job together.
MAX_JOB_BYTES = 64 * 1024 * 1024
MAX_JOB_TASKS = 50
MAX_SERIAL = 100
#: A job of strategy `linear` has a node for each task of each batch, one of `free` a node for each batch.
MAX_JOB_NODES = 500
#: The variables that a payload has for the inventory; no variable of a job may have such a name.
PAYLOAD_WORDS = ("host", "hosts", "groups", "vars")


class JobStrategy(StoredEnum):
    """How the hosts of a batch go from task to task."""

    #: All hosts finish a task before the next one begins.
    LINEAR = "linear"
    #: Each host goes on by itself.
    FREE = "free"


class HostState(StoredEnum):
    """What became of a host, or of one task on it."""

    PENDING = "pending"
    OK = "ok"
    #: The task ran, and said no.
    FAILED = "failed"
    #: The task could not run, or how it ended is unknown.
    ERROR = "error"
    #: The job ended before the host's turn came.
    SKIPPED = "skipped"
    CANCELED = "canceled"


class HostJobStatus(StoredEnum):
    """The status of a job."""

    NEW = "new"
    #: It waits for queues.
    PENDING = "pending"
    #: It waits for workers.
    WAITING = "waiting"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    #: Every host has answered, and at least one said no.
    FAILED = "failed"
    #: On at least one host a task could not run, or how it ended is unknown.
    ERROR = "error"
    CANCELED = "canceled"


class PinnedTask(RunModel):
    """A task of a job: the version that was in use when the job began."""

    task: CatalogueTaskId
    name: str
    version: int
    commit: str
    digest: str
    #: Cluster location -> the image there.
    images: dict[str, str]
    command: tuple[str, ...]
    fan_out: FanOut = FanOut.HOST
    idempotent: bool = False
    resources: TaskResources = TaskResources()


class JobDocument(RunModel):
    """A job as stored, without its hosts."""

    id: RunId
    uuid: RunUuid
    organization: OrganizationId
    #: Who has started it.
    owner: str
    tasks: tuple[PinnedTask, ...]
    #: The list that it runs, if somebody has saved it.
    task_list: TaskListId | None = None
    title: str
    inventory: InventoryId
    inventory_name: str
    inventory_rev: int
    limit: str = ""
    #: The variables of the job, as JSON. (MongoDB takes no keys such as `a.b`.)
    payload: str = "{}"
    #: The variables of the inventory itself, as JSON, for tasks that get the whole inventory.
    inventory_vars: str = "{}"
    strategy: JobStrategy = JobStrategy.LINEAR
    #: The sizes of the batches as asked for, and how many hosts each batch has.
    serial: tuple[int | str, ...] = ()
    batches: tuple[int, ...]
    max_fail_percentage: float = 0.0
    #: The secrets of its organization that its tasks get.
    secrets: tuple[SecretFile, ...] = ()
    #: How long it may take (seconds), from `created_at` on; None: as long as it needs.
    timeout_s: float | None = None
    n_hosts: int
    #: The job whose hosts it runs again.
    rerun_of: RunId | None = None
    created_at: datetime


JOBS = register_collection("jobs", JobDocument)


class HostResult(RunModel):
    """What one task has done on one host."""

    state: HostState
    #: None: the task did not run, or how it ended is unknown.
    exit_status: int | None = None
    reason: str = ""
    attempt: int = 1
    #: Whether a later report may replace this one, because how the task ended is unknown.
    is_doubtful: bool = False
    #: What the task has left, as JSON; empty: nothing.
    artifacts: str = ""
    began_at: datetime | None = None
    ended_at: datetime | None = None


class JobHostDocument(RunModel):
    """A host of a job as stored. `id` is `<job's uuid>/<place>`."""

    id: str
    job: RunUuid
    #: The host's place in the job, from 0, and the number of its batch, from 0.
    place: int
    batch: int
    name: str
    labels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    #: Its merged variables, as JSON.
    variables: str = "{}"
    #: The number of a task in the job, from 0 -> what it has done here.
    results: dict[str, HostResult] = Field(default_factory=dict)
    #: The same, with the state alone: it is small to read.
    states: dict[str, HostState] = Field(default_factory=dict)
    #: `pending` as long as no result decides. (What a job that is over has left pending is `skipped`, or `canceled`.)
    state: HostState = HostState.PENDING


JOB_HOSTS = register_collection("job_hosts", JobHostDocument)


class JobWorkDocument(RunModel):
    """A workflow of the fleet that runs tasks of a job on hosts of a batch. Its id is the workflow's."""

    id: WorkflowId
    job: RunUuid
    run: RunId
    node: NodeKey
    attempt: int
    batch: int
    #: The numbers of the first and the last task that it runs.
    first: int
    last: int
    #: The places of its hosts.
    places: tuple[int, ...]
    #: The owner of the workflow: WMS, in the name of the person who started the job.
    owner: str
    #: Whether no event of it may be published twice, because a task may not run twice.
    is_at_most_once: bool
    #: How many of its events are published. With `is_at_most_once`, how many may be.
    n_fed: int = 0
    #: When the last of them were noted.
    fed_at: datetime | None = None
    is_over: bool = False
    created_at: datetime


JOB_WORKS = register_collection("job_works", JobWorkDocument)


class TaskListDocument(RunModel):
    """A list of tasks that somebody has saved."""

    id: TaskListId
    organization: OrganizationId
    #: Unique in the organization.
    name: str
    description: str = ""
    owner: str
    tasks: tuple[CatalogueTaskId, ...]
    #: Variables that every job of the list has, as JSON.
    payload: str = "{}"
    #: Secrets of the organization in which the list runs.
    secrets: tuple[SecretFile, ...] = ()
    strategy: JobStrategy = JobStrategy.LINEAR
    rev: int = 0
    created_at: datetime
    changed_at: datetime
    changed_by: str


TASK_LISTS = register_collection("task_lists", TaskListDocument)
