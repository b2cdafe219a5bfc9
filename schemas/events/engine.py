"""The control events between WMS and the step workers.

    WMS ── node.run ──► steps.<pool> ──► a step worker ── node.taken, node.returned, node.ended ──► WMS
                          ── definition.registered, product.registered, worker.alive ──► WMS

WMS repeats `node.run` until the node has ended. So the broker may lose it in a restart.
"""

from typing import Any, ClassVar

from pydantic import AwareDatetime, Field

from schemas.broker.services import Service
from schemas.broker.topology import encode_pool
from schemas.engine.graph import Definition
from schemas.engine.runs import ChildRequest, NodeError, Outcome
from schemas.engine.subscriptions import ProductDocument
from schemas.events.cloudevents import Fact, Order, Payload
from schemas.ids import DefinitionHash, NodeKey, RunId, RunUuid
from schemas.stored_enum import StoredEnum


class AboutAttempt(Payload):
    """A payload about one attempt of a node. The three fields are the fence."""

    run: RunId
    node: NodeKey
    attempt: int

    @property
    def subject(self) -> str:
        """`<run>/<node>`."""
        return f"{self.run}/{self.node}"


class NodeRun(AboutAttempt, Order):
    """The order to call the function of one node. If its worker dies before the acknowledgment, another worker gets the
    order.
    """

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
    #: The parameters of the launch, and the artifacts of the nodes above.
    variables: dict[str, Any] = Field(default_factory=dict)
    params: dict[str, Any] = Field(default_factory=dict)
    #: The subscriptions of the run, as JSON.
    subscriptions: tuple[dict[str, Any], ...] = ()
    idempotency_key: str
    #: How many times this attempt has answered `pending`, and the artifacts of the last of these answers.
    n_polls: int = 0
    artifacts: dict[str, Any] = Field(default_factory=dict)
    #: How many workers were lost with this attempt before WMS sent this event. The workers' reports repeat this number.
    n_lost: int = 0
    #: The token of the callback; empty if the step opens no callback. Only this step's worker needs the token.
    callback_key: str = ""
    #: The engine gives the attempt up after this time.
    timeout_s: float | None = None
    #: After this instant a worker ignores the event, unless the broker delivers it again: WMS has sent a newer one.
    valid_until: AwareDatetime | None = None

    @property
    def routing_key(self) -> str:
        """`steps.<encoded pool>.node.run`."""
        return f"{self.TO}.{encode_pool(self.pool)}.{self.TYPE}"


class NodeTaken(AboutAttempt, Order):
    """A step worker begins to work on the attempt. WMS does not wait for this event, so it may be lost."""

    TYPE: ClassVar = "node.taken"
    TO: ClassVar = Service.WMS

    worker: str
    n_lost: int = 0
    taken_at: AwareDatetime


class ReturnReason(StoredEnum):
    """Why a step worker does not call the function of an attempt."""

    #: The broker has delivered the event before: the worker that had it was lost, perhaps because of this event.
    LOST = "lost"
    #: The worker does not offer the definition in this version.
    NOT_OFFERED = "not-offered"


class NodeReturned(AboutAttempt, Order):
    """A step worker has not called the function. WMS counts the lost workers, and may send the attempt again."""

    TYPE: ClassVar = "node.returned"
    TO: ClassVar = Service.WMS

    worker: str
    n_lost: int
    reason: ReturnReason


class NodeEnded(AboutAttempt, Order):
    """The function has returned or raised. The worker acknowledges `node.run` after the broker's confirm of this."""

    TYPE: ClassVar = "node.ended"
    TO: ClassVar = Service.WMS

    outcome: Outcome
    worker: str
    #: The `n_polls` of the `NodeRun`; None if the worker is of an older version.
    n_polls: int | None = None
    #: The step's name, if the step has changed it.
    name: str = ""
    #: `delta`: the keys that the state gets or changes, with their values. `removed`: the keys that the state loses.
    delta: dict[str, Any] = Field(default_factory=dict)
    removed: tuple[str, ...] = ()
    #: Whether the state changes even if the attempt did not succeed, or has not ended.
    keeps_changes: bool = False
    #: The values that the node leaves to the nodes below it, outside of the state.
    artifacts: dict[str, Any] = Field(default_factory=dict)
    error: NodeError | None = None
    #: Subscriptions to store with the commit, each with the version that the step has read, as JSON.
    #: `events` become `fact.step.stated`: each has a `name`, and may have a `correlation` and a `body`.
    models: tuple[dict[str, Any], ...] = ()
    events: tuple[dict[str, Any], ...] = ()
    children: tuple[ChildRequest, ...] = ()
    #: The ids of subscriptions that the run works on from now on.
    subscriptions: tuple[str, ...] = ()
    #: If the outcome is `pending`: how many seconds to wait before the next poll.
    poll_after_s: float = 3.0
    started_at: AwareDatetime
    ended_at: AwareDatetime


class DefinitionRegistered(Order):
    """A step worker offers this definition. It reports each definition once, at its start."""

    TYPE: ClassVar = "definition.registered"
    TO: ClassVar = Service.WMS

    worker: str
    hash: DefinitionHash
    definition: Definition

    @property
    def subject(self) -> str:
        """The definition's name."""
        return self.definition.name


class ProductRegistered(Order):
    """A step worker knows this product. It reports each product once, at its start. A repetition changes nothing."""

    TYPE: ClassVar = "product.registered"
    TO: ClassVar = Service.WMS

    worker: str
    pool: str
    product: ProductDocument

    @property
    def subject(self) -> str:
        """The product's name."""
        return self.product.name


class StepWorkerAlive(Order):
    """A step worker is running. It repeats this at a fixed interval. `is_leaving` says that it is ending."""

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
        """The step worker's name."""
        return self.worker


class StepStatedFact(Fact):
    """A step has cleared, and its function states this. One transaction commits the fact and the step."""

    TYPE: ClassVar = "fact.step.stated"
    BY: ClassVar = Service.WMS

    run: RunId
    run_uuid: RunUuid
    node: NodeKey
    definition: str
    #: The name that the step's author gave the fact.
    name: str
    correlation: str = ""
    body: Any = None

    @property
    def subject(self) -> str:
        """`<run>/<node>`."""
        return f"{self.run}/{self.node}"
