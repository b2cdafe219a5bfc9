"""Read the outcomes and the log pieces that pilots publish. (core)

A pilot has no pydantic, so this module is apart from `schemas.pilot.outcomes`.
"""

from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from schemas.errors import Rejected
from schemas.pilot.outcomes import MAX_OUTPUT_BYTES, MAX_PIECE_BYTES, EventOutcome, LogPiece

#: The most bytes of an outcome and of a piece. JSON may write a character of text as six bytes.
MAX_OUTCOME_BYTES: Final = MAX_OUTPUT_BYTES + 64 * 1024
MAX_PIECE_JSON_BYTES: Final = 6 * MAX_PIECE_BYTES + 16 * 1024

_OUTCOME: Final = TypeAdapter(EventOutcome)
_PIECE: Final = TypeAdapter(LogPiece)

_Read = TypeVar("_Read", EventOutcome, LogPiece)


def outcome_from_bytes(body: bytes) -> EventOutcome:
    """Return the outcome in `body`. Unknown members are ignored.

    Raises:
        Rejected: `body` is not an outcome.
    """
    return _read(_OUTCOME, body, "an outcome", MAX_OUTCOME_BYTES)


def piece_from_bytes(body: bytes) -> LogPiece:
    """Return the log piece in `body`. Unknown members are ignored.

    Raises:
        Rejected: `body` is not a log piece.
    """
    return _read(_PIECE, body, "a log piece", MAX_PIECE_JSON_BYTES)


def _read(kind: TypeAdapter[_Read], body: bytes, name: str, limit: int) -> _Read:
    if len(body) > limit:
        raise Rejected(f"{name} must have at most {limit} bytes, and has {len(body)}")
    try:
        return kind.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise Rejected(f"{name}'s {where} is wrong: {first['msg']}") from error
