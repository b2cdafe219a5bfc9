"""The documents of MQS about queues in MongoDB.

    MQS_DB   MQGroupColl   MQProfileColl   MQLedgerColl   MQKeyColl   MQTrafficColl   MQOrphanColl   MQHistoryColl
             FailedAttemptColl   DoneAttemptColl   LetterOrderColl      see `schemas.attempts.documents`

`schemas.fleet.documents` says what the documents of all services have in common.
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from schemas.fleet.objects import MQGroup, MQProfile
from schemas.ids import Mqid
from schemas.registry import register_collection
from schemas.stored_enum import StoredEnum


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
    #: Whether MQS gives out tokens for the queues. It does not while it still makes new queues usable.
    is_open: bool = True
    #: Whether another WMS has reserved the queues and not yet asked to activate them.
    unasked: bool = False
    #: The site whose WMS reserved the queues; empty if our own WMS reserved the queues for `owner`.
    site: str = ""
    #: Why the group waits for its admission; empty once it is admitted.
    deferred: str = ""
    over_at: datetime | None = None
    #: The W3C trace context of the request for the queues; empty if it had none.
    traceparent: str = ""
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


class KeyDocument(BaseModel):
    """A public key whose tokens may still be valid. `_id` is its `kid`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    jwk: dict[str, str]
    #: When the last token of this key expires; None if this key signs now.
    expires_at: datetime | None = None


MQ_KEYS = register_collection("MQKeyColl", KeyDocument)
