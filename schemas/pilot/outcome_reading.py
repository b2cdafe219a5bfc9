"""Read the outcomes and the log pieces that pilots publish. (core)

A pilot has no pydantic, so this module is apart from `schemas.pilot.outcomes`.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from schemas.errors import Rejected
from schemas.pilot.outcomes import MAX_OUTPUT_BYTES, MAX_PIECE_BYTES, EventOutcome, LogLength, LogPiece

#: The most bytes of an outcome and of a piece. JSON may write a character of text as six bytes.
MAX_OUTCOME_BYTES: Final = MAX_OUTPUT_BYTES + 64 * 1024
MAX_PIECE_JSON_BYTES: Final = 6 * MAX_PIECE_BYTES + 16 * 1024

#: The smallest and the largest value of each number. A database stores integers of 64 bits.
_MAX: Final = 2**63 - 1
_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "attempt": (1, 2**31 - 1),
    "exit_status": (-(2**31), 2**31 - 1),
    "worker": (0, _MAX),
    "number": (0, _MAX),
    "n_pieces": (0, _MAX),
    "n_bytes": (0, _MAX),
}

_OUTCOME: Final = TypeAdapter(EventOutcome)
_PIECE: Final = TypeAdapter(LogPiece)

_Read = TypeVar("_Read", EventOutcome, LogPiece)


def outcome_from_bytes(body: bytes) -> EventOutcome:
    """Return the outcome in `body`. Unknown members are ignored.

    Raises:
        Rejected: `body` is not an outcome, or has a number that is out of range.
    """
    outcome = _read(_OUTCOME, body, "an outcome", MAX_OUTCOME_BYTES)
    for stream, length in (("stdout.", outcome.stdout), ("stderr.", outcome.stderr)):
        _check_numbers(length, f"an outcome's {stream}")
    return outcome


def piece_from_bytes(body: bytes) -> LogPiece:
    """Return the log piece in `body`. Unknown members are ignored.

    Raises:
        Rejected: `body` is not a log piece, or has a number that is out of range.
    """
    return _read(_PIECE, body, "a log piece", MAX_PIECE_JSON_BYTES)


def _read(kind: TypeAdapter[_Read], body: bytes, name: str, limit: int) -> _Read:
    if len(body) > limit:
        raise Rejected(f"{name} must have at most {limit} bytes, and has {len(body)}")
    try:
        found = kind.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise Rejected(f"{name}'s {where} is wrong: {first['msg']}") from error
    _check_numbers(found, f"{name}'s ")
    return found


def _check_numbers(found: EventOutcome | LogPiece | LogLength, where: str) -> None:
    for name, (least, most) in _RANGES.items():
        value = getattr(found, name, None)
        if value is not None and not least <= value <= most:
            raise Rejected(f"{where}{name} must be from {least} to {most}")
