"""Questions to MQS about stored failed attempts: one by one, or grouped by task and error signature.

Pilots send their reports in the form of `schemas.attempts.failed_reports`. MQS answers in the form of this module.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.attempts.done_history import DoneAttempt
from schemas.ids import WorkflowId
from schemas.questions.bases import Answer, MqsQuestion

#: The limits of one answer, and of the events that one question names.
MAX_ATTEMPTS_PER_PAGE = 200
MAX_EVENTS_ASKED = 200
MAX_ERROR_GROUPS = 200


class Attempt(BaseModel):
    """One failed attempt at one event."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")

    cursor: str = Field(description="The attempt's position among the workflow's failed attempts, ascending in time.")
    event_id: str = Field(description="The event's id; empty if its client set none.")
    parent: str = Field("", description="The event from which a task made the event; empty if none is known.")
    key: str = Field(description="The publisher's key for the event; empty if it gave none.")
    attempt: int = Field(description="The number of the attempt, from 1.")
    n_replays: int = Field(0, description="How many replays the event has had. After a replay, attempts count from 1.")
    gave_up: bool = Field(description="Whether the event became a dead letter after this attempt.")
    counts: bool = Field(
        True,
        description="Whether the attempt counts against the event. If not, the worker gave the event back: it seemed "
        "bad itself, or its time was over. The next attempt then has the same number.",
    )
    task_id: str
    taskforce_uuid: str
    queue: str = Field(description="The mqid of the event's queue.")
    reason: str
    error: str
    signature: str = Field(description="The id of the error's signature: equal bugs have equal signatures.")
    last_lines: str = Field(description="The end of the task's output.")
    exit_code: int | None = Field(description="The task's exit code; 128 + n after signal n; null if it did not exit.")
    site: str
    machine: str
    slot: str
    worker: int | None = Field(description="The worker's number in its taskforce; its logs have the same number.")
    pilot: str
    failed_at: AwareDatetime
    took_s: float
    published_at: AwareDatetime | None = Field(
        None, description="When a traced event was published; null if that is unknown."
    )
    taken_at: AwareDatetime | None = Field(
        None, description="When the worker got the event, if the event is traced; null if that is unknown."
    )
    n_bytes: int = Field(description="The event's size.")
    content_type: str
    digest: str = Field(description="The event's SHA-256.")
    excerpt: bytes = Field(description="The first bytes of the event, in base64.")


class ErrorGroup(BaseModel):
    """The reported failed attempts of one task whose errors have the same signature.

    A pilot sends at most 20 reports at once and then two a second. So there may be more attempts than the counts say.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: str
    signature: str
    text: str = Field(description="The error's text without the parts that differ from event to event.")
    example: str = Field(description="The full text of the group's newest error.")
    event_id: str = Field(description="The event with the newest error.")
    n_attempts: int = Field(description="The number of reported attempts; there may be more.")
    n_uncounted: int = Field(
        0, description="How many of these attempts do not count against their events, because workers gave them back."
    )
    n_events: int = Field(description="The number of different events in these reports; there may be more.")
    n_machines: int = Field(description="The number of different machines in these reports; there may be more.")
    first_at: AwareDatetime
    last_at: AwareDatetime


class AttemptsQuery(MqsQuestion):
    """The gateway wants the failed attempts older than `before`, newest first. Filters: events, task, signature."""

    kind: Literal["attempts"] = "attempts"
    workflow_id: WorkflowId
    event_id: str | None = None
    #: Only attempts at one of these events.
    event_ids: Annotated[list[str], Field(max_length=MAX_EVENTS_ASKED)] | None = None
    task_id: str | None = None
    signature: str | None = None
    before: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS_PER_PAGE)] = MAX_ATTEMPTS_PER_PAGE
    #: Whether the answer also has the attempts at these events (`event_ids`) that ended well.
    with_done: bool = False


class ErrorGroupsQuery(MqsQuestion):
    """The gateway wants a workflow's errors in groups, the most frequent first."""

    kind: Literal["error-groups"] = "error-groups"
    workflow_id: WorkflowId


class AttemptsAnswer(Answer):
    """A page of failed attempts. `next_before` is the `before` of the next page; None at the last page."""

    kind: Literal["attempts"] = "attempts"
    attempts: list[Attempt]
    next_before: str | None
    #: The newest attempts that ended well, if the question asks for them. Workers report them of traced events only.
    done: list[DoneAttempt] = Field(default_factory=list)
    #: Whether there are more of them.
    is_done_cut: bool = False


class ErrorGroupsAnswer(Answer):
    """A workflow's errors in groups."""

    kind: Literal["error-groups"] = "error-groups"
    groups: list[ErrorGroup]
