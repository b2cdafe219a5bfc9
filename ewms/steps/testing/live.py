"""Test step lists on a running system, over REST, with the methods of `Rehearsal`.

A step worker of the system must offer the workflows. The subscriptions of earlier tests stay, so a test must not expect
an empty store. A method that needs the test's own clock, or access to the engine, raises `OnlyInRehearsal`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from ewms.client import Client
from ewms.errors import FormNotComplete, Refused
from ewms.steps.form_answers import FormAnswer, FormComplete
from ewms.steps.gates import StartObstacle
from ewms.steps.json_values import to_plain
from ewms.steps.testing.live_process import LiveProcess, make_form_refusal, refuse_on_engine
from ewms.steps.testing.process import FormRefused
from ewms.steps.testing.rehearsal import StartRefused
from schemas.engine.processes import attaches_to
from schemas.engine.subscriptions import ProductDocument, SubscriptionDocument, SubscriptionFilter

#: The HTTP status of a start that the run predicate refuses.
_PREDICATE_REFUSES = 412


class LiveSubscriptions:
    """The subscriptions and products of the server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def read_subscription(self, subscription_id: UUID) -> SubscriptionDocument | None:
        """Return the subscription. Return None if there is no such subscription."""
        found = self._client.subscriptions.find({"subscription_id": str(subscription_id)})
        return found[0] if found else None

    def find_subscriptions(self, wanted: SubscriptionFilter) -> Sequence[SubscriptionDocument]:
        """Raise OnlyInRehearsal: only steps search for subscriptions."""
        refuse_on_engine("a test finds subscriptions by id only")

    def find_products(self, workflow: str = "") -> Sequence[ProductDocument]:
        """Return the products to which `workflow` is attached. If `workflow` is empty, return all products."""
        products = self._client.subscriptions.products()
        if not workflow:
            return products
        rules = [
            (one["tag"], one["search_phrase"]) for one in self._client.processes.workflows() if one["name"] == workflow
        ]
        return [one for one in products if any(attaches_to(one, tag=tag, search_phrase=like) for tag, like in rules)]


class LiveRehearsal:
    """Runs the step lists of a test on a running system. `Rehearsal` describes the methods."""

    def __init__(self, client: Client, *, patience_s: float = 60.0) -> None:
        self._client = client
        self._patience_s = patience_s
        self.subscriptions = LiveSubscriptions(client)
        self.processes: dict[UUID, LiveProcess] = {}

    @property
    def now(self) -> datetime:
        """Raise OnlyInRehearsal: the engine has its own clock."""
        refuse_on_engine("the clock of a running system is its own")

    def fill_form(self, workflow: str, pages: Sequence[Mapping[str, Any]]) -> FormAnswer:
        """Send `pages` to the server for the form of `workflow`, and return the server's answer. This starts no
        process.
        """
        try:
            self._client.processes.next_form(workflow, pages=pages)
        except Refused as error:
            refusal = make_form_refusal(error)
            if isinstance(refusal, FormRefused):
                return refusal.answer
            raise
        return FormComplete({})

    def start(
        self,
        workflow: str,
        pages: Sequence[Mapping[str, Any]] = ({},),
        *,
        user: str = "SYSTEM",
        process_id: UUID | None = None,
    ) -> LiveProcess:
        """Start `workflow` with the pages of its form. Return the process when it waits, has failed or is over.

        Raises:
            FormRefused: the form is not complete, or refuses a page. No process was started.
            StartRefused: the run predicate of the workflow refuses the start. No process was started.
            OnlyInRehearsal: `user` or `process_id` is given.
        """
        if user != "SYSTEM" or process_id is not None:
            refuse_on_engine("the token says who starts a process, and the server makes its id")
        try:
            run = self._client.processes.start(workflow, pages=pages)
        except (FormNotComplete, Refused) as error:
            if error.code == _PREDICATE_REFUSES:
                raise StartRefused(error.reason) from error
            raise make_form_refusal(error) from error
        process = LiveProcess(run, patience_s=self._patience_s)
        self.processes[process.process_id] = process
        return process.rest()

    def read_subscription(self, subscription_id: UUID | str) -> SubscriptionDocument:
        """Return the subscription as stored.

        Raises:
            LookupError: there is no such subscription.
        """
        found = self.subscriptions.read_subscription(UUID(str(subscription_id)))
        if found is None:
            raise LookupError(f"there is no subscription {subscription_id}")
        return found

    def find_obstacles(self, workflow: str, subscription_id: UUID | str) -> list[StartObstacle]:
        """Raise OnlyInRehearsal: on a server, the form of the workflow gives the reason."""
        refuse_on_engine("the server gives one reason; start the workflow and catch `FormRefused`")

    def run_steps(self, *_: Any, **__: Any) -> NoReturn:
        """Raise OnlyInRehearsal: a worker offers whole workflows."""
        refuse_on_engine("a worker offers whole workflows, not a bare step list")

    def pass_time(self, time: timedelta) -> NoReturn:
        """Raise OnlyInRehearsal: the engine has its own clock."""
        refuse_on_engine("the clock of a running system cannot be moved")

    def publish_event(self, name: str, body: Any, *, correlation: str = "") -> bool:
        """Publish an event from outside. Return whether a process got the event."""
        return self._client.processes.publish_event(name, to_plain(body), correlation=correlation) > 0

    def add_subscription(self, subscription: Any) -> NoReturn:
        """Raise OnlyInRehearsal: only steps change subscriptions."""
        refuse_on_engine("only steps make subscriptions; start the workflow that creates one")

    def open_scope(self) -> NoReturn:
        """Raise OnlyInRehearsal: only steps make models."""
        refuse_on_engine("only steps make models")
