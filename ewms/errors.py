"""What can go wrong for a user, in the error families of `schemas.errors`: who has to act next. (core)

Refused          4xx   the request has to change             NotSignedIn, NotThere, AlreadyThere are kinds of it
ServerDown       503   the same call works later             Unreachable: no answer at all
ServerFailed     5xx   a defect of the server
TimedOut               the time given was not enough
OutcomeFailed          all calls worked; the workflow's result is a failure     RunStalled is a kind of it
"""

from collections.abc import Sequence

from schemas import errors
from schemas.rules.complaints import Complaint


class ServerAnswer(errors.EWMSError):
    """An error that the server stated: its status `code`, and the `request_id` to quote when asking about it."""

    request_id: str = ""


class Refused(ServerAnswer, errors.Rejected):
    """The server refused the request; repeating it unchanged cannot help."""


class NotSignedIn(Refused, errors.Unauthenticated):
    """There is no token, or the server does not accept it for this."""

    def __init__(self, reason: str = "authentication failed", *, hint: str = "") -> None:
        super().__init__(
            reason,
            hint=hint or "log in (`ewms login`) or give a token: --token-file, EWMS_TOKEN, EWMS_TOKEN_FILE",
        )


class NotThere(Refused, errors.NotFound):
    """The named workflow, task, taskforce or queue does not exist (or is not yours to see)."""


class AlreadyThere(ServerAnswer, errors.Conflict):
    """The state has moved on, so that the request no longer applies."""


class ServerDown(ServerAnswer, errors.Unavailable):
    """The server, or something that it needs, is away."""


class ServerFailed(ServerAnswer, errors.Broken):
    """The server failed on its own account."""


class Unreachable(errors.Unavailable):
    """No answer: nothing listens there, or the way is cut."""


class TimedOut(errors.EWMSError):
    """What was waited for did not come within the time given."""

    code = 504


class PublishFailed(errors.Unavailable):
    """Some events were not accepted by the broker; `failures` holds (event id, error) of each."""

    def __init__(self, failures: Sequence[tuple[str, errors.EWMSError]]) -> None:
        first = failures[0][1]
        super().__init__(f"{len(failures)} event(s) not published: {first.reason}", hint=first.hint)
        self.failures = tuple(failures)


class OutcomeFailed(errors.EWMSError):
    """The workflow ended, or went on, with failures; `problems` says which."""

    def __init__(self, problems: Sequence[str], *, hint: str = "") -> None:
        super().__init__("; ".join(problems), hint=hint)
        self.problems = tuple(problems)


class RunStalled(OutcomeFailed):
    """The workflow is stalled: work waits, and nothing is on its way to do it. The hint has the next command."""

    def __init__(self, problems: Sequence[str], *, hint: str) -> None:
        super().__init__(problems)
        self.hint = hint


class DoneWithFailures(OutcomeFailed):
    """The workflow did all that it could; some of its events are dead letters."""


class Aborted(OutcomeFailed):
    """Somebody has stopped the workflow as it stood."""


_KINDS: dict[int, type[ServerAnswer]] = {
    401: NotSignedIn,
    403: NotSignedIn,
    404: NotThere,
    409: AlreadyThere,
    502: ServerDown,
    503: ServerDown,
    504: ServerDown,
}


class CannotRun(errors.Rejected):
    """The request is a right one, and its tasks would never run; nothing was sent."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__("; ".join(map(str, complaints)))
        self.complaints = tuple(complaints)


def from_answer(code: int, reason: str, *, hint: str = "", request_id: str = "") -> ServerAnswer:
    """Return the error that an answer with status `code` is."""
    kind = _KINDS.get(code) or (Refused if 400 <= code < 500 else ServerFailed)
    error = kind(reason, hint=hint)
    # A class carries its family's usual code; this is what was really answered (422 and 429 are `Refused`, too).
    error.code = code  # type: ignore[misc]  # a ClassVar of the family, made particular here
    error.request_id = request_id
    return error
