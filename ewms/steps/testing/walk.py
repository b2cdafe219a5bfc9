"""Run a process of a rehearsal from step to step, as the engine does, but in memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ewms.steps.json_values import check_size, to_plain
from ewms.steps.outcomes import (
    StatedEvent,
    StepAborts,
    StepCompletes,
    StepEffects,
    StepFailed,
    StepOutcome,
    StepRepeats,
    StepSkipped,
    StepSucceeded,
    StepWaits,
    WaitTerms,
    merge_outcome,
)
from ewms.steps.step_calls import call_step
from ewms.steps.step_errors import describe_error
from ewms.steps.step_list import Step, StepKind, StepList
from ewms.steps.step_scope import StepScope
from ewms.steps.testing.journal import JournalRow
from ewms.steps.testing.memory import StaleVersion
from schemas.engine.graph import WaitKind
from schemas.engine.processes import Assignee, ProcessStatus, StepStatus

#: The statuses of a process and of its step while it waits, as the server has them.
STATUS_OF_WAIT = {
    WaitKind.INPUT: (ProcessStatus.SUSPENDED, StepStatus.SUSPEND),
    WaitKind.CALLBACK: (ProcessStatus.AWAITING_CALLBACK, StepStatus.AWAITING_CALLBACK),
    WaitKind.EVENT: (ProcessStatus.AWAITING_CALLBACK, StepStatus.AWAITING_CALLBACK),
    WaitKind.POLL: (ProcessStatus.WAITING, StepStatus.WAITING),
    WaitKind.CHILD: (ProcessStatus.WAITING, StepStatus.WAITING),
}


@dataclass
class StepStanding:
    """The facts about the current step of a process, until the process leaves the step."""

    attempt: int = 0
    n_failed: int = 0
    first_call: datetime | None = None
    terms: WaitTerms | None = None
    token: str = ""
    wake_at: datetime | None = None
    deadline: datetime | None = None


class ProcessWalk:
    """A process in a test: its state, its attempts so far, and its current step."""

    def __init__(
        self,
        process_id: UUID,
        steps: StepList,
        state: Mapping[str, Any],
        *,
        open_scope: Callable[[str], StepScope],
        take_effects: Callable[["ProcessWalk", StepEffects], None],
        take_event: Callable[[str, str], Any],
    ) -> None:
        self.process_id = process_id
        self.steps = steps
        self.state: dict[str, Any] = to_plain(dict(state))
        self.status = ProcessStatus.CREATED
        self.assignee = Assignee.SYSTEM
        self.journal: list[JournalRow] = []
        self.related: list[UUID] = []
        self.children: list[UUID] = []
        #: What the steps that cleared have stated.
        self.events: list[StatedEvent] = []
        self.open_scope, self._take_effects, self._take_event = open_scope, take_effects, take_event
        self.position = 0
        self.standing = StepStanding()
        #: The state before each step that was begun, for a retry that begins further back.
        self.states: dict[int, dict[str, Any]] = {}
        self.early_answers: dict[str, Any] = {}
        self._n_tokens = 0

    @property
    def step(self) -> Step | None:
        """The current step of the process. It is None after the last step."""
        return self.steps[self.position] if self.position < len(self.steps) else None

    @property
    def wake_at(self) -> datetime | None:
        """When the process goes on by itself, or when its wait ends without an answer. It is None if neither
        happens.
        """
        times = [at for at in (self.standing.wake_at, self.standing.deadline) if at is not None]
        return min(times, default=None)

    @property
    def callback_route(self) -> str:
        """The path for the answer that the process waits for, or that its current step asks for."""
        return f"/api/processes/{self.process_id}/callback/{self.standing.token}" if self.standing.token else ""

    @property
    def waits_for(self) -> WaitTerms | None:
        """What the process waits for. It is None if the process does not wait."""
        return self.standing.terms

    def proceed(self) -> Self:
        """Run steps until the process waits, fails or ends."""
        self.status = ProcessStatus.RUNNING
        while self.status is ProcessStatus.RUNNING:
            if self.step is None:
                self.status = ProcessStatus.COMPLETED
            else:
                self._call_step(self.step)
        return self

    def current_key(self) -> str:
        """Return the key of the current step."""
        return str(self.position)

    def _call_step(self, step: Step) -> None:
        standing = self.standing
        scope = self.open_scope(self.current_key())
        standing.attempt += 1
        standing.first_call = standing.first_call or scope.now
        self.states.setdefault(self.position, dict(self.state))
        if step.gets_callback_route:
            self._n_tokens += 1
            standing.token = f"token-{self.current_key()}-{self._n_tokens}"
            scope.callback_route = self.callback_route
        self._take_outcome(call_step(step, self.state, scope))

    def _take_outcome(self, outcome: StepOutcome) -> None:
        if self.status is ProcessStatus.ABORTED:
            return  # aborted while its step ran: the step's result does not count
        match outcome:
            case StepSucceeded(changes=changes, effects=effects):
                if self._record_effects(effects):
                    self.clear_step(merge_outcome(self.state, outcome), changes)
            case StepWaits(terms=terms):
                self._begin_wait(terms)
            case StepSkipped():
                self.clear_step(self.state, {}, status=StepStatus.SKIPPED)
            case StepRepeats(error=error):
                self._repeat_later(error)
            case StepFailed():
                self.fail_step(outcome)
            case StepAborts(reason=reason):
                self.write_row(StepStatus.ABORT, error={"class": "ProcessAborted", "error": reason})
                self.end_process(ProcessStatus.ABORTED)
            case StepCompletes():
                self.write_row(StepStatus.COMPLETE)
                self.end_process(ProcessStatus.COMPLETED)

    def _record_effects(self, effects: StepEffects) -> bool:
        """Carry out all `effects`, or none. Return False if a subscription is out of date; the step has then failed."""
        try:
            self._take_effects(self, effects)
        except StaleVersion as error:
            self.fail_step(StepFailed(error=describe_error(error)))
            return False
        return True

    def clear_step(
        self,
        state: Mapping[str, Any],
        changes: Mapping[str, Any],
        who: str = "SYSTEM",
        status: StepStatus = StepStatus.SUCCESS,
    ) -> Self:
        """Leave the step with the new `state`. Go on with the next step, unless `proceed` is running already."""
        check_size(state)
        self.state = dict(state)
        self.write_row(status, changes=changes, who=who)
        token = self.standing.token
        was_running = self.status is ProcessStatus.RUNNING
        self.position += 1
        self.standing = StepStanding()
        self.states.pop(self.position, None)
        if self.step is not None and self.step.kind is StepKind.CALLBACK:
            self.standing.token = token
        return self if was_running else self.proceed()

    def _begin_wait(self, terms: WaitTerms) -> None:
        now = self.open_scope(self.current_key()).now
        standing = self.standing
        self.status, status = STATUS_OF_WAIT[terms.kind]
        self.assignee = terms.assignee
        if standing.terms is None:
            self.write_row(status)
        standing.terms = terms
        standing.wake_at = None if terms.every is None else now + terms.every
        standing.deadline = None if terms.timeout is None else (standing.first_call or now) + terms.timeout
        if terms.kind is WaitKind.CALLBACK and self.callback_route in self.early_answers:
            self.status = ProcessStatus.RUNNING
            self.take_answer(self.early_answers[self.callback_route])
        elif terms.kind is WaitKind.EVENT and (kept := self._take_event(terms.name, terms.correlation)):
            self.status = ProcessStatus.RUNNING
            self.take_answer(kept[0])

    def take_answer(self, body: Any) -> Self:
        """Put the answer `body` that the step waits for into the state, and leave the step."""
        terms = self.standing.terms
        assert terms is not None
        plain = to_plain(body)
        changes = {terms.result_key: plain} if terms.result_key else dict(plain)
        return self.clear_step(self.state | changes, changes)

    def _repeat_later(self, error: Mapping[str, Any]) -> None:
        assert self.step is not None
        assert self.step.retry is not None
        self.standing.n_failed += 1
        pause = self.step.retry.find_pause(self.standing.n_failed)
        if pause is None:
            self.fail_step(StepFailed(error=error))
            return
        self.write_row(StepStatus.WAITING, error=error)
        self.status = ProcessStatus.WAITING
        self.standing.wake_at = self.open_scope(self.current_key()).now + pause

    def fail_step(self, failed: StepFailed) -> None:
        """Record that the current step has failed. The process stays at the step."""
        self.write_row(StepStatus.FAILED, error=failed.error)
        self.status, self.assignee = failed.status, failed.assignee
        self.standing = StepStanding(attempt=self.standing.attempt)

    def end_process(self, status: ProcessStatus) -> None:
        """End the process with `status`."""
        self.status = status
        self.standing = StepStanding()

    def write_row(self, status: StepStatus, **parts: Any) -> None:
        """Write a row about the current step into the journal."""
        now = self.open_scope(self.current_key()).now
        step = self.step
        name = step.name if step else ""
        started = self.standing.first_call or now
        attempt = self.standing.attempt
        self.journal.append(
            JournalRow(
                key=self.current_key(),
                name=name,
                attempt=attempt,
                status=status,
                started=started,
                completed=now,
                **parts,
            )
        )
