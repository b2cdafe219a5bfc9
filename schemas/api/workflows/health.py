"""What WMS knows of a workflow or taskforce besides the contract's fields: health and progress, with `?include=`."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from schemas.api.fields import make_optional
from schemas.fleet.objects import Object, Taskforce, Workflow
from schemas.fleet.pilot_kills import PilotKills

#: The cause of a stall in which every event has failed. No event waits then.
ALL_FAILED = "all-failed"

#: The cause for a task that fails on every worker while its workers take events. The events move on, and fail.
FAILING = "failing"

#: With these causes no event waits in vain.
_NOT_STALLED = frozenset({ALL_FAILED, FAILING})


class StallCause(Object):
    """One reason why events wait in vain, and a command that helps or shows more."""

    cause: Annotated[
        str,
        Field(
            description="queues-awaited, broker-away, all-bad, failing, all-failed, paused, no-takers, takes-nothing; "
            "or why no worker comes: tms-silent, start-failed, drained, no-slot, held, pilot-failed, gone, suspended, "
            "ended"
        ),
    ]
    text: str
    command: str
    #: The task that the cause concerns; empty if the cause concerns the whole workflow.
    task_id: str = ""
    n_events: int = 0

    @property
    def is_stalled(self) -> bool:
        """Whether events wait in vain. If not, they fail one after the other, or every event has failed."""
        return self.cause not in _NOT_STALLED

    @property
    def sentence(self) -> str:
        """The text, after the word "stalled" if events wait in vain."""
        return f"stalled: {self.text}" if self.is_stalled else self.text


class Stall(Object):
    """Why a workflow needs its user: events wait and no worker is coming to take them, its task fails on every worker,
    or every event has failed.
    """

    since: datetime
    causes: list[StallCause]

    @property
    def is_all_failed(self) -> bool:
        """Whether no event waits, because every event has failed."""
        return all(cause.cause == ALL_FAILED for cause in self.causes)

    @property
    def is_stalled(self) -> bool:
        """Whether events wait in vain, for one cause at least."""
        return any(cause.is_stalled for cause in self.causes)


class MissingWorkers(Object):
    """Workers of a taskforce that take no events for the same reason, and a command that helps or shows more."""

    cause: str
    n_workers: int
    text: str
    command: str
    #: Whether the workers will come by themselves.
    is_coming: bool
    #: The reason's name in the table of causes, which is finer than `cause`; empty from an older WMS.
    reason: str = ""


class WorkflowHealth(Object):
    """What WMS knows of a workflow beyond the fields of the published API."""

    stalled: Stall | None = None

    queues_deferred: str | None
    queues_active_at: datetime | None
    over_at: datetime | None


class TaskforceHealth(Object):
    """What WMS knows of a taskforce beyond the fields of the published API."""

    stuck: str | None
    n_submit_failures: int | None
    n_remove_failures: int | None
    retry_at: datetime | None
    ended_at: datetime | None
    status_as_of: datetime | None
    #: Why no slot of the pool can take the waiting jobs; empty if a slot can, or if the reason is unknown.
    unmatched: str = ""
    exit_codes: dict[str, int]
    kills: Annotated[
        list[PilotKills], Field(description="How often signals ended its pilots, also those whose jobs started again.")
    ] = Field(default_factory=list)
    stale: bool
    #: How many workers the taskforce should have, how many of them take events, and why the others do not.
    n_wanted: int = 0
    n_at_work: int = 0
    missing: list[MissingWorkers] = Field(default_factory=list)
    ended: Annotated[
        str, Field(description="How and when its workflow ended, as a sentence; the taskforce then misses no worker.")
    ] = ""


class WorkflowProgress(Object):
    """How many of the events that users published are done. A replayed dead letter counts once."""

    n_done: Annotated[int, Field(description="Events that no task has left to process, and that did not fail.")]
    n_all: Annotated[int, Field(description="All published events, or the number of expected results.")]
    n_failed: Annotated[int, Field(description="Dead letters. A replay subtracts the replayed ones.")]
    is_whole: Annotated[bool, Field(description="Whether no more events can come; until then `n_all` may grow.")]


class WorkflowSeen(Workflow):
    """The answer of GET /workflows/{id}. With `?include=health`, `progress` or both (`health,progress`) it has more."""

    model_config = ConfigDict(json_schema_extra=make_optional("health", "progress"))

    health: WorkflowHealth | None = None
    #: Null if the events cannot be counted, for example in queues that form a cycle.
    progress: WorkflowProgress | None = None


class TaskforceSeen(Taskforce):
    """The answer of GET /taskforces/{id}. It has more fields with `?include=health`."""

    model_config = ConfigDict(json_schema_extra=make_optional("health"))

    health: TaskforceHealth | None = None
