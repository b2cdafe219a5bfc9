"""Read the JSON body of a request: limit its size, parse it strictly, and validate it against its model."""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect, Request

from runtime.web.answers.problems import BadBody, make_bad_body
from schemas.errors import Rejected, TooLarge

Model = TypeVar("Model", bound=BaseModel)

_MAX_DEPTH = 64

#: How long a body may take from its head to its last byte, even if it comes steadily. That is enough for 1 MiB over a
#: line of 300 kbit/s, or for a TMS's statuses of 16 MiB over a line of 4.5 Mbit/s. A slower sender would keep others
#: out.
PATIENCE_S = 30.0


class BodyLate(BadBody):
    """The body did not arrive in time."""


async def read_body(request: Request, *, max_bytes: int, patience_s: float = PATIENCE_S) -> bytes:
    """Return the bytes of the body.

    Raises:
        TooLarge: the body has more than `max_bytes`, by its Content-Length or by the bytes that arrive.
        BodyLate: the body does not arrive within `patience_s` seconds.
        BadBody: the connection ends before the body does.
    """
    too_large = TooLarge(f"the body must have at most {max_bytes} bytes")
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated[:20]) > max_bytes:
        raise too_large
    chunks: list[bytes] = []
    n_bytes = 0
    try:
        async with asyncio.timeout(patience_s):
            async for chunk in request.stream():
                n_bytes += len(chunk)
                if n_bytes > max_bytes:
                    raise too_large
                chunks.append(chunk)
    except ClientDisconnect as error:
        raise BadBody("the connection ended before the whole body had come") from error
    except TimeoutError as error:
        raise BodyLate(f"the body did not arrive within {patience_s:g} seconds") from error
    return b"".join(chunks)


Explain = Callable[[Sequence[ErrorDetails], Any], Rejected]


def parse_body(
    body: bytes,
    content_type: str,
    model: type[Model],
    *,
    optional: bool = False,
    empty: bytes = b"{}",
    explain: Explain = make_bad_body,
) -> Model:
    """Parse `body`, and return it as a `model`. With `optional`, a body without bytes counts as `empty` JSON.

    Raises:
        BadBody: the body is not strict JSON, or its content type is not JSON in UTF-8.
        Rejected: the body does not fit `model`; `explain` makes this error.
    """
    if optional and not body.strip():
        body, content_type = empty, "application/json"
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() != "application/json":
        raise BadBody("Content-Type must be application/json")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise BadBody("the charset must be utf-8")
    plain = _parse_json(body)
    try:
        # Validate the bytes, not `plain`: in JSON mode, strict validation takes a string for an enum.
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise explain(error.errors(include_url=False, include_input=False), plain) from error


def _parse_json(body: bytes) -> Any:
    """Return the value of the JSON text `body`.

    Raises:
        BadBody: it is not JSON, or has NaN, a key twice, or a nesting deeper than `_MAX_DEPTH`.
    """
    try:
        plain = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates)
    except BadBody:
        raise
    except UnicodeDecodeError as error:
        raise BadBody("the body is not UTF-8") from error
    except RecursionError as error:
        raise _depth_error() from error
    except json.JSONDecodeError as error:
        raise BadBody(f"the body is not JSON (line {error.lineno}, column {error.colno})") from error
    except ValueError as error:
        # The body has an integer with more digits than Python converts.
        raise BadBody(f"the body has an integer of more than {sys.get_int_max_str_digits()} digits") from error
    _check_depth(plain, 0)
    return plain


def _refuse_constant(_: str) -> NoReturn:
    raise BadBody("the body is not JSON: NaN and Infinity are not numbers in JSON")


def _refuse_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadBody("the body has a key twice in one object")
    return members


def _depth_error() -> BadBody:
    return BadBody(f"the body must not be nested deeper than {_MAX_DEPTH}")


def _check_depth(plain: Any, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise _depth_error()
    if isinstance(plain, dict):
        for member in plain.values():
            _check_depth(member, depth + 1)
    elif isinstance(plain, list):
        for member in plain:
            _check_depth(member, depth + 1)
