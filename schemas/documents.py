"""What MongoDB keeps: the contract's objects with what we need beside them.

    WMS_DB   WorkflowColl  TaskDirectiveColl  TaskforceColl
    MQS_DB   MQGroupColl   MQProfileColl   MQLedgerColl   MQKeyColl   MQTrafficColl
             FailedAttemptColl   LetterOrderColl

Every document's `_id` is its own id. `rev` counts the changes of an aggregate (a workflow with its taskforces; a
group with its profiles) and stands on the aggregate's root. `wake_at` asks the timer loop to look again. `cursor`
(24 hex digits, ascending in time) is the order in which queries page.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.endings import Completion
from schemas.ids import Alias, Mqid, WorkflowId
from schemas.objects import MQGroup, MQProfile, TaskDirective, Taskforce, Workflow
from schemas.stored_enum import StoredEnum


class Collection(StrEnum):
    """The collections' names; those of the contract."""

    WORKFLOWS = "WorkflowColl"
    TASK_DIRECTIVES = "TaskDirectiveColl"
    TASKFORCES = "TaskforceColl"
    MQ_GROUPS = "MQGroupColl"
    MQ_PROFILES = "MQProfileColl"
    MQ_LEDGER = "MQLedgerColl"
    MQ_KEYS = "MQKeyColl"
    MQ_ORPHANS = "MQOrphanColl"
    FAILED_ATTEMPTS = "FailedAttemptColl"
    LETTER_ORDERS = "LetterOrderColl"
    MQ_TRAFFIC = "MQTrafficColl"


class QueuePlan(BaseModel):
    """One queue of a workflow, named by WMS before it exists."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mqid: Mqid
    alias: Alias
    is_public: bool
    #: Whether any task consumes from it, and whether any publishes to it (ruling 15: what a public token may do).
    is_input: bool = False
    is_output: bool = False


class WorkflowDocument(Workflow):
    """A workflow as stored: the root of its aggregate."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rev: int = 0
    wake_at: datetime | None = None
    #: The subject who posted it and the projects (groups) whose members share it.
    owner: str = ""
    projects: list[str] = Field(default_factory=list)
    cursor: str = ""
    queues: list[QueuePlan] = Field(default_factory=list)
    #: When MQS was last asked for the queues, and how often; why it had them wait; when they were ready.
    queues_asked_at: datetime | None = None
    n_queues_asked: int = 0
    queues_deferred: str = ""
    queues_active_at: datetime | None = None
    #: When the last taskforce was over; MQS then retires the queues.
    over_at: datetime | None = None
    #: Why its work waits in vain, as the watch over stalled workflows last saw it; None: it does not. Written outside
    #: of the kernel, as statuses are; no decision reads it.
    stalled: dict[str, Any] | None = None
    #: When the inputs were closed: from here on the workflow ends by itself.
    inputs_closed_at: datetime | None = None
    #: How many results end it, and whether dead letters count as results.
    expected_results: int | None = None
    counts_dead: bool = False
    #: Counts what was said of the end; when MQS was last told it, and how often.
    ending_number: int = 0
    ending_told_at: datetime | None = None
    n_ending_told: int = 0
    #: How it ended by itself, and with how many dead letters; None: it has not.
    completion: Completion | None = None
    n_dead: int | None = None
    #: How many results had arrived then; None: nobody expected a number. Why it is no plain success.
    n_results: int | None = None
    completion_reason: str = ""


class TaskDirectiveDocument(TaskDirective):
    """A task directive as stored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: str = ""
    projects: list[str] = Field(default_factory=list)
    cursor: str = ""


class TaskforceDocument(Taskforce):
    """A taskforce as stored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: str = ""
    projects: list[str] = Field(default_factory=list)
    cursor: str = ""
    #: What an `n_workers` of null means: the default of the location it was asked for at.
    default_n_workers: int | None = None
    #: The place of its task in the request; None: stored before this was kept.
    task_index: int | None = None
    #: When its TMS was last asked to start or stop it and has not answered; None: nothing is being asked.
    asked_at: datetime | None = None
    #: How often it was asked without an answer: the pauses between grow with it.
    n_asked: int = 0
    #: Its place among those that wait for a start, ascending.
    launch_rank: float = 0.0
    #: Not to be asked again before this (back-off after a failure).
    retry_at: datetime | None = None
    n_submit_failures: int = 0
    n_remove_failures: int = 0
    #: Why nothing more will be tried.
    stuck: str = ""
    #: Over without ever having had a cluster (ruling 9).
    ended_at: datetime | None = None
    #: The order of status snapshots: the newest (epoch, seq) wins.
    status_epoch: int = -1
    status_seq: int = -1
    status_as_of: datetime | None = None
    exit_codes: dict[str, int] = Field(default_factory=dict)
    #: Why no slot of the pool can take the jobs that wait, as the TMS last said.
    unmatched: str = ""
    #: Whether the task fails on every worker, as the TMS last said.
    all_bad: bool = False


