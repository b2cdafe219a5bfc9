"""The interface that the REST dialect uses to start, resume and abort processes. `ProcessService` implements it.

The service checks rights, and asks step workers about forms, predicates and gates. Its errors are those of
`schemas.errors`; `members` of an error are further members of the answer.

    start, resume    fewer pages than the form wants    510, type FormNotCompleteError, members: form, meta
                     a page is not valid                400, type FormValidationError, members: validation_errors
                     more pages than the form wants     400, type FormOverflowError
                     a run predicate refuses            412
                     the engine is locked, or no worker 503
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from runtime.once import Once
from schemas.ids import RunUuid
from schemas.run_documents import RunDocument
from wms.tenancy.rights import Principal

Pages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class EngineLock:
    """Whether the engine is locked, so that no new steps begin, and how many steps run now."""

    is_locked: bool
    n_running: int


class ControlsProcesses(Protocol):
    """Starts, resumes and ends processes for principals."""

    async def start_process(
        self, workflow: str, pages: Pages, principal: Principal, *, organization: str = "", once: Once | None = None
    ) -> RunUuid:
        """Start a process of `workflow` in `organization`, and return the id of the process.

        If `organization` is empty, take the organization of the customer, or the only possible one. Errors are those of
        `ProcessService.start_process`.
        """
        ...

    async def resume_process(self, run: RunDocument, pages: Pages, principal: Principal) -> None:
        """Continue a process: with the pages of the form that it waits for, or by a retry of the step that failed."""
        ...

    async def abort_process(self, run: RunDocument, principal: Principal, *, why: str = "") -> None:
        """Request the end of a process for good, and return. It ends after its running step has ended."""
        ...

    async def write_note(self, run: RunDocument, note: str, principal: Principal) -> None:
        """Replace the note about a process. The log keeps every note."""
        ...

    async def resume_all(self, principal: Principal) -> int:
        """Resume all tasks that failed or wait, and return their number."""
        ...

    async def answer_callback(self, process_id: RunUuid, token: str, body: Any) -> None:
        """Answer the callback that a process waits for. `token` must be the token in the callback's route."""
        ...

    async def note_progress(self, process_id: RunUuid, token: str, progress: Any) -> None:
        """Store the progress that the system behind a callback reports."""
        ...

    async def describe_form(self, run: RunDocument) -> Mapping[str, Any] | None:
        """Return the JSON schema of the form that a process waits for.

        Return None if it waits for no form, or if no step worker answers.
        """
        ...

    async def check_form(self, workflow: str, pages: Pages, principal: Principal) -> Mapping[str, Any]:
        """Evaluate the form of `workflow` with `pages`, and return its values. This starts nothing.

        Errors are those of `start_process`.
        """
        ...

    async def find_lock(self) -> EngineLock:
        """Return whether an operator has locked the engine, and how many steps run."""
        ...

    async def set_lock(self, principal: Principal, *, is_locked: bool) -> EngineLock:
        """Lock the engine, so that no new step begins, or unlock it. Return the lock, and how many steps still run."""
        ...
