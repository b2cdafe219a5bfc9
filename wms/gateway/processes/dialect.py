"""The dialect "processes": problem documents, and a slash at the end of a path changes nothing."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from runtime.web.dialects import Dialect
from schemas.errors import EWMSError


class ProblemDocument(BaseModel):
    """Every error of this dialect. Some errors have more members."""

    type: str
    title: str
    status: int
    detail: str


def describe_problem(code: int, text: str, error: EWMSError | None) -> Mapping[str, Any]:
    """Return the body of an error: `type` is the class of the error, `title` the standard's words for its status."""
    kind = "HTTPException" if error is None else type(error).__name__
    problem = ProblemDocument(type=kind, title=HTTPStatus(code).phrase, status=code, detail=text)
    return {**problem.model_dump(), **getattr(error, "members", {})}


PROCESSES = Dialect(
    name="processes",
    prefixes=("/api",),
    describe_error=describe_problem,
    error_model=ProblemDocument,
    ignores_trailing_slash=True,
    about="Start step lists on subscriptions, watch their processes, and give them input.",
)
