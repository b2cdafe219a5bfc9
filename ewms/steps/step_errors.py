"""Errors that step functions raise on purpose, and the status that a process gets after an error."""

import traceback
from collections.abc import Mapping
from typing import Any

from ewms.steps.json_values import NotPlain, to_plain
from ewms.steps.outcomes import StepFailed
from schemas.engine.processes import Assignee, ProcessStatus

#: HTTP statuses of a service that is not available.
_AWAY = frozenset({502, 503, 504})


class ProcessFailureError(Exception):
    """The step fails. The log shows `details` beside the message.

    raise ProcessFailureError("the router has no such port", details={"port": port})
    """

    def __init__(self, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InconsistentDataError(ProcessFailureError):
    """A check found that two systems disagree. In a task, the process gets the status `inconsistent_data`, and the NOC
    must act.

        raise InconsistentDataError("the monitoring does not know the node", details={"node": node_name})
    """


class ProcessAborted(Exception):
    """End the process for good. A person cannot resume it.

    raise ProcessAborted("the order was withdrawn")
    """


def describe_error(error: BaseException) -> dict[str, Any]:
    """Return `error` as the log shows it: class, text, traceback, and the facts of an HTTP error or a failure."""
    described: dict[str, Any] = {
        "class": type(error).__name__,
        "error": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
    status = find_http_status(error)
    if status is not None:
        described["status_code"] = status
        described |= {
            name: _plain_or_text(getattr(error, name)) for name in ("body", "headers") if hasattr(error, name)
        }
    if getattr(error, "details", None) is not None:
        described["details"] = _plain_or_text(error.details)  # type: ignore[attr-defined]  # asked for just before
    return described


def find_http_status(error: BaseException) -> int | None:
    """Return the HTTP status of `error`, if it is an error of an HTTP client. Return None if it has no status."""
    response = getattr(error, "response", None)
    for holder, name in ((error, "status"), (error, "status_code"), (response, "status_code"), (response, "status")):
        value = getattr(holder, name, None)
        if isinstance(value, int) and 100 <= value < 600:
            return value
    return None


def judge_error(error: BaseException, *, is_task: bool) -> StepFailed:
    """Return the failure that follows from `error`. In a task, failed checks and absent services have their own
    statuses.
    """
    described = describe_error(error)
    if is_task and isinstance(error, AssertionError | InconsistentDataError):
        return StepFailed(error=described, status=ProcessStatus.INCONSISTENT_DATA, assignee=Assignee.NOC)
    if is_task and (type(error).__name__ == "MaxRetryError" or find_http_status(error) in _AWAY):
        return StepFailed(error=described, status=ProcessStatus.API_UNAVAILABLE)
    return StepFailed(error=described)


def _plain_or_text(value: Any) -> Any:
    try:
        return to_plain(dict(value) if isinstance(value, Mapping) else value)
    except NotPlain:
        return str(value)
