"""The error families, one for each reaction to an error.

family        REST   event taken from a queue      who acts Rejected      4xx    reject to the dead letters    the
sender fixes the event or the request Conflict      409    acknowledge, log once         nobody: the state has changed
Unavailable   503    hold it, pause the consumer   the dependency returns Broken        500    requeue to delivery limit
the developers fix the code
"""

from typing import ClassVar


class EWMSError(Exception):
    """An error that EWMS raises on purpose. `reason` says what is wrong, `hint` gives the remedy."""

    code: ClassVar[int] = 500

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Rejected(EWMSError):
    """The sender must change the request or the event before it can be accepted."""

    code = 400


class Unauthenticated(Rejected):
    """There is no token, or the token is invalid. The contract answers 403, never 401."""

    code = 403

    def __init__(self, reason: str = "authentication failed", *, hint: str = "") -> None:
        super().__init__(reason, hint=hint)


class Forbidden(Rejected):
    """The token is valid, but its roles do not allow this."""

    code = 403

    def __init__(self, reason: str = "authorization failed", *, hint: str = "") -> None:
        super().__init__(reason, hint=hint)


class NotFound(Rejected):
    """The object does not exist, or the caller may not know that it exists."""

    code = 404


class TooLarge(Rejected):
    """The body is larger than the limit."""

    code = 413


class Unprocessable(Rejected):
    """The request is well formed, but the state of the object forbids it for good."""

    code = 422


class TooMany(Rejected):
    """The sender has sent too many requests, or has used up its quota."""

    code = 429


class OverQuota(TooMany):
    """The sender is over its limit. It can try again after `retry_after_s` seconds."""

    def __init__(self, reason: str, *, hint: str, retry_after_s: int) -> None:
        super().__init__(reason, hint=hint)
        self.retry_after_s = retry_after_s


class Conflict(EWMSError):
    """The state has changed, so the request or event no longer applies, and there is nothing left to do."""

    code = 409


class Unavailable(EWMSError):
    """A dependency does not answer. The same call will work when the dependency is back."""

    code = 503


class Broken(EWMSError):
    """A defect in EWMS."""

    code = 500


#: Status code on the wire -> the family that the receiver raises.
_FAMILIES: dict[int, type[EWMSError]] = {
    400: Rejected,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: Unprocessable,
    429: TooMany,
    500: Broken,
    503: Unavailable,
}


def find_family(code: int) -> type[EWMSError]:
    """Return the error class for the status `code`. An unknown 4xx is `Rejected`, any other unknown code `Broken`."""
    if code in _FAMILIES:
        return _FAMILIES[code]
    return Rejected if 400 <= code < 500 else Broken
