"""Say what a user can do about a run whose every event has failed. WMS and the client use the same words. (core)"""

from dataclasses import dataclass

from schemas.causes.table import write_command, write_text


@dataclass(frozen=True, slots=True)
class FailedRunAdvice:
    """What has happened and what the user can do, as text; the next command; and the cause in the table of causes."""

    cause: str
    text: str
    command: str


def advise_closed_run(workflow_id: str, text: str) -> tuple[str, str]:
    """Return the text and the command of `advise_failed_run` for closed inputs. `text` is its text for open inputs."""
    said, _, _ = text.partition(";")
    advice = _make_advice("all-failed-closed", workflow_id, said.partition(": ")[2])
    return advice.text, advice.command


def advise_failed_run(workflow_id: str, *, n_failed: int, n_dead: int, is_closed: bool) -> FailedRunAdvice:
    """Return what a user can do about a run whose every event has failed.

    `n_failed` events have failed. `n_dead` of these are dead letters, and the others are discarded. `is_closed` says
    that the inputs are closed.
    """
    letters = f"{n_dead} dead letter(s)" if n_dead else f"{n_failed} event(s), and their dead letters are discarded"
    open_cause = "all-failed" if n_dead else "all-discarded"
    return _make_advice("all-failed-closed" if is_closed else open_cause, workflow_id, letters)


def _make_advice(cause: str, workflow_id: str, letters: str) -> FailedRunAdvice:
    text = write_text(cause, workflow=workflow_id, letters=letters)
    return FailedRunAdvice(cause, text, write_command(cause, workflow=workflow_id))
