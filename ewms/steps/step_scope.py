"""What stands around a step while it runs: where subscriptions are read, and what takes effect with its success.

User code reaches it without an argument: `Model.from_subscription(...)` and `start_process(...)` find the scope of the
step, form or condition that runs. Nothing in a scope is stored before the engine has recorded the step's outcome.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid5

from ewms.steps.outcomes import ChildStart, StepEffects
from schemas.processes import Target
from schemas.subscriptions import ProductDocument, SubscriptionDocument, SubscriptionFilter, matches_filter

#: Ids that a step makes are derived from its key within this namespace, so that a repeated call makes the same ones.
_STEP_IDS = UUID("2f1c6d0e-8d5b-5c0b-9a52-64f1c5a7e3b1")


class SubscriptionSource(Protocol):
    """Where subscriptions and products are read: a worker asks WMS, a test its own memory."""

    def read_subscription(self, subscription_id: UUID) -> SubscriptionDocument | None:
        """Return the subscription as it was last recorded; None: there is none."""
        ...

    def find_subscriptions(self, wanted: SubscriptionFilter) -> Sequence[SubscriptionDocument]:
        """Return all recorded subscriptions that match `wanted`."""
        ...

    def find_products(self, workflow: str = "") -> Sequence[ProductDocument]:
        """Return the products to which `workflow` is attached; without a name, all of them."""
        ...


class OutsideOfStep(RuntimeError):
    """Something was called that works only while a step, a form or a condition runs."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} works within a step, a form or a condition; in a test, within `rehearsal.open_scope()`"
        )


@dataclass(kw_only=True)
class StepScope:
    """One call of a step."""

    source: SubscriptionSource
    #: The same over crashes and retries of the step, and different for each step of each process.
    idempotency_key: str
    now: datetime
    process_id: UUID | None = None
    workflow: str = ""
    target: Target = Target.SYSTEM
    reporter: str = "SYSTEM"
    callback_route: str = ""
    models: dict[UUID, SubscriptionDocument] = field(default_factory=dict)
    children: list[ChildStart] = field(default_factory=list)
    related: list[UUID] = field(default_factory=list)
    n_ids: int = 0

    def make_id(self) -> UUID:
        """Return an id that a repeated call of the step makes again."""
        self.n_ids += 1
        return uuid5(_STEP_IDS, f"{self.idempotency_key}/{self.n_ids}")

    def read_subscription(self, subscription_id: UUID) -> SubscriptionDocument:
        """Return the subscription, as this step has saved it if it has.

        Raises:
            LookupError: there is no such subscription.
        """
        found = self.models.get(subscription_id) or self.source.read_subscription(subscription_id)
        if found is None:
            raise LookupError(f"there is no subscription {subscription_id}")
        return found

    def find_subscriptions(self, wanted: SubscriptionFilter) -> list[SubscriptionDocument]:
        """Return the subscriptions that match `wanted`, as this step has saved them if it has."""
        recorded = {one.subscription_id: one for one in self.source.find_subscriptions(wanted)}
        own = {key: one for key, one in self.models.items() if matches_filter(one, wanted)}
        return list({**{key: one for key, one in recorded.items() if key not in self.models}, **own}.values())

    def save(self, document: SubscriptionDocument) -> None:
        """Keep `document` for the moment at which the step's outcome is recorded."""
        self.models[document.subscription_id] = document

    def effects(self) -> StepEffects:
        """Return what takes effect with the step's success."""
        return StepEffects(
            models=tuple(self.models.values()),
            children=tuple(self.children),
            related=tuple(dict.fromkeys(self.related)),
        )


_current: ContextVar[StepScope] = ContextVar("step_scope")


@contextmanager
def enter_step(scope: StepScope) -> Iterator[StepScope]:
    """Make `scope` the current one for as long as the block runs."""
    token = _current.set(scope)
    try:
        yield scope
    finally:
        _current.reset(token)


def current_scope(what: str) -> StepScope:
    """Return the current scope, for `what` to use.

    Raises:
        OutsideOfStep: no step runs.
    """
    try:
        return _current.get()
    except LookupError:
        raise OutsideOfStep(what) from None


def start_process(workflow: str, user_inputs: Sequence[Mapping[str, Any]] | None = None, user: str = "SYSTEM") -> UUID:
    """Start a process of `workflow` together with this step's success, and return its id at once.

    A retry of the step starts nothing twice. `user_inputs` are the pages of the workflow's form.

        @step("Validate all nodes")
        def validate_nodes(node_ids: list[str]) -> State:
            started = [start_process("validate_node", [{"subscription_id": node_id}]) for node_id in node_ids]
            return {"validations": started}
    """
    scope = current_scope("start_process")
    child = ChildStart(process_id=scope.make_id(), workflow=workflow, pages=tuple(user_inputs or ({},)), user=user)
    scope.children.append(child)
    return child.process_id
