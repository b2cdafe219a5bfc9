"""The control events between WMS and the step workers.

    WMS ── node.run ──► steps.<pool> ──► a step worker ── node.taken, node.ended ──► WMS
                                                       ── definition.registered, worker.alive ──► WMS

`node.run` is a hint: WMS repeats it until the node has ended. So it need not survive a broker's restart.
"""

from typing import Any, ClassVar

from pydantic import AwareDatetime, Field

from schemas.events.cloudevents import Order, Payload
from schemas.graph import Definition
from schemas.ids import DefinitionHash, NodeKey, RunId, RunUuid
from schemas.runs import ChildRequest, NodeError, Outcome
from schemas.services import Service
from schemas.topology import encode_pool


class AboutAttempt(Payload):
    """A payload about one attempt of a node. The three fields are the fence."""

    run: RunId
    node: NodeKey
    attempt: int

    @property
    def subject(self) -> str:
        """Return `<run>/<node>`."""
        return f"{self.run}/{self.node}"


class NodeRun(AboutAttempt, Order):
    """Call the function of this node. Whoever takes it has it until it acknowledges; a lost one goes to another."""

    TYPE: ClassVar = "node.run"
    TO: ClassVar = Service.STEPS

    pool: str
    run_uuid: RunUuid
    definition: str
    definition_hash: DefinitionHash
    function: str
    #: The node's name, for logs.
    name: str
    state: dict[str, Any]
    #: What the run was launched with, and what the nodes above left.
    variables: dict[str, Any] = Field(default_factory=dict)
    params: dict[str, Any] = Field(default_factory=dict)
    #: The subscriptions of the run, as JSON.
    subscriptions: tuple[dict[str, Any], ...] = ()
    idempotency_key: str
    #: How often this attempt has answered `pending`.
    n_polls: int = 0
    #: What the callback must bring; empty: the step opens none. Only this step's worker needs it.
    callback_key: str = ""
    #: The engine gives the attempt up after this time.
    timeout_s: float | None = None
    #: After this instant a worker leaves the event alone, unless the broker delivers it again: WMS has repeated it.
    valid_until: AwareDatetime | None = None

    @property
    def routing_key(self) -> str:
        """Return `steps.<encoded pool>.node.run`."""
        return f"{self.TO}.{encode_pool(self.pool)}.{self.TYPE}"


class NodeTaken(AboutAttempt, Order):
    """A step worker begins to work on the attempt. Nobody waits for it, so it may be lost."""

    TYPE: ClassVar = "node.taken"
    TO: ClassVar = Service.WMS

    worker: str
    taken_at: AwareDatetime


class NodeEnded(AboutAttempt, Order):
    """The function has returned or raised. The worker acknowledges `node.run` after the broker's confirm of this."""

    TYPE: ClassVar = "node.ended"
    TO: ClassVar = Service.WMS

    outcome: Outcome
    worker: str
    #: The step's name, if the step has changed it.
    name: str = ""
    #: What the state gets, key by key, and what it loses.
    delta: dict[str, Any] = Field(default_factory=dict)
    removed: tuple[str, ...] = ()
    #: What the node leaves to those below it, outside of the state.
    artifacts: dict[str, Any] = Field(default_factory=dict)
    error: NodeError | None = None
    #: Subscriptions to store with the commit, and events to state, as JSON.
    models: tuple[dict[str, Any], ...] = ()
    events: tuple[dict[str, Any], ...] = ()
    children: tuple[ChildRequest, ...] = ()
    #: `pending`: look again after this time.
    poll_after_s: float = 3.0
    started_at: AwareDatetime
    ended_at: AwareDatetime


class DefinitionRegistered(Order):
    """A step worker offers this definition. It says so at its start, once for each."""

    TYPE: ClassVar = "definition.registered"
    TO: ClassVar = Service.WMS

    worker: str
    hash: DefinitionHash
    definition: Definition

    @property
    def subject(self) -> str:
        """Return the definition's name."""
        return self.definition.name


class StepWorkerAlive(Order):
    """A step worker is there. It repeats this at a fixed interval, and says with `is_leaving` that it ends."""

    TYPE: ClassVar = "worker.alive"
    TO: ClassVar = Service.WMS

    worker: str
    pool: str
    hashes: tuple[DefinitionHash, ...]
    n_running: int
    started_at: AwareDatetime
    is_leaving: bool = False

    @property
    def subject(self) -> str:
        """Return the step worker's name."""
        return self.worker
