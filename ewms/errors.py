"""The errors that a user of the client can get. Their families (`schemas.errors`) say who must act next. (core)

Refused          4xx   the request has to change             NotSignedIn, NotThere, AlreadyThere, FormNotComplete
ServerDown       503   the same call works later             Unreachable: no answer at all
ServerFailed     5xx   a defect of the server
TimedOut               the caller's timeout was too short
OutcomeFailed          all calls worked; the workflow failed   RunStalled, DoneWithFailures, Aborted are kinds of it
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from schemas import errors
from schemas.rules.complaints import Complaint


class ServerAnswer(errors.EWMSError):
    """An error that the server answered, with the HTTP status `code`. Quote its `request_id` when you ask about it."""

    request_id: str = ""
    #: What the answer has besides its text: the form that wants another page, the faults of a page.
    members: Mapping[str, Any] = MappingProxyType({})


class Refused(ServerAnswer, errors.Rejected):
    """The server refused the request. Change it; repeating it unchanged cannot help."""


class NotSignedIn(Refused, errors.Unauthenticated):
    """The request has no token, or the server does not accept it for this request."""

    def __init__(self, reason: str = "authentication failed", *, hint: str = "") -> None:
        super().__init__(
            reason,
            hint=hint or "log in (`ewms login`) or give a token: --token-file, EWMS_TOKEN, EWMS_TOKEN_FILE",
        )


class NotThere(Refused, errors.NotFound):
    """The named workflow, task, taskforce or queue does not exist, or you may not see it."""


class AlreadyThere(ServerAnswer, errors.Conflict):
    """The state has moved on, and the request no longer applies. For example, the workflow was ended before."""


class FormNotComplete(Refused):
    """The form wants another page than those that were sent. `form` is its JSON schema."""

    @property
    def form(self) -> Mapping[str, Any]:
        """Return the JSON schema of the page."""
        found = self.members.get("form")
        return found if isinstance(found, Mapping) else {}


class ServerDown(ServerAnswer, errors.Unavailable):
    """The server, or a service that it needs, is down. The same call works later."""


class ServerFailed(ServerAnswer, errors.Broken):
    """The server has a defect; nothing is wrong with the request."""


class Unreachable(errors.Unavailable):
    """Nothing answered: no server listens at the address, or the network is interrupted."""


class TimedOut(errors.EWMSError):
    """The caller's timeout passed before what the caller waited for came."""

    code = 504


class PublishFailed(errors.Unavailable):
    """The broker did not accept some events; `failures` holds (event id, error) for each of them."""

    def __init__(self, failures: Sequence[tuple[str, errors.EWMSError]]) -> None:
        first = failures[0][1]
        super().__init__(f"{len(failures)} event(s) not published: {first.reason}", hint=first.hint)
        self.failures = tuple(failures)


class OutcomeFailed(errors.EWMSError):
    """The workflow ended, or goes on, with failures; `problems` has one sentence for each."""

    def __init__(self, problems: Sequence[str], *, hint: str = "") -> None:
        super().__init__("; ".join(problems), hint=hint)
        self.problems = tuple(problems)


class RunStalled(OutcomeFailed):
    """The workflow is stalled: events wait, and nothing is on its way to work on them. The hint says what to do."""

    def __init__(self, problems: Sequence[str], *, hint: str) -> None:
        super().__init__(problems)
        self.hint = hint


class DoneWithFailures(OutcomeFailed):
    """The workflow has ended with dead letters, or with fewer results than were expected."""


class Aborted(OutcomeFailed):
    """Somebody has aborted the workflow."""


_KINDS: dict[int, type[ServerAnswer]] = {
    401: NotSignedIn,
    403: NotSignedIn,
    404: NotThere,
    409: AlreadyThere,
    502: ServerDown,
    503: ServerDown,
    504: ServerDown,
    510: FormNotComplete,
}


class CannotRun(errors.Rejected):
    """A request is wrong, or its tasks could never run, so it was not sent. `complaints` has every fault.

    Each complaint has its field, the rule and the remedy.
    """

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__("; ".join(map(str, complaints)))
        self.complaints = tuple(complaints)


def error_from_answer(
    code: int, reason: str, *, hint: str = "", request_id: str = "", members: Mapping[str, Any] | None = None
) -> ServerAnswer:
    """Return the error for an answer with the HTTP status `code`."""
    kind = _KINDS.get(code) or (Refused if 400 <= code < 500 else ServerFailed)
    error = kind(reason, hint=hint)
    # A class has its family's usual code; replace it by the real one (422 and 429 are `Refused`, too).
    error.code = code  # type: ignore[misc]  # a ClassVar of the family, made particular here
    error.request_id = request_id
    error.members = members or {}
    return error
