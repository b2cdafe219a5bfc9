"""Bodies that routes of every kind use: no body at all, and the error."""

from typing import Any

from pydantic import model_validator

from schemas.objects import Object


class Empty(Object):
    """A POST without arguments: no body, or `{}`."""

    @model_validator(mode="before")
    @classmethod
    def _absent_is_empty(cls, body: Any) -> Any:
        return {} if body is None else body


class ErrorBody(Object):
    """Every error."""

    code: int
    error: str
