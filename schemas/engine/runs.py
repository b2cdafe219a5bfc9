"""Runs: each run is one execution of a definition, from launch to end. A run and its nodes are one document.

    run     created ──► running ◄──► waiting ──► successful | failed | error | canceled
                           ▲  ▲
                           │  └────► halted      a node failed, and a person must retry it or cancel
                           └───────► stopped     a person stopped the run

    node    pending ──► due ──► taken ──► successful | skipped | failed | error | canceled
               │         ▲        │
               │         │        ├──► retrying   it failed and is due again by itself
               │         └────────┼──► waiting    something from outside ends it or makes it due again
               │                  └──► halted     it failed and waits for a person
               └──► passed        no edge that leads to it can be satisfied any more

A run's `nodes` have the order of its graph's nodes. The *fence* of an attempt is (run, node, attempt): a report that
names an older attempt changes nothing.
"""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from schemas.engine.graph import WaitKind
from schemas.ids import NodeKey, RunId, RunUuid, ScheduleId
from schemas.lazy_model import LazyModel
from schemas.stored_enum import StoredEnum

#: The most bytes that a run's state, or its parameters, may have as JSON.
MAX_STATE_BYTES = 1024 * 1024


class RunStatus(StoredEnum):
    """The status of a run."""

    #: The run was launched and has not started yet.
    CREATED = "created"
    #: A node is due or being worked on, or a child runs.
    RUNNING = "running"
    #: Only something from outside, or a set time, lets the run go on.
    WAITING = "waiting"
    HALTED = "halted"
    STOPPED = "stopped"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    #: The engine could not carry the run on.
    ERROR = "error"
    CANCELED = "canceled"


class NodeStatus(StoredEnum):
    """The status of a node. A node with one of the last six statuses is over."""

    PENDING = "pending"
    DUE = "due"
    TAKEN = "taken"
    WAITING = "waiting"
    RETRYING = "retrying"
    HALTED = "halted"
    SUCCESSFUL = "successful"
    #: The node's condition was false. The nodes below go on as after a success.
    SKIPPED = "skipped"
    FAILED = "failed"
    #: No worker could work on the node, or it is unknown how the attempt ended.
    ERROR = "error"
    CANCELED = "canceled"
    #: The node does not run, because no outcome before it leads to it.
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

#: A node in one of these statuses has begun and may still go on.
NODE_OPEN = frozenset({NodeStatus.DUE, NodeStatus.TAKEN, NodeStatus.WAITING, NodeStatus.RETRYING, NodeStatus.HALTED})


class Outcome(StoredEnum):
    """How an attempt of a node ended."""

    SUCCESSFUL = "successful"
    SKIPPED = "skipped"
    FAILED = "failed"
    ERROR = "error"
    CANCELED = "canceled"
    #: The attempt has not ended: the engine calls the step again after a pause, within the same attempt.
    PENDING = "pending"


