"""The bodies of the routes of jobs, and of saved lists of tasks."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from schemas.api.automation.secrets import SecretNamed
from schemas.api.automation.tasks import TaskName
from schemas.automation.catalogue import FanOut
from schemas.automation.inventories import MAX_LIMIT_CHARACTERS
from schemas.automation.jobs import MAX_JOB_TASKS, MAX_SERIAL, HostJobStatus, HostState, JobStrategy
from schemas.automation.stored_secrets import SecretFile
from schemas.engine.graph import MAX_TIMEOUT_S
from schemas.fleet.objects import Object
from schemas.rules.secret_names import MAX_SECRETS
from schemas.stored_enum import StoredEnum, check_known

Id = Annotated[int, Field(strict=True, ge=1, le=2**53)]
TaskIds = Annotated[
    tuple[Id, ...], Field(min_length=1, max_length=MAX_JOB_TASKS, description="Tasks of the catalogue, in their order.")
]
Variables = Annotated[dict[str, Any], Field(description="Variables for the payload of every container.")]
Secrets = Annotated[
    tuple[SecretNamed, ...],
    Field(
        max_length=MAX_SECRETS,
        description="Secrets of the inventory's organization. Each task gets those that are for it, as files.",
    ),
]
JobTimeout = Annotated[
    float,
    Field(gt=0, le=MAX_TIMEOUT_S, description="After so many seconds the job ends, and its open hosts are `error`."),
]
Serial = Annotated[
    tuple[Annotated[int, Field(strict=True)] | str, ...],
    Field(
        max_length=MAX_SERIAL,
        description="The sizes of the batches: numbers of hosts, or percentages such as `20%`. The last one repeats.",
    ),
]


KnownStrategy = Annotated[
    JobStrategy,
    AfterValidator(check_known),
    Field(
        json_schema_extra={"enum": [*JobStrategy]},
        description="`linear`: all hosts finish a task before the next one begins. `free`: each goes on by itself.",
    ),
]


class JobCreateRequest(Object):
    """What to run on which hosts. Name one of `task`, `tasks` and `workflow`."""

    task: Id | None = None
    tasks: TaskIds | None = None
    workflow: Annotated[Id | None, Field(description="A list of tasks that somebody has saved.")] = None
    inventory: Id
    limit: Annotated[str, StringConstraints(max_length=MAX_LIMIT_CHARACTERS)] = ""
    payload: Variables = Field(default_factory=dict)
    strategy: KnownStrategy | None = None
    serial: Serial = ()
    max_fail_percentage: Annotated[
        float,
        Field(ge=0, le=100, description="If more hosts of a batch fail, the job stops. Default: any failure stops."),
    ] = 0.0
    secrets: Secrets = ()
    timeout_s: JobTimeout | None = None


class RerunHosts(StoredEnum):
    """Which hosts of a job run again."""

    #: The hosts on which a task failed, or on which its end is unknown.
    FAILED = "failed"
    #: All that have not ended well.
    UNFINISHED = "unfinished"
    ALL = "all"


class JobRerunRequest(Object):
    """Which hosts of a job run again."""

    hosts: RerunHosts = RerunHosts.FAILED


class JobTaskSeen(Object):
    """A task of a job: the version that was pinned, and how far it is."""

    number: int = Field(description="Its place in the job, from 1.")
    id: int
    name: str
    version: int
    commit: str
    digest: str
    fan_out: FanOut
    idempotent: bool
    status: str = Field(description="pending, running, successful, failed, error, skipped or canceled.")
    hosts: dict[str, int] = Field(description="How many hosts are in each state after this task.")


class JobSummary(Object):
    """A job in a list."""

    id: int
    title: str
    status: HostJobStatus
    explanation: str = Field(description="Why it ended as it did, or why it waits.")
    organization: str
    owner: str
    inventory: int
    inventory_name: str
    limit: str
    n_hosts: int
    hosts: dict[str, int] = Field(description="How many hosts are in each state.")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class JobSeen(JobSummary):
    """A job with its tasks."""

    workflow: int | None
    inventory_rev: int
    payload: dict[str, Any]
    strategy: JobStrategy
    batches: tuple[int, ...]
    max_fail_percentage: float
    secrets: tuple[SecretFile, ...] = Field(description="The secrets that its tasks get, without their values.")
    timeout_s: float | None
    rerun_of: int | None
    tasks: tuple[JobTaskSeen, ...]


class JobsAnswer(Object):
    """A page of jobs, the newest first."""

    jobs: list[JobSummary]
    next: int | None = Field(description="The value of `marker` for the next page; null at the end.")


class HostTaskSeen(Object):
    """What one task has done on one host."""

    task: int = Field(description="The task's place in the job, from 1.")
    name: str
    state: HostState
    exit_status: int | None
    reason: str
    attempt: int
    output: Any = Field(description="What the task has left in its outfile; null: nothing.")
    began_at: datetime | None
    ended_at: datetime | None


class JobHostSeen(Object):
    """A host of a job."""

    place: int
    name: str
    batch: int = Field(description="From 1.")
    state: HostState
    results: tuple[HostTaskSeen, ...]


class JobHostsAnswer(Object):
    """A page of the hosts of a job, in the inventory's order."""

    hosts: list[JobHostSeen]
    next: int | None = Field(description="The value of `marker` for the next page; null at the end.")


class JobLogPart(Object):
    """A piece of what one container wrote."""

    host: str = Field(description="`inventory`: the container got all hosts.")
    task: int = Field(description="The task's place in the job, from 1.")
    attempt: int
    stream: str = Field(description="stdout or stderr.")
    text: str
    is_cut: bool = Field(description="Whether the rest of the stream is left out.")
    at: datetime


class JobLogAnswer(Object):
    """The next pieces of a job's log, each stream in its order."""

    parts: list[JobLogPart]
    next: int = Field(description="The value of `after` for the pieces that follow. At the end it does not change.")


class TaskListBody(Object):
    """A list of tasks to save."""

    name: TaskName
    description: Annotated[str, StringConstraints(max_length=4096)] = ""
    organization: str = Field("", description="Its organization, if the caller may save lists in several.")
    tasks: TaskIds
    payload: Variables = Field(default_factory=dict)
    secrets: Secrets = ()
    strategy: KnownStrategy = JobStrategy.LINEAR


class TaskListChange(Object):
    """The fields of a saved list that change."""

    name: TaskName | None = None
    description: Annotated[str, StringConstraints(max_length=4096)] | None = None
    tasks: TaskIds | None = None
    payload: Variables | None = None
    secrets: Secrets | None = None
    strategy: KnownStrategy | None = None


class TaskListSeen(Object):
    """A saved list of tasks."""

    id: int
    name: str
    description: str
    organization: str
    owner: str
    tasks: tuple[int, ...]
    payload: dict[str, Any]
    secrets: tuple[SecretFile, ...]
    strategy: JobStrategy
    warnings: tuple[str, ...] = Field((), description="Why a job of this list would be refused now.")
    created_at: datetime
    changed_at: datetime
    changed_by: str


class TaskListsAnswer(Object):
    """A page of saved lists, by id."""

    workflows: list[TaskListSeen]
    next: int | None = Field(description="The value of `marker` for the next page; null at the end.")
