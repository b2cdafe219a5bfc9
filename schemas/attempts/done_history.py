"""Attempts at traced events that ended well, as MQS stores and shows them, and the list of traced families."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from schemas.attempts.done_reports import MAX_OUTPUTS
from schemas.attempts.failed_reports import MAX_ERROR, MAX_NAME
from schemas.ids import WorkflowId
from schemas.lazy_model import LazyModel
from schemas.questions.bases import Answer, MqsQuestion

#: The most families in one answer.
MAX_FAMILIES = 200


def _check_year(at: datetime) -> datetime:
    """Return `at`. A report is written by a worker, and a database stores only some years.

    Raises:
        ValueError: `at` is before 2000 or after 2199.
    """
    if not 2000 <= at.year < 2200:
        raise ValueError("must be between the years 2000 and 2199")
    return at


Instant = Annotated[AwareDatetime, AfterValidator(_check_year)]
Name = Annotated[str, Field(max_length=MAX_NAME)]
Number = Annotated[int, Field(ge=0, lt=2**53)]


class TracedOutput(BaseModel):
    """An event that the task made, and that the broker has confirmed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    queue: Name = Field(description="The mqid of the output's queue.")
    event_id: Name
    confirmed_at: Instant = Field(description="When the broker confirmed the output.")


class DoneAttempt(LazyModel):
    """One attempt at one traced event that ended with the event's acknowledgement."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    cursor: str = Field("", description="The attempt's position among the workflow's attempts, ascending in time.")
    event_id: Name
    root: Name = Field(description="The first event of the event's family, which no task made.")
    parent: Name = Field("", description="The event from which a task made the event; empty if none is known.")
    key: Name = Field("", description="The publisher's key for the event; empty if it gave none.")
    attempt: Number = Field(description="The number of the attempt, from 1.")
    n_replays: Number = Field(0, description="How many replays the event has had.")
    published_at: Instant | None = Field(
        None, description="When the event was published; null if its publisher did not tell."
    )
    taken_at: Instant = Field(description="When the worker got the event.")
    started_at: Instant = Field(description="When the task began with the event.")
    ended_at: Instant = Field(description="When the task ended with it.")
    acknowledged_at: Instant = Field(
        description="When the worker acknowledged the event, after the broker had confirmed all outputs."
    )
    error: Annotated[str, Field(max_length=MAX_ERROR)] = Field(
        "", description="The task's failure, if it was published as the event's outcome; else empty."
    )
    outputs: Annotated[tuple[TracedOutput, ...], Field(max_length=MAX_OUTPUTS)] = Field(
        (), description="The events that the task made."
    )
    queue: Name = Field("", description="The mqid of the event's queue.")
    task_id: Name = ""
    taskforce_uuid: Name = ""
    site: Name = ""
    machine: Name = ""
    slot: Name = ""
    worker: Number | None = Field(
        None, description="The worker's number in its taskforce; its logs have the same number."
    )
    pilot: Name
    n_bytes: Number = Field(0, description="The event's size.")
    content_type: Name = ""
    traceparent: Name = Field("", description="The W3C trace context that the event carried; empty if none.")


class TracedFamily(BaseModel):
    """A traced event that no task made, with what was made from it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    root: str = Field(description="The id of the event that no task made.")
    key: str = Field(description="The publisher's key for it; empty if it gave none, or if it is not done yet.")
    n_events: int = Field(description="How many events of the family workers have reported as done.")
    first_at: Instant = Field(description="When the first of them was acknowledged.")
    last_at: Instant = Field(description="When the last of them was acknowledged.")


class TracedFamiliesQuery(MqsQuestion):
    """The gateway wants the families that have the newest reports, the newest first."""

    kind: Literal["traced-families"] = "traced-families"
    workflow_id: WorkflowId
    limit: Annotated[int, Field(ge=1, le=MAX_FAMILIES)] = MAX_FAMILIES


class TracedFamiliesAnswer(Answer):
    """A workflow's traced families."""

    kind: Literal["traced-families"] = "traced-families"
    families: list[TracedFamily]