class RunModel(LazyModel):
    """The base class of the parts of a run, and of reports about a run. Readers ignore fields of a later version."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class NodeError(RunModel):
    """Why an attempt failed."""

    #: The class of the exception. `WorkerLost`, `TimedOut` and `DefinitionGone` are the engine's own.
    error_class: str
    message: str
    traceback: str = ""
    #: Further facts of the exception, such as `status_code`, `headers` and `body`.
    details: dict[str, Any] = Field(default_factory=dict)


class ChildRequest(RunModel):
    """A run that a step asked for. `uuid` comes from the idempotency key, so a repeated step asks for the same run."""

    uuid: RunUuid
    definition: str
    params: dict[str, Any] = Field(default_factory=dict)
    who: str = ""


#: The artifact in which a step describes the workflow to run after it. Only the next node gets this artifact.
WANTED_WORKFLOW = "wanted_workflow"
#: The most results of a workflow that a step may ask for. For more results, let a step consume their queue.
MAX_RESULTS = 10_000


class WantedWorkflow(RunModel):
    """The workflow that the node after a step runs, as the step describes it."""

    #: The body of `POST /workflows`.
    request: dict[str, Any]
    #: Payloads, as JSON, to publish into the workflow's first public input.
    events: tuple[Any, ...] = ()
    #: How many dead letters the workflow may have and still be a success.
    max_dead_letters: int = 0
    #: The most results of the workflow that the state gets.
    max_results: int = Field(default=0, ge=0, le=MAX_RESULTS)

    def as_artifacts(self) -> dict[str, Any]:
        """Return the artifacts by which a step asks for this workflow."""
        return {WANTED_WORKFLOW: self.model_dump(mode="json")}


class WaitState(StoredEnum):
    """The state of a wait, which decides what an answer does."""

    #: The token exists, and the work that leads to the answer may be under way. The engine keeps an answer.
    OPENED = "opened"
    #: An answer ends the wait.
    ARMED = "armed"
    #: In these two states an answer changes nothing: there was an answer already, or the time is over.
    ANSWERED = "answered"
    EXPIRED = "expired"


class Wait(RunModel):
    """The wait of a node, from the time when its token exists."""

    kind: WaitKind
    state: WaitState = WaitState.ARMED
    name: str = ""
    correlation: str = ""
    deadline: datetime | None = None
    armed_at: datetime | None = None
    #: The answer that came before the wait was armed. Only the first such answer counts.
    early: "WaitAnswer | None" = None
    #: The id of the answer that has ended the wait.
    answered_by: str = ""
    #: What the outside system last reported about its progress. Such a report does not end the wait.
    progress: Any = None


class WaitAnswer(RunModel):
    """An answer from outside, and who gave it. A repeated answer has the same `id`."""

    id: str
    body: Any = None
    who: str = ""
    at: datetime
    #: For an approval: whether the person approved.
    approved: bool | None = None


class NodeState(RunModel):
    """The state of one node of a run."""

    key: NodeKey
    status: NodeStatus = NodeStatus.PENDING
    #: How many times the node has become due. The number only grows, and is part of the fence.
    attempt: int = 0
    #: How many attempts failed since a person last asked for one. The retry policy counts these.
    n_failures: int = 0
    #: How many times `node.run` was sent for this attempt, and how many times a step worker has taken it.
    n_sent: int = 0
    n_taken: int = 0
    #: How many workers were lost with this attempt.
    n_lost: int = 0
    taken_by: str = ""
    #: How many times the step of this attempt has answered `pending`.
    n_polls: int = 0
    #: When the engine looks at the node again: to repeat an order, to retry, to poll, or because a time limit is over.
    wake_at: datetime | None = None
    #: When this attempt must have ended; None means no limit.
    deadline: datetime | None = None
    wait: Wait | None = None
    #: The child: a run's id, or a workflow's.
    child_run: RunId | None = None
    workflow_id: str | None = None
    #: The earlier run whose result the node has. The node did not run again.
    reused_from: RunId | None = None
    #: The values that the node leaves to the nodes below it.
    artifacts: dict[str, Any] = Field(default_factory=dict)
    error: NodeError | None = None
    #: Why the node has its status, in words for people.
    explanation: str = ""
    due_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class WantKind(StoredEnum):
    """What a person can request of an open run."""

    STOP = "stop"
    CANCEL = "cancel"


class Want(RunModel):
    """A person's request to stop or cancel a run. The node that is running ends first, and no other node begins."""

    kind: WantKind
    who: str = ""
    why: str = ""
    at: datetime


class Parent(RunModel):
    """The node of another run that started this run."""

    run: RunId
    node: int
    attempt: int


class Occurrence(RunModel):
    """The occurrence for which a run was launched."""

    schedule: ScheduleId
    name: str
    at: datetime
    #: How many earlier occurrences WMS missed and does not make up for.
    skipped: int = 0


class RunMoment(StoredEnum):
    """A moment in the life of a run that notifications must still tell. The run keeps it until they are stored."""

    STARTED = "started"
    ENDED = "ended"


def make_idempotency_key(run: RunUuid, node: NodeKey) -> str:
    """Return the key of a node, which is the same for all its attempts."""
    return f"{run}/{node}"
