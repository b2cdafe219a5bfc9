"""Say what a user can do about a run whose every event has failed. WMS and the client use the same words. (core)"""

_CLOSED = "the inputs are closed, so the run ends by itself now"


def advise_closed_run(workflow_id: str, text: str) -> tuple[str, str]:
    """Return the text and the command of `advise_failed_run` for closed inputs. `text` is its text for open inputs."""
    said, _, _ = text.partition(";")
    return f"{said}; {_CLOSED}", f"ewms dlq list {workflow_id}"


def advise_failed_run(workflow_id: str, *, n_failed: int, n_dead: int, is_closed: bool) -> tuple[str, str]:
    """Return a text (what has happened, and what the user can do), and the next command.

    `n_failed` events have failed. `n_dead` of these are dead letters, and the others are discarded. `is_closed` says
    that the inputs are closed.
    """
    letters = f"{n_dead} dead letter(s)" if n_dead else f"{n_failed} event(s), and their dead letters are discarded"
    said = f"every event has failed: {letters}"
    look = f"ewms dlq list {workflow_id}"
    if is_closed:
        return f"{said}; {_CLOSED}", look
    close = f"ewms workflow close-inputs {workflow_id}"
    if not n_dead:
        return f"{said}; publish others, or let the run end", close
    return f"{said}; replay or discard them (ewms dlq replay|discard), or let the run end ({close})", look