class GroupState(StoredEnum):
    """Where a workflow's queues stand."""

    RESERVED = "reserved"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


class MQGroupDocument(MQGroup):
    """A group of queues as stored: the root of its aggregate."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rev: int = 0
    wake_at: datetime | None = None
    state: GroupState = GroupState.RESERVED
    priority: int = 50
    owner: str = ""
    projects: list[str] = Field(default_factory=list)
    #: The schedds whose TMS may ask for this workflow's pilots' tokens.
    schedds: list[str] = Field(default_factory=list)
    #: How many queues it asks for, dead letters included; from `admitted_at` on, how many it may have on the broker.
    n_queues: int = 0
    #: When the budget let it in: from here on its queues may exist, whatever a crash leaves out.
    admitted_at: datetime | None = None
    activated_at: datetime | None = None
    #: Reserved by another WMS, which has not asked for the queues themselves yet.
    unasked: bool = False
    #: The site whose WMS reserved the queues; empty: our own WMS did, for `owner`.
    site: str = ""
    #: Why it waits; empty once it is admitted.
    deferred: str = ""
    over_at: datetime | None = None
    #: Until when dead letters may be on their way back into the queues; nothing is judged empty before.
    replaying_until: datetime | None = None
    #: When the queues that outlive the workflow were last seen in use.
    last_used_at: datetime | None = None
    #: How the workflow wants to end by itself; see `schemas.events.WorkflowEnding`. `closed_at`: its inputs are closed.
    ending_number: int = 0
    #: Whether its queues are looked at until it ends.
    is_ending: bool = False
    closed_at: datetime | None = None
    levels: list[list[Mqid]] = Field(default_factory=list)
    n_expected: int | None = None
    counts_dead: bool = False
    #: When WMS was told that the results had arrived, and that the queues were drained. What is drained stays so.
    results_arrived_at: datetime | None = None
    drained_at: datetime | None = None
    #: What WMS was told with either.
    n_results: int | None = None
    n_dead: int = 0
    #: How many dead letters were sent back into each queue, and how many were thrown away.
    replayed: dict[Mqid, int] = Field(default_factory=dict)
    n_discarded: int = 0
    #: How many had failed when the queues were drained, the discarded ones among them.
    n_failed_at_end: int = 0
    #: Whether replays may be on their way that the broker has not confirmed.
    has_unconfirmed_replays: bool = False


class MQProfileDocument(MQProfile):
    """A queue as stored; tokens are minted when asked for and never stored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: Its place in the reservation.
    position: int = 0
    is_input: bool = False
    is_output: bool = False
    #: When the way into it was taken away: nobody takes what is published any more.
    shut_at: datetime | None = None
    retired_at: datetime | None = None


class LedgerDocument(BaseModel):
    """What of the broker's budget is given away: changed in the same transaction as the groups that hold it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rev: int = 0
    n_queues: int = 0


class FailedAttemptDocument(BaseModel):
    """A failed attempt as stored.

    `_id` is derived from workflow, event, pilot and attempt, so a repeated report is stored once.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    workflow_id: WorkflowId
    #: Its place in time: 24 hex digits.
    cursor: str
    #: When it goes.
    expires_at: datetime
    event_id: str
    key: str
    attempt: int
    n_replays: int = 0
    gave_up: bool
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
    n_bytes: int
    content_type: str
    digest: str
    excerpt: bytes


class LetterOrderDocument(BaseModel):
    """Who has replayed or discarded dead letters, and which: kept for the audit."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    workflow_id: WorkflowId
    at: datetime
    subject: str
    action: str
    n_letters: int
    which: str


class KeyDocument(BaseModel):
    """A public key that can have signed a token which still lives. `_id` is its `kid`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    jwk: dict[str, str]
    #: None: the key that signs now.
    expires_at: datetime | None = None
