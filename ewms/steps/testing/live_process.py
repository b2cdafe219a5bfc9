"""A process of a test on a running system, with the methods of `RehearsedProcess`."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Self
from uuid import UUID

from ewms.errors import FormNotComplete, Refused
from ewms.processes.plain_processes import ProcessRun
from ewms.steps.form_answers import FormIncomplete, FormInvalid
from ewms.steps.testing.journal import JournalRow, draw_journal
from ewms.steps.testing.process import FormRefused, WrongStatus
from schemas.api.processes import ProcessDetail, ProcessStep
from schemas.engine.processes import Assignee, ProcessStatus, StepStatus
from schemas.errors import Conflict

_PAUSE_S = 0.05
#: The statuses of a process that goes on by itself.
_ON_ITS_WAY = frozenset({ProcessStatus.CREATED, ProcessStatus.RUNNING, ProcessStatus.RESUMED})
#: Where a process stands until a person acts, or for ever.
_STANDS = frozenset(ProcessStatus) - _ON_ITS_WAY - {ProcessStatus.WAITING, ProcessStatus.AWAITING_CALLBACK}


class OnlyInRehearsal(Exception):
    """A test cannot do this on a running system. `ewms.steps.testing.plugin` skips the test, with this text as the
    reason.
    """


def refuse_on_engine(what: str) -> NoReturn:
    """Raise OnlyInRehearsal. `what` says what a test cannot do, and why."""
    raise OnlyInRehearsal(f"only in a rehearsal: {what}")


class LiveProcess:
    """One process on the server. Each property asks the server again."""

    def __init__(self, run: ProcessRun, *, patience_s: float) -> None:
        """`patience_s` is how many seconds to wait until the process has the expected status."""
        self._run = run
        self._patience_s = patience_s
        self.process_id = UUID(run.id)

    def rest(self) -> Self:
        """Wait until the process waits, has failed or is over, and return it."""
        self._wait_until(lambda status: status not in _ON_ITS_WAY)
        return self

    # What one may ask.

    @property
    def status(self) -> ProcessStatus:
        """The status of the process now."""
        return self._run.show().status

    @property
    def state(self) -> dict[str, Any]:
        """The state of the process now."""
        return self._run.show().current_state

    @property
    def assignee(self) -> Assignee:
        """The person or group that has to act."""
        return self._run.show().assignee

    @property
    def journal(self) -> list[JournalRow]:
        """A row for each step that has begun. The server joins repetitions of the same failure in one row."""
        return [_make_row(step) for step in self._run.log()]

    @property
    def cleared(self) -> list[str]:
        """The names of the steps that have cleared, in order."""
        return [row.name for row in self.journal if row.status in (StepStatus.SUCCESS, StepStatus.COMPLETE)]

    @property
    def related(self) -> list[UUID]:
        """The subscriptions that the process works on."""
        return [UUID(one.subscription_id) for one in self._run.show().subscriptions]

    @property
    def children(self) -> list[UUID]:
        """The processes that the steps of this process have started."""
        return [UUID(one.process_id) for one in self._run.show().children]

    @property
    def events(self) -> NoReturn:
        """Raise OnlyInRehearsal: a test cannot see the events of steps on the bus."""
        refuse_on_engine("the events that steps state go onto the bus, where a test does not listen")

    def expect(self, status: ProcessStatus | str) -> Self:
        """Wait until the process has this status, and return the process.

        Raises:
            AssertionError: the process has another status and does not go on by itself; the text shows its journal.
        """
        wanted = ProcessStatus(status)
        found = self._wait_until(lambda now: now is wanted or now in _STANDS)
        assert found.status is wanted, f"the process is {found.status}, not {wanted}:\n{draw_journal(self.journal)}"
        return self

    # What may be done to it.

    def retry(self, who: str = "SYSTEM") -> Self:
        """Call the current step of the process again. `who` has no effect: the server knows the caller by the token."""
        return self.resume()

    def resume(self, *pages: Mapping[str, Any], who: str = "SYSTEM") -> Self:
        """Fill in the form of the input step with `pages`. At any other step, retry the step.

        Raises:
            FormRefused: the form is not complete, or refuses a page. The process waits as before.
            WrongStatus: the process has a status in which it cannot be resumed.
        """
        try:
            self._run.resume(pages=pages)
        except (FormNotComplete, Refused) as error:
            raise make_form_refusal(error) from error
        except Conflict as error:
            raise WrongStatus(error.reason) from error
        return self.rest()

    def abort(self, who: str = "SYSTEM") -> Self:
        """End the process for good.

        Raises:
            WrongStatus: the process is over already.
        """
        try:
            self._run.abort()
        except Conflict as error:
            raise WrongStatus(error.reason) from error
        return self.expect(ProcessStatus.ABORTED)

    def fill_form(self, *pages: Mapping[str, Any]) -> NoReturn:
        """Raise OnlyInRehearsal: the server evaluates the form of an input step only by a resume."""
        refuse_on_engine("the server tries the form of an input step only by a resume; call `process.resume(...)`")

    def call_back(self, body: Any, route: str | None = None) -> NoReturn:
        """Raise OnlyInRehearsal: only the step that asks for the callback knows its route."""
        refuse_on_engine("only the step that asks for a callback knows its route; let the other side answer")

    def deliver_event(self, body: Any) -> NoReturn:
        """Raise OnlyInRehearsal: a server takes an event by its name, not for one process."""
        refuse_on_engine("a server takes an event by its name; call `rehearsal.publish_event(...)`")

    def end_workflow(self, **result: Any) -> NoReturn:
        """Raise OnlyInRehearsal: the workflow of a step really runs."""
        refuse_on_engine("the workflow of a step really runs, and ends by itself")

    def _wait_until(self, holds: Callable[[ProcessStatus], bool]) -> ProcessDetail:
        deadline = time.monotonic() + self._patience_s
        while not holds((found := self._run.show()).status):
            assert time.monotonic() < deadline, (
                f"the process is {found.status} after {self._patience_s:g} s"
                f"{f' ({found.explanation})' if found.explanation else ''}:\n{draw_journal(self.journal)}"
            )
            time.sleep(_PAUSE_S)
        return found


def make_form_refusal(error: FormNotComplete | Refused) -> FormRefused | Refused:
    """Return the error of a rehearsal that corresponds to `error`. Return `error` itself if it is not about a form."""
    if isinstance(error, FormNotComplete):
        return FormRefused(FormIncomplete(error.form, error.members.get("meta")))
    if faults := error.members.get("validation_errors"):
        return FormRefused(FormInvalid("the form", tuple(faults)))
    return error


def _make_row(step: ProcessStep) -> JournalRow:
    ended = step.completed or step.started
    begun = step.started or step.completed
    assert ended is not None
    assert begun is not None, "the log has only steps that have begun"
    has_error = "class" in step.state_delta and "error" in step.state_delta
    return JournalRow(
        key=step.key,
        name=step.name,
        attempt=step.attempt,
        status=step.status,
        started=begun,
        completed=ended,
        changes={} if has_error else step.state_delta,
        error=step.state_delta if has_error else {},
        who=step.created_by or "SYSTEM",
    )
