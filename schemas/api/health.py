"""What WMS knows of a workflow or taskforce besides the contract's fields: health and progress, with `?include=`."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from schemas.api.fields import make_optional
from schemas.objects import Object, Taskforce, Workflow


class StallCause(Object):
    """One reason why work waits in vain, and a command that helps or shows more."""

    cause: Annotated[
        str,
        Field(
            description="queues-awaited, broker-away, all-bad, paused, no-takers, takes-nothing; "
            "or why no worker comes: tms-silent, start-failed, no-slot, held, pilot-failed, gone, suspended, ended"
        ),
    ]
    text: str
    command: str
    #: Empty: the cause concerns the whole workflow.
    task_id: str = ""
    n_events: int = 0


class Stall(Object):
    """A stalled workflow: events wait, and no worker is on its way to take them."""

    since: datetime
    causes: list[StallCause]


class MissingWorkers(Object):
    """Workers of a taskforce that take no events, all for one reason, and a command that helps or shows more."""

    cause: str
    n_workers: int
    text: str
    command: str
    #: Whether they will come without anyone's help.
    is_coming: bool


class WorkflowHealth(Object):
    """What WMS knows of a workflow besides the contract's fields."""

    stalled: Stall | None = None

    queues_deferred: str | None
    queues_active_at: datetime | None
    over_at: datetime | None


class TaskforceHealth(Object):
    """What WMS knows of a taskforce besides the contract's fields."""

    stuck: str | None
    n_submit_failures: int | None
    n_remove_failures: int | None
    retry_at: datetime | None
    ended_at: datetime | None
    status_as_of: datetime | None
    #: Why no slot of the pool can take the waiting workers; empty: some can.
    unmatched: str = ""
    exit_codes: dict[str, int]
    stale: bool
    #: How many workers the taskforce should have, how many of them take events, and why the others do not.
    n_wanted: int = 0
    n_at_work: int = 0
    missing: list[MissingWorkers] = Field(default_factory=list)
    ended: Annotated[
        str, Field(description="How and when its workflow ended, as a sentence; the taskforce then misses no worker.")
    ] = ""


class WorkflowProgress(Object):
    """How many of the events that users published are done. Replayed dead letters count once."""

    n_done: Annotated[int, Field(description="Events that no task has left to process, and that did not fail.")]
    n_all: Annotated[int, Field(description="All published events, or the number of expected results.")]
    n_failed: Annotated[int, Field(description="Dead letters. A replay subtracts the replayed ones.")]
    is_whole: Annotated[bool, Field(description="Whether no more events can come; until then `n_all` may grow.")]


class WorkflowSeen(Workflow):
    """GET /workflows/{id}: more fields with `?include=health`, `progress`, or both (`health,progress`)."""

    model_config = ConfigDict(json_schema_extra=make_optional("health", "progress"))

    health: WorkflowHealth | None = None
    #: Null: the queues do not allow a count, for example in a cycle.
    progress: WorkflowProgress | None = None


class TaskforceSeen(Taskforce):
    """GET /taskforces/{id}: more fields with `?include=health`."""

    model_config = ConfigDict(json_schema_extra=make_optional("health"))

    health: TaskforceHealth | None = None
