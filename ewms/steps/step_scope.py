"""The scope of a step while it runs: the source of subscriptions, and the effects of the step's success.

User code uses the scope without an argument: `Model.from_subscription(...)` and `start_process(...)` use the scope of
the step, form or condition that runs. The engine stores the effects of a scope only with the step's outcome.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid5

from ewms.steps.json_values import to_plain
from ewms.steps.outcomes import ChildStart, StatedEvent, StepEffects
from schemas.engine.processes import Target
from schemas.engine.subscriptions import ProductDocument, SubscriptionDocument, SubscriptionFilter, matches_filter

#: Ids that a step makes are derived from its key within this namespace, so that a repeated call makes the same ones.
_STEP_IDS = UUID("2f1c6d0e-8d5b-5c0b-9a52-64f1c5a7e3b1")


class SubscriptionSource(Protocol):
    """The source of subscriptions and products: a worker asks WMS, a test reads its own memory."""

    def read_subscription(self, subscription_id: UUID) -> SubscriptionDocument | None:
        """Return the subscription as it was last recorded. Return None if there is no such subscription."""
        ...

    def find_subscriptions(self, wanted: SubscriptionFilter) -> Sequence[SubscriptionDocument]:
        """Return all recorded subscriptions that match `wanted`."""
        ...

    def find_products(self, workflow: str = "") -> Sequence[ProductDocument]:
        """Return the products to which `workflow` is attached. If `workflow` is empty, return all products."""
        ...


class OutsideOfStep(RuntimeError):
    """A function was called that works only while a step, a form or a condition runs."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} works within a step, a form or a condition; in a test, within `rehearsal.open_scope()`"
        )


@dataclass(kw_only=True)
class StepScope:
    """The scope of one call of a step."""

    source: SubscriptionSource
    #: The same key after crashes and retries of the step, and a different one for each step of each process.
    idempotency_key: str
    now: datetime
    process_id: UUID | None = None
    workflow: str = ""
    target: Target = Target.SYSTEM
    reporter: str = "SYSTEM"
    callback_route: str = ""
    models: dict[UUID, SubscriptionDocument] = field(default_factory=dict)
    children: list[ChildStart] = field(default_factory=list)
    events: list[StatedEvent] = field(default_factory=list)
    related: list[UUID] = field(default_factory=list)
    n_ids: int = 0

    def make_id(self) -> UUID:
        """Return the next id of this step. If the step runs again, it gets the same ids in the same order."""
        self.n_ids += 1
        return uuid5(_STEP_IDS, f"{self.idempotency_key}/{self.n_ids}")

    def read_subscription(self, subscription_id: UUID) -> SubscriptionDocument:
        """Return the subscription. If this step has saved the subscription, return the saved one.

        Raises:
            LookupError: there is no such subscription.
        """
        found = self.models.get(subscription_id) or self.source.read_subscription(subscription_id)
        if found is None:
            raise LookupError(f"there is no subscription {subscription_id}")
        return found

    def find_subscriptions(self, wanted: SubscriptionFilter) -> list[SubscriptionDocument]:
        """Return the subscriptions that match `wanted`. Of the subscriptions that this step has saved, the saved state
        counts.
        """
        recorded = {one.subscription_id: one for one in self.source.find_subscriptions(wanted)}
        own = {key: one for key, one in self.models.items() if matches_filter(one, wanted)}
        return list({**{key: one for key, one in recorded.items() if key not in self.models}, **own}.values())

    def save(self, document: SubscriptionDocument) -> None:
        """Keep `document` in the scope. The engine stores it with the step's outcome."""
        self.models[document.subscription_id] = document

    def collect_effects(self) -> StepEffects:
        """Return all effects that the step has had so far."""
        return StepEffects(
            models=tuple(self.models.values()),
            children=tuple(self.children),
            events=tuple(self.events),
            related=tuple(dict.fromkeys(self.related)),
        )


_current: ContextVar[StepScope] = ContextVar("step_scope")


@contextmanager
def enter_step(scope: StepScope) -> Iterator[StepScope]:
    """Make `scope` the current scope during the block."""
    token = _current.set(scope)
    try:
        yield scope
    finally:
        _current.reset(token)


def current_scope(what: str) -> StepScope:
    """Return the current scope. `what` names the caller in the error.

    Raises:
        OutsideOfStep: no step runs.
    """
    try:
        return _current.get()
    except LookupError:
        raise OutsideOfStep(what) from None


def start_process(workflow: str, user_inputs: Sequence[Mapping[str, Any]] | None = None, user: str = "SYSTEM") -> UUID:
    """Start a process of `workflow` when this step succeeds. Return the id of the process at once.

    A retry of the step does not start a second process. `user_inputs` are the pages of the workflow's form.

        @step("Validate all nodes")
        def validate_nodes(node_ids: list[str]) -> State:
            started = [start_process("validate_node", [{"subscription_id": node_id}]) for node_id in node_ids]
            return {"validations": started}

    Raises:
        OutsideOfStep: no step runs.
    """
    scope = current_scope("start_process")
    child = ChildStart(process_id=scope.make_id(), workflow=workflow, pages=tuple(user_inputs or ({},)), user=user)
    scope.children.append(child)
    return child.process_id


def state_event(name: str, body: Any = None, *, correlation: str = "") -> None:
    """Publish an event on the bus when this step succeeds. Any service may listen.

    @step("Enroll the node")
    def enroll_node(node_name: str) -> State:
        state_event("node.enrolled", {"name": node_name}, correlation=node_name)
        return {"enrolled": True}
    """
    event = StatedEvent(name=name, body=to_plain(body, "body"), correlation=correlation)
    current_scope("state_event").events.append(event)
