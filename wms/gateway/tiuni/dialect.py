"""The dialect "tiuni": every answer in an envelope with a code of its own."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from runtime.web.dialects import Dialect
from schemas.errors import EWMSError


class TiuniEnvelope(BaseModel):
    """Every answer of this dialect. A `code` of 0 means success."""

    code: int
    message: str
    data: Any


def describe_failure(code: int, text: str, error: EWMSError | None) -> Mapping[str, Any]:
    """Return the body of an error. Its code is the error's own `number`, else the HTTP status."""
    return TiuniEnvelope(code=getattr(error, "number", code), message=text, data={}).model_dump()


TIUNI = Dialect(
    name="tiuni",
    prefixes=("/api/v1/workflow",),
    describe_error=describe_failure,
    error_model=TiuniEnvelope,
    ignores_trailing_slash=True,
    about="Create flows of registered nodes, start and stop them, and look at each node.",
)
