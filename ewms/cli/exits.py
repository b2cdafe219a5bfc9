"""Turn an error into the message and the exit status of the command. (core)"""

import errno
import re
from enum import IntEnum
from typing import Any

from ewms.errors import (
    Aborted,
    CannotRun,
    DoneWithFailures,
    OutcomeFailed,
    PublishFailed,
    Refused,
    ServerAnswer,
    TimedOut,
)
from schemas.errors import Conflict, EWMSError, Forbidden, NotFound, Rejected, Unauthenticated, Unavailable

#: OS errors that mean: the output cannot be written. Commands report the errors of other files themselves, so an
#: OSError that gets here with one of these numbers comes from the output.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EBADF)


#: The text between the gateway's complaints about two fields.
_COMPLAINTS = re.compile(r"; (?='|tasks\[|and \d+ more$)")


class ExitStatus(IntEnum):
    """The exit statuses, as documented in docs/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    AUTH = 3
    NOT_FOUND = 4
    CONFLICT = 5
    TIMEOUT = 6
    UNREACHABLE = 7
    DONE_WITH_FAILURES = 8
    ABORTED = 9
    INTERRUPTED = 130


def exit_status_of(error: BaseException) -> ExitStatus:
    """Return the exit status of a command that `error` has ended."""
    match error:
        case KeyboardInterrupt():
            return ExitStatus.INTERRUPTED
        case DoneWithFailures():
            return ExitStatus.DONE_WITH_FAILURES
        case Aborted():
            return ExitStatus.ABORTED
        case OutcomeFailed() | PublishFailed():
            return ExitStatus.FAILED
        case TimedOut():
            return ExitStatus.TIMEOUT
        case Unauthenticated() | Forbidden():
            return ExitStatus.AUTH
        case NotFound():
            return ExitStatus.NOT_FOUND
        case Conflict():
            return ExitStatus.CONFLICT
        case Unavailable():
            return ExitStatus.UNREACHABLE
        case Rejected(code=403):
            # The broker has refused our token.
            return ExitStatus.AUTH
        case Rejected():
            return ExitStatus.USAGE
        case UnicodeEncodeError():
            return ExitStatus.USAGE
        case _ if is_usage_error(error):
            return ExitStatus.USAGE
        case _:
            return ExitStatus.FAILED


def error_message(error: BaseException) -> str:
    """Return the message about `error` for the user. Return "" if the user has seen all of it already."""
    if isinstance(error, EWMSError):
        lines = [f"ewms: {error.reason}"]
        if isinstance(error, CannotRun):
            lines = ["ewms: the request cannot run:", *(f"  {complaint}" for complaint in error.complaints)]
        hint = error.hint
        if isinstance(error, Refused):
            # The gateway's reason is a phrase that existing clients know; its hint says the same in plain words.
            is_plain = hint.startswith("'")
            complaints = _COMPLAINTS.split(hint if is_plain else error.reason)
            if is_plain or len(complaints) > 1:
                lines = ["ewms: the request is refused:", *(f"  {complaint}" for complaint in complaints)]
            hint = "" if is_plain else hint
        if hint:
            lines.append(f"  hint: {hint}")
        if isinstance(error, ServerAnswer) and error.request_id:
            lines.append(f"  request: {error.request_id}")
        return "\n".join(lines)
    if is_usage_error(error):
        if not _usage_text(error):
            return ""  # no words given: the parser has printed the help already
        context = getattr(error, "ctx", None)
        path = getattr(context, "command_path", "ewms")
        return f"ewms: {_usage_text(error)}\n  hint: see `{path} --help`"
    if is_output_error(error):
        return (
            f"ewms: cannot write the output: {getattr(error, 'strerror', '')}\n"
            "  hint: write it elsewhere; `consume` leaves an event in its queue until it has written it"
        )
    if isinstance(error, UnicodeEncodeError):
        return (
            f"ewms: {error.object[error.start : error.end]!r} is not a character that UTF-8 can write\n"
            "  hint: check the arguments for texts with half of a surrogate pair"
        )
    return f"ewms: {type(error).__name__}: {error}\n  hint: this is a defect; EWMS_DEBUG=1 shows where"


def error_object(error: BaseException) -> dict[str, Any]:
    """Return `error` as a JSON object with the REST API's `code` and `error`, and `hint`, `request_id` and `status`.

    `status` is the exit status; `code` is 0 if no server answered.
    """
    reason, _, rest = error_message(error).removeprefix("ewms: ").partition("\n")
    hint = next((line.strip() for line in rest.splitlines() if line.strip().startswith("hint: ")), "")
    request_id = error.request_id if isinstance(error, ServerAnswer) else ""
    return {
        "code": error.code if isinstance(error, ServerAnswer) else 0,
        "error": error.reason if isinstance(error, EWMSError) else reason,
        "hint": error.hint if isinstance(error, EWMSError) else hint.removeprefix("hint: "),
        "request_id": request_id,
        "status": int(exit_status_of(error)),
    }


def is_usage_error(error: BaseException) -> bool:
    """Return whether the parser raised `error`. Decide by its attributes, because the parser's classes are private."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def is_output_error(error: BaseException) -> bool:
    """Return whether `error` means that standard output cannot be written: a full disk, a quota, a lost file system."""
    return isinstance(error, OSError) and error.errno in _UNWRITABLE


def _usage_text(error: BaseException) -> str:
    text = getattr(error, "format_message")()  # noqa: B009 - `is_usage_error` has seen that it is there; the type is the parser's
    return str(text).rstrip(".")
