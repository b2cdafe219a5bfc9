"""The documents of MQS about attempts and dead letters in MongoDB.

MQS_DB   FailedAttemptColl   DoneAttemptColl   LetterOrderColl     the others: see `schemas.fleet.queue_documents`
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from schemas.attempts.done_history import DoneAttempt
from schemas.ids import WorkflowId
from schemas.registry import register_collection


class FailedAttemptDocument(BaseModel):
    """A failed attempt as it is stored.

    `_id` is made from workflow, event, pilot and attempt, so MQS stores a repeated report only once.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    workflow_id: WorkflowId
    #: The order in time: 24 hex digits.
    cursor: str
    #: When MongoDB deletes the document.
    expires_at: datetime
    event_id: str
    parent: str = ""
    key: str
    attempt: int
    n_replays: int = 0
    gave_up: bool
    counts: bool = True
    task_id: str
    taskforce_uuid: str
    queue: str
    reason: str
    error: str
    #: The id of the error's signature, and its text.
    signature: str
    signature_text: str
    last_lines: str
    exit_code: int | None
    site: str
    machine: str
    slot: str
    worker: int | None
    pilot: str
    failed_at: datetime
    took_s: float
    published_at: datetime | None = None
    taken_at: datetime | None = None
    #: The first event of the event's family, if the event is traced, and the W3C trace context that it carried.
    root: str = ""
    traceparent: str = ""
    n_bytes: int
    content_type: str
    digest: str
    excerpt: bytes


FAILED_ATTEMPTS = register_collection("FailedAttemptColl", FailedAttemptDocument)


class DoneAttemptDocument(DoneAttempt):
    """An attempt at a traced event that ended well, as it is stored. `_id` is made as that of a failed attempt."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    workflow_id: WorkflowId
    #: When MongoDB deletes the document.
    expires_at: datetime


DONE_ATTEMPTS = register_collection("DoneAttemptColl", DoneAttemptDocument)


class LetterOrderDocument(BaseModel):
    """An order to replay or discard dead letters: who gave the order, and which letters. The audit shows it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    workflow_id: WorkflowId
    at: datetime
    subject: str
    action: str
    n_letters: int
    which: str


LETTER_ORDERS = register_collection("LetterOrderColl", LetterOrderDocument)
