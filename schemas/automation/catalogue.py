"""Catalogue tasks: code and a Dockerfile that become an image at every cluster location, and the command to run in it.

task      name, owner, organization, who may see and run it
version   a recipe, pinned to a commit and, once it is built, to an image digest; one of them may be in use
recipe    everything that decides what a job executes; a change of it makes a new version

Pending approval ──► Building ──► Syncing ──► Ready
       │                 └────────────┴────► Failed
       └──► Rejected
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from schemas.automation.builds import LocationSync, TaskSource
from schemas.engine.runs import RunModel
from schemas.ids import CatalogueTaskId, OrganizationId, RunUuid
from schemas.registry import register_collection
from schemas.stored_enum import StoredEnum

#: A task keeps so many versions. Older ones that are neither in use nor under way are forgotten.
MAX_VERSIONS = 50
MAX_REASON = 2000


class FanOut(StoredEnum):
    """What one container of the task receives."""

    #: One host of the inventory. Each host has a container of its own.
    HOST = "host"
    #: The whole selected inventory.
    INVENTORY = "inventory"


class TaskVisibility(StoredEnum):
    """For whom a task exists, besides those who look after the organization."""

    #: Its owner.
    PRIVATE = "private"
    #: Its owner, and those who have one of the task's roles in its organization.
    ROLES = "roles"
    #: Every person with a role in any organization.
    PUBLIC = "public"


class TaskStatus(StoredEnum):
    """The status of a version. A task has that of the version in use, or else of its latest one."""

    PENDING_APPROVAL = "Pending approval"
    BUILDING = "Building"
    SYNCING = "Syncing"
    READY = "Ready"
    REJECTED = "Rejected"
    #: The build or the look at the source failed; the version's reason says why.
    FAILED = "Failed"
    #: Only of tasks: an admin lets no new job run it.
    DISABLED = "Disabled"


class TaskResources(RunModel):
    """What one worker of the task gets."""

    n_cores: Annotated[int, Field(ge=1, le=4096)] = 1
    memory_bytes: Annotated[int, Field(ge=1)] = 512 * 1024 * 1024
    disk_bytes: Annotated[int, Field(ge=1)] = 1024 * 1024 * 1024
    #: How long one run of the container may take.
    max_runtime_s: Annotated[int, Field(ge=1, le=60 * 60 * 24 * 365)] = 3600


class TaskRecipe(RunModel):
    """Everything that decides what a job executes."""

    source: TaskSource
    #: The program and its arguments. A job appends its payload as one more argument.
    command: tuple[str, ...]
    fan_out: FanOut = FanOut.HOST
    #: Whether the task may run a second time on a host after a failure.
    idempotent: bool = False
    resources: TaskResources = TaskResources()
    #: The JSON schema of the variables that a job gives, as JSON; empty: any. (MongoDB takes no keys such as `$ref`.)
    parameters: str = ""
    #: The hosts that the build may reach; empty: none.
    network: tuple[str, ...] = ()
    #: The cluster locations that must have the image.
    locations: tuple[str, ...] = ()


class OpenBuild(RunModel):
    """A build of a version that goes on."""

    #: `<task>-<version>-<number>`.
    id: str
    run: RunUuid
    began_at: datetime


class SourceLook(RunModel):
    """A look at a task's source that goes on."""

    number: int
    run: RunUuid
    who: str
    began_at: datetime
    #: Whether the same commit makes a new version too.
    makes_version: bool = False
    #: Whether somebody asked again meanwhile, so that one more look follows.
    is_asked_again: bool = False


class TaskVersion(RunModel):
    """One version of a task."""

    number: int
    recipe: TaskRecipe
    #: Who has asked for this version.
    author: str
    #: Who has written its recipe, since a recipe was last approved. A version that a look finds has the recipe of an
    #: earlier one.
    recipe_authors: tuple[str, ...] = ()
    status: TaskStatus = TaskStatus.PENDING_APPROVAL
    #: Why it has this status, or what it waits for, in words for people.
    reason: str = ""
    #: The state of the source; empty until somebody has looked. `subject` and `commit_author` are for people.
    commit: str = ""
    subject: str = ""
    commit_author: str = ""
    #: The person who approved or rejected the version, when and why; empty before a decision.
    decided_by: str = ""
    decided_at: datetime | None = None
    decision: str = ""
    is_approved: bool = False
    build: OpenBuild | None = None
    n_builds: int = 0
    #: The last build, whose log is kept.
    last_build: str = ""
    digest: str = ""
    size_bytes: int = 0
    #: Location -> what a task directive names to use the image there.
    images: dict[str, str] = Field(default_factory=dict)
    #: Location -> how far it is, as the builder has reported.
    syncs: dict[str, LocationSync] = Field(default_factory=dict)
    created_at: datetime
    changed_at: datetime


class CatalogueTask(RunModel):
    """A task as stored."""

    id: CatalogueTaskId
    name: str
    description: str = ""
    organization: OrganizationId
    #: The subject of the person who created the task.
    owner: str
    visibility: TaskVisibility = TaskVisibility.PRIVATE
    #: The roles in the organization that may see and run it, if its visibility is `roles`.
    roles: tuple[str, ...] = ()
    #: By number, the latest one last.
    versions: tuple[TaskVersion, ...] = ()
    n_versions: int = 0
    #: The number of the version in use.
    ready_version: int | None = None
    is_disabled: bool = False
    #: Why an admin has disabled it, or who enabled it again.
    disabled_reason: str = ""
    look: SourceLook | None = None
    n_looks: int = 0
    #: Why the last look at the source failed, or what it found; for people.
    look_result: str = ""
    #: Whether a look or a build is under way, and the task's status. Both follow from the other fields; lists use them.
    is_busy: bool = False
    status: TaskStatus = TaskStatus.PENDING_APPROVAL
    #: WMS makes the tokens of builds and the key of the webhook from this. It never leaves WMS, and is
    #: encrypted if WMS has a key for secrets.
    secret: str
    n_webhook_keys: int = 1
    rev: int = 0
    created_at: datetime
    changed_at: datetime
    changed_by: str = ""
    #: Why it was last changed, in the words of the one who did.
    change_reason: str = ""


CATALOGUE_TASKS = register_collection("catalogue_tasks", CatalogueTask)


class BuildLogRow(RunModel):
    """A part of a build's log."""

    #: `<build>/<stream>/<number>`, so that a repeated report is stored once.
    id: str
    build: str
    task: CatalogueTaskId
    #: How many characters the log has up to the end of this part. It grows from part to part.
    place: int
    stage: str
    text: str
    at: datetime


BUILD_LOG = register_collection("build_log", BuildLogRow)


class BuildLogSize(RunModel):
    """How many characters of a build's log have come."""

    last: int


BUILD_LOG_SIZES = register_collection("build_log_sizes", BuildLogSize)
