"""The documents of MQS in MongoDB.

    MQS_DB   MQGroupColl   MQProfileColl   MQLedgerColl   MQKeyColl   MQTrafficColl
             FailedAttemptColl   DoneAttemptColl   LetterOrderColl   MQOrphanColl   MQHistoryColl

`schemas.documents` says what the documents of all services have in common.
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from schemas.ids import Mqid, WorkflowId
from schemas.objects import MQGroup, MQProfile
from schemas.registry import register_collection
from schemas.stored_enum import StoredEnum
from schemas.traces.done_attempts import DoneAttempt


class GroupState(StoredEnum):
    """The state of a group, which is the queues of one workflow."""

    RESERVED = "reserved"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


class MQGroupDocument(MQGroup):
    """A group of queues as it is stored: the root of its aggregate."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rev: int = 0
    wake_at: datetime | None = None
    state: GroupState = GroupState.RESERVED
    priority: int = 50
    owner: str = ""
    projects: list[str] = Field(default_factory=list)
    #: The schedds whose TMS may ask for tokens for this workflow's pilots.
    schedds: list[str] = Field(default_factory=list)
    #: How many queues the group needs, with the one for dead letters. From `admitted_at` on, the group may have this
    #: many on the broker.
    n_queues: int = 0
    #: When the budget admitted the group. From then on its queues may exist; after a crash some may be missing.
    admitted_at: datetime | None = None
    activated_at: datetime | None = None
    #: Whether another WMS has reserved the queues and not yet asked to activate them.
    unasked: bool = False
    #: The site whose WMS reserved the queues; empty if our own WMS reserved the queues for `owner`.
    site: str = ""
    #: Why the group waits for its admission; empty once it is admitted.
    deferred: str = ""
    over_at: datetime | None = None
    #: Until this time, dead letters may be on their way back into the queues, so no queue counts as empty.
    replaying_until: datetime | None = None
    #: When MQS last noticed that the queues were in use, if they exist longer than the workflow.
    last_used_at: datetime | None = None
    #: How the workflow will end by itself; see `schemas.events.WorkflowEnding`. `closed_at`: when the inputs closed.
    ending_number: int = 0
    #: Whether MQS watches the queues until the workflow ends.
    is_ending: bool = False
    closed_at: datetime | None = None
    levels: list[list[Mqid]] = Field(default_factory=list)
    n_expected: int | None = None
    counts_dead: bool = False
    #: When MQS reported to WMS that the results had arrived, and that the queues were drained (they stay drained).
    results_arrived_at: datetime | None = None
    drained_at: datetime | None = None
    #: The numbers that MQS reported to WMS at these times.
    n_results: int | None = None
    n_dead: int = 0
    #: How many dead letters users have replayed into each queue, and how many dead letters they have discarded.
    replayed: dict[Mqid, int] = Field(default_factory=dict)
    n_discarded: int = 0
    #: The largest number of events that MQS has ever shown as gone from the tasks' queues and not failed.
    n_succeeded: int = 0
    #: How many events had failed when the queues were drained, discarded ones included.
    n_failed_at_end: int = 0
    #: Whether the broker may not have confirmed some replays.
    has_unconfirmed_replays: bool = False


MQ_GROUPS = register_collection("MQGroupColl", MQGroupDocument)


class MQProfileDocument(MQProfile):
    """A queue as it is stored, without a token: MQS makes tokens on request and never stores them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: The queue's index in the reservation.
    position: int = 0
    is_input: bool = False
    is_output: bool = False
    #: When MQS closed the queue for new events. Events that clients publish after that reach no consumer.
    shut_at: datetime | None = None
    retired_at: datetime | None = None


MQ_PROFILES = register_collection("MQProfileColl", MQProfileDocument)


class LedgerDocument(BaseModel):
    """How much of the broker's budget is used. It changes in the same transaction as the groups that use the budget."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rev: int = 0
    n_queues: int = 0


MQ_LEDGER = register_collection("MQLedgerColl", LedgerDocument)


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


class KeyDocument(BaseModel):
    """A public key whose tokens may still be valid. `_id` is its `kid`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    jwk: dict[str, str]
    #: When the last token of this key expires; None if this key signs now.
    expires_at: datetime | None = None


MQ_KEYS = register_collection("MQKeyColl", KeyDocument)
