"""Questions to MQS about dead letters: list and read them, and order a replay or a discard.

The queue on the broker alone decides which letters exist. A letter's name is a digest of its event and its death. So an
event that fails again after a replay becomes another letter.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field

from schemas.attempts.failed_history import Attempt
from schemas.ids import WorkflowId
from schemas.lazy_model import LazyModel
from schemas.questions.bases import Answer, MqsQuestion

#: The limits of one answer: the number of letters, and the size of their bodies together.
MAX_LETTERS_PER_PAGE = 500
MAX_PAGE_BYTES = 512 * 1024
#: MQS sends a longer body in parts.
MAX_STRETCH_BYTES = 1024 * 1024
#: The most letters that one request replays or discards.
MAX_LETTERS_AT_ONCE = 200
MAX_LETTER_GROUPS = 200

LETTER_ID = r"[0-9a-f]{20}"


class _Closed(LazyModel):
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")


class DeadLetter(_Closed):
    """One dead letter."""

    letter: str = Field(description="The letter's name in requests.")
    event_id: str = Field(description="The event's id; empty if its client set none.")
    key: str = Field(description="The publisher's key for the event; empty if it gave none.")
    task_id: str = Field(description="The task whose pilot gave the event up; empty if the broker did.")
    queue: str = Field(description="The mqid of the event's queue; a replay sends the event there.")
    reason: str = Field(
        description="Why the pilot or the broker gave the event up: for example task-failed, delivery_limit, expired."
    )
    error: str
    signature: str = Field(description="The id of the error's signature: equal bugs have equal signatures.")
    attempts: int | None = Field(description="How many attempts the event had; null if the broker gave it up.")
    n_replays: int = Field(description="How many replays the event has had.")
    worker: str = Field(description="The machine of the last attempt.")
    dead_at: AwareDatetime | None
    n_bytes: int
    content_type: str
    excerpt: bytes = Field(description="The first bytes of the event, in base64.")
    body: bytes | None = Field(
        None, description="The whole event in base64, if the request asks for bodies; null if the event is too long."
    )
    headers: dict[str, Any] | None = Field(None, description="Its AMQP headers, if the request asks for bodies.")


class LetterGroup(_Closed):
    """The dead letters of one task whose errors have the same signature."""

    task_id: str
    signature: str
    reason: str
    text: str = Field(description="The error's text without the parts that differ from event to event.")
    example: str = Field(description="The full text of the group's newest error.")
    letter: str = Field(description="The letter with the newest error.")
    n_letters: int
    n_bytes: int
    first_at: AwareDatetime | None
    last_at: AwareDatetime | None


class LetterAction(StrEnum):
    """What MQS does with the dead letters of an order: it sends them back, or deletes them."""

    REPLAY = "replay"
    DISCARD = "discard"


class LetterFilter(_Closed):
    """A choice of dead letters: all letters that match every given field."""

    task_id: str | None = None
    signature: str | None = None
    event_id: str | None = None


class LettersQuery(LetterFilter, MqsQuestion):
    """The gateway wants one page of dead letters, oldest first: the letters after the letter `after`."""

    kind: Literal["dead-letters"] = "dead-letters"
    workflow_id: WorkflowId
    after: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LETTERS_PER_PAGE)] = MAX_LETTERS_PER_PAGE
    with_bodies: bool = False


class LetterGroupsQuery(MqsQuestion):
    """The gateway wants a workflow's dead letters grouped by task and error signature, the largest group first."""

    kind: Literal["dead-letter-groups"] = "dead-letter-groups"
    workflow_id: WorkflowId


class LetterQuery(MqsQuestion):
    """The gateway wants one dead letter with its headers and the history of its event."""

    kind: Literal["dead-letter"] = "dead-letter"
    workflow_id: WorkflowId
    letter: str


class LetterBodyQuery(MqsQuestion):
    """The gateway wants a part of the body of one dead letter."""

    kind: Literal["dead-letter-body"] = "dead-letter-body"
    workflow_id: WorkflowId
    letter: str
    offset: Annotated[int, Field(ge=0)] = 0


class LettersOrder(MqsQuestion):
    """The gateway orders a replay or a discard of `letters` or, if None, of the oldest letters that match `which`."""

    kind: Literal["dead-letters-order"] = "dead-letters-order"
    workflow_id: WorkflowId
    action: LetterAction
    letters: list[str] | None = None
    which: LetterFilter = LetterFilter()
    #: The user who gave the order, for the audit.
    subject: str


class LetterAuditQuery(MqsQuestion):
    """The gateway wants the list of replays and discards of a workflow's dead letters, the newest first."""

    kind: Literal["dead-letter-audit"] = "dead-letter-audit"
    workflow_id: WorkflowId


class LettersAnswer(Answer):
    """A page of dead letters. `next_after` is the `after` of the next page; None at the last page."""

    kind: Literal["dead-letters"] = "dead-letters"
    letters: list[DeadLetter]
    next_after: str | None
    n_letters: int


class LetterGroupsAnswer(Answer):
    """Groups of dead letters, and the number of all letters."""

    kind: Literal["dead-letter-groups"] = "dead-letter-groups"
    groups: list[LetterGroup]
    n_letters: int


class LetterAnswer(Answer):
    """One dead letter, and the failed attempts at its event."""

    kind: Literal["dead-letter"] = "dead-letter"
    letter: DeadLetter
    history: list[Attempt]


class LetterBodyAnswer(Answer):
    """The bytes of an event from `offset` on. The whole event has `n_bytes` bytes."""

    kind: Literal["dead-letter-body"] = "dead-letter-body"
    data: bytes
    offset: int
    n_bytes: int
    content_type: str


class LettersDone(Answer):
    """How many letters an order has handled. `n_left` more letters match. `stopped` says why MQS did not try all."""

    kind: Literal["dead-letters-done"] = "dead-letters-done"
    n_done: int
    n_missing: int
    n_left: int
    #: How many letters MQS cannot handle, and why it cannot handle the first of them.
    n_refused: int = 0
    refused: str = ""
    stopped: str = ""


class LetterAudit(_Closed):
    """An order to replay or discard dead letters, which MQS has carried out."""

    at: AwareDatetime
    subject: str
    action: LetterAction
    n_letters: int
    which: str = Field(description="The letters of the order, in words.")


class LetterAuditAnswer(Answer):
    """The orders about a workflow's dead letters."""

    kind: Literal["dead-letter-audit"] = "dead-letter-audit"
    orders: list[LetterAudit]


AnyLetterQuery = LettersQuery | LetterGroupsQuery | LetterQuery | LetterBodyQuery | LettersOrder | LetterAuditQuery
AnyLetterAnswer = LettersAnswer | LetterGroupsAnswer | LetterAnswer | LetterBodyAnswer | LettersDone | LetterAuditAnswer
