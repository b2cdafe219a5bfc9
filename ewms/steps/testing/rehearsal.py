"""Run step lists in the test's own process, with a clock that the test moves and subscriptions in memory."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from ewms.steps.definitions import ProcessDefinition, find_definition
from ewms.steps.form_answers import FormAnswer, FormComplete
from ewms.steps.forms import fill_form
from ewms.steps.gates import StartObstacle
from ewms.steps.json_values import merge_deeply, to_plain
from ewms.steps.models.subscriptions import SubscriptionModel
from ewms.steps.outcomes import StepEffects
from ewms.steps.registrations import find_target
from ewms.steps.start_checks import find_predicate_refusal
from ewms.steps.start_forms import check_start
from ewms.steps.step_list import StepList
from ewms.steps.step_scope import StepScope, enter_step
from ewms.steps.testing.memory import MemorySubscriptions
from ewms.steps.testing.process import FormRefused, RehearsedProcess
from ewms.steps.testing.walk import ProcessWalk
from schemas.engine.graph import WaitKind
from schemas.engine.processes import Target
from schemas.engine.subscriptions import SubscriptionDocument

_IDS = UUID("5d3f0a54-6f43-5f2b-8d0a-7a6c7f3f5b11")


class StartRefused(ValueError):
    """The workflow's run predicate refused the start. No process was started."""


