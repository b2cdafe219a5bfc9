"""The bodies of the routes of catalogue tasks."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from schemas.api.fields import Name
from schemas.automation.builds import LocationSync
from schemas.automation.catalogue import MAX_REASON, FanOut, TaskStatus, TaskVisibility
from schemas.fleet.objects import Object, Size
from schemas.stored_enum import check_known

TaskName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Reason = Annotated[str, StringConstraints(max_length=MAX_REASON)]
#: An argument of a program. It cannot contain NUL.
Argument = Annotated[str, StringConstraints(max_length=4096, pattern=r"^[^\x00]*$")]
Command = Annotated[
    tuple[Argument, ...],
    Field(min_length=1, max_length=100, description="The program and its arguments. A job appends its payload."),
]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*]([A-Za-z0-9.*-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?$")]
Network = Annotated[
    tuple[HostName, ...],
    Field(max_length=100, description="The hosts that the build may reach; empty: no network."),
]
ClusterLocations = Annotated[
    tuple[Name, ...],
    Field(min_length=1, max_length=100, description="The cluster locations that get the image. Default: all of them."),
]
Parameters = Annotated[
    dict[str, Any], Field(description="The JSON schema (draft 2020-12) of the variables that a job gives; empty: any.")
]


KnownFanOut = Annotated[FanOut, AfterValidator(check_known), Field(json_schema_extra={"enum": [*FanOut]})]
KnownVisibility = Annotated[
    TaskVisibility, AfterValidator(check_known), Field(json_schema_extra={"enum": [*TaskVisibility]})
]


class TaskLocation(Object):
    """Where a task lives: a directory of a git repository, or a directory of the server."""

    git: Annotated[str, StringConstraints(max_length=2048)] = Field("", description="The repository's address.")
    ref: Annotated[str, StringConstraints(max_length=255)] = Field(
        "", description="A branch, a tag or a commit; empty: the default branch."
    )
    subdirectory: Annotated[str, StringConstraints(max_length=1024)] = ""
    credential: Annotated[str, StringConstraints(max_length=255, pattern=r"^[A-Za-z0-9_.-]*$")] = Field(
        "", description="The name of a credential that the builder has."
    )
    directory: Annotated[str, StringConstraints(max_length=4096)] = Field("", description="Instead of git.")

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if bool(self.git) == bool(self.directory):
            raise ValueError("needs either 'git' or 'directory'")
        if self.directory and (self.ref or self.subdirectory or self.credential):
            raise ValueError("'ref', 'subdirectory' and 'credential' belong to 'git'")
        return self


class TaskResourcesBody(Object):
    """What one worker of the task gets. Times in seconds; sizes in bytes, or with a unit (`512M`)."""

    n_cores: Annotated[int, Field(strict=True, ge=1, le=4096)] = 1
    memory: Size = "512M"
    disk: Size = "1G"
    max_runtime_s: Annotated[int, Field(strict=True, ge=1, le=60 * 60 * 24 * 365)] = 3600


class TaskCreateRequest(Object):
    """A task to register."""

    name: TaskName
    description: Annotated[str, StringConstraints(max_length=4096)] = ""
    organization: str = Field("", description="Its organization, if the caller may create tasks in several.")
    location: TaskLocation
    command: Command
    fan_out: KnownFanOut = FanOut.HOST
    idempotent: bool = Field(False, description="Whether it may run a second time on a host after a failure.")
    resources: TaskResourcesBody = TaskResourcesBody()
    parameters: Parameters = Field(default_factory=dict)
    network: Network = ()
    cluster_locations: ClusterLocations | None = None


class TaskChangeRequest(Object):
    """The fields of a task that change. What decides what a job executes makes a new version."""

    name: TaskName | None = None
    description: Annotated[str, StringConstraints(max_length=4096)] | None = None
    location: TaskLocation | None = None
    command: Command | None = None
    fan_out: KnownFanOut | None = None
    idempotent: bool | None = None
    resources: TaskResourcesBody | None = None
    parameters: Parameters | None = None
    network: Network | None = None
    cluster_locations: ClusterLocations | None = None
    reason: Reason = ""


class TaskApproveRequest(Object):
    """Which version to approve, and why."""

    version: Annotated[int, Field(strict=True, ge=1)] | None = Field(None, description="Default: the latest one.")
    commit: str = Field("", description="The commit that you have read, and that the version must have; required.")
    reason: Reason = ""


class TaskRejectRequest(Object):
    """Which version to reject, and why."""

    version: Annotated[int, Field(strict=True, ge=1)] | None = Field(None, description="Default: the latest one.")
    reason: Reason = ""


class TaskRebuildRequest(Object):
    """Whether a commit that has a version already makes a new one."""

    new_version: bool = False


class TaskReasonRequest(Object):
    """Why somebody disables or enables a task."""

    reason: Reason = ""


class TaskShareRequest(Object):
    """For whom a task exists."""

    visibility: KnownVisibility
    roles: Annotated[tuple[str, ...], Field(max_length=10)] = Field(
        (), description="For the visibility `roles`: roles in the task's organization."
    )
    reason: Reason = ""

    @model_validator(mode="after")
    def _roles_fit(self) -> Self:
        if (self.visibility is TaskVisibility.ROLES) != bool(self.roles):
            raise ValueError("'roles' belong to the visibility 'roles', which needs at least one")
        return self


class TaskVersionSeen(Object):
    """One version of a task."""

    number: int
    status: TaskStatus
    reason: str = Field(description="Why it has this status, or what it waits for.")
    author: str = Field(description="Who has asked for it; `webhook`: a git server.")
    recipe_authors: tuple[str, ...] = Field((), description="Who has written its recipe since one was last approved.")
    location: TaskLocation
    command: tuple[str, ...]
    fan_out: FanOut
    idempotent: bool
    resources: TaskResourcesBody
    parameters: dict[str, Any]
    network: tuple[str, ...]
    cluster_locations: tuple[str, ...]
    commit: str = Field(description="Empty until the builder has looked at the source.")
    commit_subject: str
    commit_author: str
    decided_by: str = Field(description="Who has approved or rejected it.")
    decided_at: datetime | None
    decision: str
    build: str = Field(description="The last build, whose log is kept.")
    digest: str
    size_bytes: int
    images: dict[str, str] = Field(description="Cluster location -> the image there.")
    locations: dict[str, LocationSync] = Field(description="Cluster location -> how far it is.")
    created_at: datetime
    changed_at: datetime


class TaskSummary(Object):
    """A task in a list."""

    id: int
    name: str
    description: str
    organization: str
    owner: str
    visibility: TaskVisibility
    roles: tuple[str, ...]
    location: str = Field(description="The location of the latest version, for people.")
    status: TaskStatus
    reason: str = Field(description="Why the task has this status, or what it waits for.")
    ready_version: int | None = Field(description="The version in use.")
    latest_version: int
    latest_status: TaskStatus
    created_at: datetime
    changed_at: datetime
    changed_by: str


class TaskSeen(TaskSummary):
    """A task with its versions, the latest first."""

    look: str = Field(description="What the last look at the source found, or what it waits for.")
    is_looking: bool
    change_reason: str
    versions: tuple[TaskVersionSeen, ...]


class TasksAnswer(Object):
    """A page of the tasks that the caller sees, by id."""

    tasks: list[TaskSummary]
    next: int | None = Field(description="The value of `marker` for the next page; null at the end.")


class RunnableTask(Object):
    """What a job of the task runs now: its version in use, pinned by commit and digest."""

    id: int
    name: str
    version: int
    commit: str
    digest: str
    images: dict[str, str]
    command: tuple[str, ...]
    fan_out: FanOut
    idempotent: bool
    resources: TaskResourcesBody
    parameters: dict[str, Any]


class WebhookSeen(Object):
    """Where a git server reports new commits, and the key with which it signs."""

    path: str
    key: str
