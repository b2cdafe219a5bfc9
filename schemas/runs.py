"""Runs: one execution of a definition each, from launch to end. A run is one document, its nodes within.

    run     created ──► running ◄──► waiting ──► successful | failed | error | canceled
                           ▲  ▲
                           │  └────► halted      a node failed, and somebody must retry it or cancel
                           └───────► stopped     somebody stopped the run

    node    pending ──► due ──► taken ──► successful | skipped | failed | error | canceled
               │         ▲        │
               │         │        ├──► retrying   it failed and is due again by itself
               │         └────────┼──► waiting    something from outside ends it or makes it due again
               │                  └──► halted     it failed and waits for a person
               └──► passed        no edge that leads to it can be satisfied any more

A run's `nodes` stand in the order of its graph's nodes. The *fence* of an attempt is (run, node, attempt): what names
an older one changes nothing.
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.graph import WaitKind
from schemas.ids import NodeKey, RunId, RunUuid
from schemas.stored_enum import StoredEnum

#: The most that a run's state, or its parameters, may take as JSON.
MAX_STATE_BYTES = 1024 * 1024


class RunStatus(StoredEnum):
    """Where a run stands."""

    #: Launched, and not started yet.
    CREATED = "created"
    #: A node is due or being worked on, or a child runs.
    RUNNING = "running"
    #: Only things from outside, or times, bring the run on.
    WAITING = "waiting"
    HALTED = "halted"
    STOPPED = "stopped"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    #: The run could not be carried on.
    ERROR = "error"
    CANCELED = "canceled"


class NodeStatus(StoredEnum):
    """Where a node stands. The last six are over."""

    PENDING = "pending"
    DUE = "due"
    TAKEN = "taken"
    WAITING = "waiting"
    RETRYING = "retrying"
    HALTED = "halted"
    SUCCESSFUL = "successful"
    #: Its condition did not hold. What follows goes on as after a success.
    SKIPPED = "skipped"
    FAILED = "failed"
    #: It could not be worked on, or nobody knows how it ended.
    ERROR = "error"
    CANCELED = "canceled"
    #: It does not run, since no outcome before it leads to it.
    PASSED = "passed"


RUN_OVER = frozenset({RunStatus.SUCCESSFUL, RunStatus.FAILED, RunStatus.ERROR, RunStatus.CANCELED})
NODE_OVER = frozenset(
    {
        NodeStatus.SUCCESSFUL,
        NodeStatus.SKIPPED,
        NodeStatus.FAILED,
        NodeStatus.ERROR,
        NodeStatus.CANCELED,
        NodeStatus.PASSED,
    }
)

#: A node that somebody, or something, may still bring on.
NODE_OPEN = frozenset({NodeStatus.DUE, NodeStatus.TAKEN, NodeStatus.WAITING, NodeStatus.RETRYING, NodeStatus.HALTED})


class Outcome(StoredEnum):
    """How an attempt of a node ended."""

    SUCCESSFUL = "successful"
    SKIPPED = "skipped"
    FAILED = "failed"
    ERROR = "error"
    CANCELED = "canceled"
    #: Not ended: look again after a pause. The attempt stays the same.
    PENDING = "pending"


class RunModel(BaseModel):
    """A part of a stored run, or of what is said about one. Fields of a later version are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class NodeError(RunModel):
    """Why an attempt failed."""

    #: The class of the exception. `WorkerLost`, `TimedOut` and `DefinitionGone` are the engine's own.
    error_class: str
    message: str
    traceback: str = ""
    #: What the exception brought in addition, such as `status_code`, `headers` and `body`.
    details: dict[str, Any] = Field(default_factory=dict)


class ChildRequest(RunModel):
    """A run that a step started. The step worker makes `uuid` from the idempotency key: a repeated step repeats it."""

    uuid: RunUuid
    definition: str
    params: dict[str, Any] = Field(default_factory=dict)
    who: str = ""


class WaitState(StoredEnum):
    """What an answer to a wait does."""

    #: The token exists, and the work that leads to the answer may be under way: the answer is kept.
    OPENED = "opened"
    #: The answer ends the wait.
    ARMED = "armed"
    #: Nothing: there was one already, or the time was over.
    ANSWERED = "answered"
    EXPIRED = "expired"


class Wait(RunModel):
    """What a node waits for, from the moment at which its token exists."""

    kind: WaitKind
    state: WaitState = WaitState.ARMED
    name: str = ""
    correlation: str = ""
    deadline: datetime | None = None
    armed_at: datetime | None = None
    #: The answer that came before the wait was armed. At most one is kept; the first wins.
    early: "WaitAnswer | None" = None
    #: The id of the answer that has ended the wait.
    answered_by: str = ""


class WaitAnswer(RunModel):
    """What came from outside, and from whom. `id` makes a repetition known as such."""

    id: str
    body: Any = None
    who: str = ""
    at: datetime
    #: An approval: whether it was given.
    approved: bool | None = None


class NodeState(RunModel):
    """Where one node of a run stands."""

    key: NodeKey
    status: NodeStatus = NodeStatus.PENDING
    #: How often the node was made due. It only grows, and is part of the fence.
    attempt: int = 0
    #: How many attempts failed since a person last asked for one. The retry policy counts these.
    n_failures: int = 0
    #: How often `node.run` was sent for this attempt, and how often a step worker has taken it.
    n_sent: int = 0
    n_taken: int = 0
    taken_by: str = ""
    #: How often the step of this attempt has answered `pending`.
    n_polls: int = 0
    #: When the engine looks at the node by itself: to repeat, to retry, to poll, or because a time is over.
    wake_at: datetime | None = None
    #: When this attempt must have ended; None: it may take any time.
    deadline: datetime | None = None
    wait: Wait | None = None
    #: The child: a run's id, or a workflow's.
    child_run: RunId | None = None
    workflow_id: str | None = None
    #: What the node leaves to those below it.
    artifacts: dict[str, Any] = Field(default_factory=dict)
    error: NodeError | None = None
    #: Why the node stands where it stands, for a person.
    explanation: str = ""
    due_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class WantKind(StoredEnum):
    """What somebody wants of a run that goes on."""

    STOP = "stop"
    CANCEL = "cancel"


class Want(RunModel):
    """A wish about a run: the node under way ends first, and nothing new begins."""

    kind: WantKind
    who: str = ""
    why: str = ""
    at: datetime


class Parent(RunModel):
    """The node of another run that started this one."""

    run: RunId
    node: int
    attempt: int


def make_idempotency_key(run: RunUuid, node: NodeKey) -> str:
    """Return the key that is the same for all attempts of a node."""
    return f"{run}/{node}"
