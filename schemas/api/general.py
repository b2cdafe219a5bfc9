"""Bodies that routes of all kinds use: the empty body, and the error."""

from typing import Any

from pydantic import model_validator

from schemas.fleet.objects import Object


class Empty(Object):
    """The body of a POST without arguments: no bytes, or `{}`."""

    @model_validator(mode="before")
    @classmethod
    def _absent_is_empty(cls, body: Any) -> Any:
        return {} if body is None else body


class ErrorBody(Object):
    """The body of every error."""

    code: int
    error: str