class Rehearsal:
    """Runs step lists in memory: no server, no broker, no sleep.

    def test_a_node_is_made() -> None:
        rehearsal = Rehearsal()
        process = rehearsal.start("create_node", [{"product": NODE}, {"node_name": "ams-1"}])
        process.expect("completed")
        assert rehearsal.read_subscription(process.state["subscription_id"]).status == "active"
    """

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.now = now
        self.subscriptions = MemorySubscriptions()
        self.processes: dict[UUID, RehearsedProcess] = {}
        self._events: dict[tuple[str, str], list[Any]] = defaultdict(list)
        self._n_ids = 0

    # Forms and starts.

    def fill_form(self, workflow: str, pages: Sequence[Mapping[str, Any]]) -> FormAnswer:
        """Fill in the form of `workflow` with `pages`, and return the form's answer. This starts no process.

        Raises:
            LookupError: no imported module defines the workflow.
        """
        definition = find_definition(workflow)
        process_id = uuid5(_IDS, "form")
        return fill_form(
            definition.form,
            self._first_state(definition, process_id, "SYSTEM"),
            pages,
            self._make_scope(definition, process_id, "form"),
        )

    def start(
        self,
        workflow: str,
        pages: Sequence[Mapping[str, Any]] = ({},),
        *,
        user: str = "SYSTEM",
        process_id: UUID | None = None,
    ) -> RehearsedProcess:
        """Start `workflow` with the pages of its form. Run the process until it waits, fails or ends, and return it.

        Raises:
            LookupError: no imported module defines the workflow.
            FormRefused: the form is not complete, or refuses a page. No process was started.
            StartRefused: the run predicate of the workflow refuses the start. No process was started.
        """
        definition = find_definition(workflow)
        process_id = process_id or self._make_id()
        if (refusal := find_predicate_refusal(definition)) is not None:
            raise StartRefused(refusal)
        state = self._first_state(definition, process_id, user)
        answer = fill_form(definition.form, state, pages, self._make_scope(definition, process_id, "form"))
        if not isinstance(answer, FormComplete):
            raise FormRefused(answer)
        process = self._make_process(process_id, definition, merge_deeply(state, answer.values), user)
        process.proceed()
        return process

    def run_steps(
        self, steps: StepList, state: Mapping[str, Any] | None = None, target: Target = Target.SYSTEM
    ) -> RehearsedProcess:
        """Run the step list `steps` as a process without a form, until it waits, fails or ends. Return the process."""
        definition = ProcessDefinition(name="steps", description="", target=target, steps=steps, form=_no_form)
        process = self._make_process(self._make_id(), definition, state or {}, "SYSTEM")
        process.proceed()
        return process

    # The outside world.

    def pass_time(self, time: timedelta) -> None:
        """Move the clock forward by `time`, and do all work that becomes due, in the order of its times."""
        end = self.now + time
        while due := [one for one in self.processes.values() if one.wake_at is not None and one.wake_at <= end]:
            first = min(due, key=lambda one: one.wake_at or end)
            self.now = max(self.now, first.wake_at or end)
            first.wake(self.now)
        self.now = end

    def publish_event(self, name: str, body: Any, *, correlation: str = "") -> bool:
        """Publish an event from outside, and return whether a process got it.

        Each process that waits for the event gets it. If none waits, keep the event.

        Raises:
            NotPlain: `body` has no form in JSON.
        """
        wanted = (WaitKind.EVENT, name, correlation)
        waiting = [
            process
            for process in self.processes.values()
            if (terms := process.waits_for) is not None and (terms.kind, terms.name, terms.correlation) == wanted
        ]
        for process in waiting:
            process.deliver_event(body)
        if not waiting:
            self._events[name, correlation].append(to_plain(body))
        return bool(waiting)

    # Subscriptions.

    def add_subscription(self, subscription: SubscriptionModel) -> SubscriptionModel:
        """Store a subscription that the test has made within `open_scope`, and return it.

        Raises:
            StaleVersion: another process has changed the subscription since the test read it.
        """
        self.subscriptions.commit([subscription.to_document()])
        return subscription

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
        """Return all reasons why `workflow` may not start on the subscription now. Return an empty list if it may
        start.

        Raises:
            LookupError: no imported module defines the workflow.
        """
        definition = find_definition(workflow)
        scope = self._make_scope(definition, uuid5(_IDS, "gate"), "gate")
        return check_start(scope, workflow, scope.target, UUID(str(subscription_id)))

    @contextmanager
    def open_scope(self) -> Iterator[StepScope]:
        """During the block, allow the calls that only steps may make, such as models and reads of subscriptions.

        The end of the block stores nothing.
        """
        scope = StepScope(source=self.subscriptions, idempotency_key=str(self._make_id()), now=self.now)
        with enter_step(scope):
            yield scope

    # Within.

    def _make_id(self) -> UUID:
        self._n_ids += 1
        return uuid5(_IDS, str(self._n_ids))

    def _first_state(self, definition: ProcessDefinition, process_id: UUID, user: str) -> dict[str, Any]:
        return {
            "process_id": str(process_id),
            "reporter": user,
            "workflow_name": definition.name,
            "workflow_target": str(find_target(definition)),
        }

    def _make_scope(self, definition: ProcessDefinition, process_id: UUID, key: str, user: str = "SYSTEM") -> StepScope:
        return StepScope(
            source=self.subscriptions,
            idempotency_key=f"{process_id}/{key}",
            now=self.now,
            process_id=process_id,
            workflow=definition.name,
            target=find_target(definition),
            reporter=user,
        )

    def _make_process(
        self, process_id: UUID, definition: ProcessDefinition, state: Mapping[str, Any], user: str
    ) -> RehearsedProcess:
        process = RehearsedProcess(
            process_id,
            definition.steps,
            state,
            open_scope=lambda key: self._make_scope(definition, process_id, key, user),
            take_effects=self._take_effects,
            take_event=self._take_event,
        )
        self.processes[process_id] = process
        return process

    def _take_effects(self, process: ProcessWalk, effects: StepEffects) -> None:
        self.subscriptions.commit(effects.models)
        process.events += effects.events
        process.related += [one for one in effects.related if one not in process.related]
        for child in effects.children:
            if child.process_id not in self.processes:
                process.children.append(child.process_id)
                self.start(child.workflow, child.pages, user=child.user, process_id=child.process_id)

    def _take_event(self, name: str, correlation: str) -> list[Any]:
        kept = self._events[name, correlation]
        return [kept.pop(0)] if kept else []


def _no_form(state: dict[str, Any]) -> Any:
    raise LookupError("these steps have no form")
