"""Builds of catalogue tasks: what WMS orders from the pool `ewms-builder`, and what comes back.

    WMS launches a run of one of two step lists, with `{"order": <BuildOrder>, "report_token": ...}` as its state:

    find_task_commit   looks at the source, executes nothing    leaves in the state  commit: <FoundCommit>
    build_task_image   fetches that commit, builds, syncs       leaves in the state  image: <BuiltImage>,
                                                                                     synced: {location: <SyncedImage>}

The run decides: its successful end makes a version Ready, a halted or failed run makes it Failed with the message of
the node's error. A node that is retried leaves it Syncing, with that message. Reports are only for people: they bring
the log and the state of each location while the run goes on. A report that is lost changes no decision.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from schemas.lazy_model import LazyModel
from schemas.stored_enum import StoredEnum

#: The pool of the workers that build, and the names of their two step lists.
BUILD_POOL = "ewms-builder"
FIND_COMMIT = "find_task_commit"
BUILD_IMAGE = "build_task_image"
BUILD_LISTS = (FIND_COMMIT, BUILD_IMAGE)

#: The keys of the state of such a run.
ORDER_KEY = "order"
TOKEN_KEY = "report_token"  # noqa: S105 - a key, not a secret
COMMIT_KEY = "commit"
IMAGE_KEY = "image"
SYNCED_KEY = "synced"
#: Why no further try can bring the image to the locations; "": it can.
SYNC_REFUSAL_KEY = "sync_refusal"

#: The header in which a builder sends the build's token with a report.
REPORT_TOKEN_HEADER = "X-EWMS-Build-Token"  # noqa: S105 - a name, not a secret
#: The most characters of the log that one report may bring.
MAX_REPORTED_LOG = 65_536

#: What names a state of the source: a git commit in hex digits, or `sha256:` and the digest of a directory.
COMMIT_PATTERN = r"^([0-9a-f]{40}|[0-9a-f]{64}|sha256:[0-9a-f]{64})$"
DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"


class BuildModel(LazyModel):
    """The base class of what builds exchange. Readers ignore fields of a later version."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class GitSource(BuildModel):
    """A directory of a git repository."""

    kind: Literal["git"] = "git"
    url: Annotated[str, Field(min_length=1, max_length=2048)]
    #: A branch, a tag or a commit; empty: the repository's default branch.
    ref: Annotated[str, Field(max_length=255)] = ""
    #: The directory with the Dockerfile, relative to the repository's root; empty: the root.
    subdirectory: Annotated[str, Field(max_length=1024)] = ""
    #: The name of a credential that the builder knows; empty: none.
    credential: Annotated[str, Field(max_length=255)] = ""


class DirectorySource(BuildModel):
    """A directory of the server, below one of its allowed roots."""

    kind: Literal["directory"] = "directory"
    path: Annotated[str, Field(min_length=1, max_length=4096)]


TaskSource = Annotated[GitSource | DirectorySource, Field(discriminator="kind")]


class BuildLimits(BuildModel):
    """What one build may take. Units are in the names."""

    fetch_s: Annotated[float, Field(gt=0)] = 300.0
    fetch_bytes: Annotated[int, Field(gt=0)] = 512 * 1024 * 1024
    build_s: Annotated[float, Field(gt=0)] = 1800.0
    build_memory_bytes: Annotated[int, Field(gt=0)] = 4 * 1024**3
    image_bytes: Annotated[int, Field(gt=0)] = 4 * 1024**3
    log_bytes: Annotated[int, Field(gt=0)] = 4 * 1024 * 1024


class BuildOrder(BuildModel):
    """What to look at, or to build."""

    #: The id of this build. Reports name it, and a repeated attempt of a step has the same one.
    build: str
    task: int
    version: int
    source: TaskSource
    #: The approved state of the source. Empty in an order to `find_task_commit`.
    commit: str = ""
    limits: BuildLimits = BuildLimits()
    #: The hosts that `RUN` may reach; empty: no network.
    network: tuple[str, ...] = ()
    #: The cluster locations that must have the image.
    locations: tuple[str, ...] = ()
    #: Where reports go, relative to the gateway's address.
    report_path: str = ""


class FoundCommit(BuildModel):
    """The state of a source when somebody looked."""

    commit: Annotated[str, Field(pattern=COMMIT_PATTERN)]
    #: The first line of the commit's message and its author, for people; empty for directories.
    subject: Annotated[str, Field(max_length=1000)] = ""
    author: Annotated[str, Field(max_length=1000)] = ""


class BuiltImage(BuildModel):
    """An OCI image that was built."""

    digest: Annotated[str, Field(pattern=DIGEST_PATTERN)]
    size_bytes: Annotated[int, Field(ge=0)] = 0


class SyncedImage(BuildModel):
    """An image at a location, where its digest was verified."""

    #: The digest of the OCI image from which it was made.
    digest: Annotated[str, Field(pattern=DIGEST_PATTERN)]
    #: What a task directive names to use the image there: a path, or the address in a registry.
    image: Annotated[str, Field(min_length=1, max_length=4096)]


class BuildStage(StoredEnum):
    """What a build is doing."""

    FETCH = "fetch"
    BUILD = "build"
    SYNC = "sync"


class SyncState(StoredEnum):
    """How far a location is."""

    WAITING = "waiting"
    COPYING = "copying"
    SYNCED = "synced"
    UNREACHABLE = "unreachable"


class LocationSync(BuildModel):
    """The image at one location, for people."""

    state: SyncState
    #: Why it is unreachable.
    reason: Annotated[str, Field(max_length=2000)] = ""
    image: Annotated[str, Field(max_length=4096)] = ""


class BuildReport(BuildModel):
    """What a builder reports while it works. WMS stores a repeated report once."""

    #: A random id of the step's call, and the number of the report within the call, from 0.
    stream: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    number: Annotated[int, Field(ge=0, le=1_000_000)]
    stage: BuildStage
    log: Annotated[str, Field(max_length=MAX_REPORTED_LOG)] = ""
    locations: Annotated[dict[str, LocationSync], Field(max_length=100)] = Field(default_factory=dict)


def make_build_state(order: BuildOrder, token: str) -> dict[str, Any]:
    """Return the first state of a run that builds, or looks at a source. `token` opens the route of its reports."""
    return {ORDER_KEY: order.model_dump(mode="json"), TOKEN_KEY: token}
