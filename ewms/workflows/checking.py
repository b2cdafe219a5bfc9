"""Check a request before it is sent: refuse what could never run, and mention what is only odd."""

from typing import Any

from pydantic import ValidationError

from ewms.errors import CannotRun
from schemas.api import OldWorkflowRequest
from schemas.rules.complaints import Complaint
from schemas.runnable import complaints


def find_complaints(body: Any) -> list[Complaint]:
    """Return what is wrong with a request that the server would take; what it would not take, it says itself."""
    try:
        request = OldWorkflowRequest.model_validate(body)
    except ValidationError:
        return []
    return complaints(request)


def refuse_what_cannot_run(body: Any) -> None:
    """Return if the tasks of `body` can run.

    Raises:
        CannotRun: one of them never could.
    """
    if sure := [complaint for complaint in find_complaints(body) if complaint.is_sure]:
        raise CannotRun(sure)
