"""A process of a rehearsal. A test reads it, and acts on it as a person or another system would."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Self

from ewms.steps.form_answers import FormAnswer, FormComplete
from ewms.steps.forms import fill_input
from ewms.steps.json_values import merge_deeply, to_plain
from ewms.steps.outcomes import StepFailed
from ewms.steps.step_list import StepKind
from ewms.steps.testing.journal import draw_journal
from ewms.steps.testing.walk import ProcessWalk, StepStanding
from schemas.engine.graph import WaitKind
from schemas.engine.processes import RESUMABLE, ProcessStatus, StepStatus


class WrongStatus(ValueError):
    """The process has a status that does not allow this."""


class FormRefused(ValueError):
    """A form is not complete, or refuses a page; `answer` says more. Nothing has changed."""

    def __init__(self, answer: FormAnswer) -> None:
        super().__init__(str(answer))
        self.answer = answer


class RehearsedProcess(ProcessWalk):
    """One process. Read `status`, `state`, `journal` and `assignee`. Act with `resume`, `retry`, `abort` and so on."""

    # What one may ask.

    @property
    def cleared(self) -> list[str]:
        """The names of the steps that have cleared, in order."""
        return [row.name for row in self.journal if row.status in (StepStatus.SUCCESS, StepStatus.COMPLETE)]

    def expect(self, status: ProcessStatus | str) -> Self:
        """Return the process if it has this status.

        Raises:
            AssertionError: the process has another status; the text shows its journal.
        """
        assert self.status == status, f"the process is {self.status}, not {status}:\n{draw_journal(self.journal)}"
        return self

    # What may be done to it.

    def retry(self, who: str = "SYSTEM") -> Self:
        """Call the current step of the process again. If that is a step of a callback, begin with the step that asks
        for it.

        Raises:
            WrongStatus: the process has a status in which it cannot be resumed.
        """
        self._check_resumable()
        if self.step is not None and self.step.retries_from:
            self.position -= self.step.retries_from
            self.state = dict(self.states[self.position])
        self.standing = replace(StepStanding(), attempt=self.standing.attempt)
        return self.proceed()

    def resume(self, *pages: Mapping[str, Any], who: str = "SYSTEM") -> Self:
        """Fill in the form of the input step with `pages`. At any other step, retry the step.

        Raises:
            FormRefused: the form is not complete, or refuses a page. The process waits as before.
            WrongStatus: the process has a status in which it cannot be resumed.
        """
        self._check_resumable()
        if self.step is None or self.status is not ProcessStatus.SUSPENDED:
            return self.retry(who)
        answer = self.fill_form(*pages)
        if not isinstance(answer, FormComplete):
            raise FormRefused(answer)
        return self.clear_step(merge_deeply(self.state, answer.values), answer.values, who)

    def fill_form(self, *pages: Mapping[str, Any]) -> FormAnswer:
        """Fill in the form of the input step with `pages`, and return the form's answer. The process does not change.

        Raises:
            WrongStatus: the current step is no input step.
        """
        if self.step is None or self.step.kind is not StepKind.INPUT:
            raise WrongStatus("the process does not stand at an input step")
        return fill_input(self.step, self.state, pages, self.open_scope(self.current_key()))

    def abort(self, who: str = "SYSTEM") -> Self:
        """End the process for good.

        Raises:
            WrongStatus: the process is over already.
        """
        if self.status in (ProcessStatus.COMPLETED, ProcessStatus.ABORTED):
            raise WrongStatus(f"the process is {self.status}, so it cannot be aborted")
        self.write_row(StepStatus.ABORT, who=who)
        self.end_process(ProcessStatus.ABORTED)
        return self

    def call_back(self, body: Any, route: str | None = None) -> bool:
        """Answer the callback, as the other system does. Return whether this answer counts.

        The process keeps an answer that comes before the process waits. Late and repeated answers change nothing.
        """
        route = self.callback_route if route is None else route
        if not self.standing.token or route != self.callback_route or route in self.early_answers:
            return False
        if self.status is not ProcessStatus.AWAITING_CALLBACK:
            self.early_answers[route] = to_plain(body)
            return True
        self.take_answer(body)
        return True

    def deliver_event(self, body: Any) -> Self:
        """Pass to the process the event that it waits for.

        Raises:
            WrongStatus: the process does not wait for an event.
        """
        self._check_wait(WaitKind.EVENT)
        return self.take_answer(body)

    def end_workflow(self, **result: Any) -> Self:
        """End the fleet workflow that the process waits for. `result` goes into the state.

        Raises:
            WrongStatus: the process does not wait for a workflow.
        """
        self._check_wait(WaitKind.CHILD)
        return self.take_answer(result)

    def wake(self, now: datetime) -> None:
        """Do the work that is due at `now`: call a step again, or fail the step if its wait is over without an
        answer.
        """
        standing = self.standing
        if standing.deadline is not None and standing.deadline <= now:
            name = self.step.name if self.step else ""
            self.fail_step(
                StepFailed(error={"class": "TimedOut", "error": f"{name!r} has waited in vain until its time was over"})
            )
        elif standing.wake_at is not None and standing.wake_at <= now:
            standing.wake_at = None
            self.proceed()

    def _check_resumable(self) -> None:
        if self.status not in RESUMABLE:
            raise WrongStatus(f"the process is {self.status}, so it cannot be resumed")

    def _check_wait(self, kind: WaitKind) -> None:
        if self.standing.terms is None or self.standing.terms.kind is not kind:
            raise WrongStatus(f"the process does not wait for an answer of the kind {kind}")
