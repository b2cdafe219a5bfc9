"""Turn an error into an HTTP answer: its text in the body and in the reason phrase, the rest in headers.

The dialect makes the body; ours is `{"code": ..., "error": ...}`. If a body does not fit its model, the error has the
form that existing clients know: `'<dotted.path>': <reason>`, joined by `; `. The text never repeats values.
"""

import http
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails, to_json
from starlette.responses import Response

from runtime.web.server.reason_phrases import REASON_HEADER, reason_phrase
from schemas.checks.plain_faults import printable_name, split_location
from schemas.errors import EWMSError, OverQuota, Rejected, Unavailable

JSON = "application/json; charset=UTF-8"
HINT_HEADER = "X-EWMS-Hint"

_RETRY_AFTER_S = 5
_MAX_PROBLEMS = 20

#: pydantic's word for a wrong type -> JSON Schema's word for the right type.
_TYPES: Mapping[str, str] = {
    "string_type": "string",
    "string_unicode": "string",
    "int_type": "integer",
    "int_from_float": "integer",
    "int_parsing": "integer",
    "float_type": "number",
    "bool_type": "boolean",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
}


class BadBody(Rejected):
    """The request's body is not JSON, or does not fit the route's model."""


#: Makes the JSON body of an answer about an error. The arguments are the status code, the text that the caller may see,
#: and the error (None if no route takes the request). A dialect with more members reads them from its own error class.
DescribeError = Callable[[int, str, EWMSError | None], Mapping[str, Any]]


def describe_plainly(code: int, text: str, _: EWMSError | None) -> Mapping[str, Any]:
    """Return the JSON body of an error in our own dialect."""
    return {"code": code, "error": text}


def _is_defect(error: EWMSError) -> bool:
    """Return whether `error` is a defect of ours. If a dialect answers 500 on purpose, its error is `Rejected`."""
    return error.code == 500 and not isinstance(error, Rejected)


def answer_error(error: EWMSError, describe: DescribeError = describe_plainly) -> Response:
    """Return the answer to a request that failed with `error`."""
    # Details of a defect, or of a dependency's answer, go only into the log.
    is_ours = _is_defect(error)
    text = http.HTTPStatus(500).phrase if is_ours else error.reason
    headers = {}
    if error.hint and not is_ours:
        headers[HINT_HEADER] = reason_phrase(error.hint)
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(_RETRY_AFTER_S)
    if isinstance(error, OverQuota):
        headers["Retry-After"] = str(error.retry_after_s)
    return answer_code(error.code, text, headers, describe=describe, error=error)


def answer_code(
    code: int,
    text: str,
    headers: Mapping[str, str] | None = None,
    *,
    describe: DescribeError = describe_plainly,
    error: EWMSError | None = None,
) -> Response:
    """Return the answer with the status `code` and the error `text`."""
    return Response(
        to_json(describe(code, text, error)),
        status_code=code,
        headers={**(headers or {}), REASON_HEADER: reason_phrase(text)},
        media_type=JSON,
    )


def make_bad_body(errors: Sequence[ErrorDetails], body: Any, *, more: Sequence[str] = (), hint: str = "") -> BadBody:
    """Return the error that lists the problems of `body`: first those in `errors`, then `more`."""
    said: dict[str, None] = {}
    for location, reason in _locate_errors(errors, body):
        said[f"'{_join_location(location)}': {reason}" if location else reason] = None
    problems = list(dict.fromkeys((*said, *more)))
    if len(problems) > _MAX_PROBLEMS:
        problems[_MAX_PROBLEMS:] = [f"and {len(problems) - _MAX_PROBLEMS} more"]
    return BadBody("; ".join(problems), hint=hint)


def _locate_errors(errors: Sequence[ErrorDetails], body: Any) -> Iterable[tuple[tuple[Any, ...], str]]:
    unknown: dict[tuple[Any, ...], list[str]] = {}
    for error in errors:
        location = error["loc"]
        match error["type"]:
            case "missing":
                yield location[:-1], f"'{printable_name(location[-1])}' is a required property"
            case "extra_forbidden":
                unknown.setdefault(location[:-1], []).append(printable_name(location[-1]))
            case _:
                known, rest = split_location(location, body)
                reason = _explain_error(error, rest)
                yield known, reason if known else f"the body {reason}"
    for location, names in unknown.items():
        listed = ", ".join(f"'{name}'" for name in names[:_MAX_PROBLEMS])
        verb = "was" if len(names) == 1 else "were"
        yield location, f"Additional properties are not allowed ({listed} {verb} unexpected)"


def _explain_error(error: ErrorDetails, rest: tuple[Any, ...]) -> str:
    context = error.get("ctx", {})
    if rest == ("[key]",):
        return "is not an allowed name"
    if rest:
        return "must match one of the accepted types"
    match error["type"]:
        case kind if kind in _TYPES:
            return f"is not of type '{_TYPES[kind]}'"
        case "too_short":
            return f"must have at least {context['min_length']} {_counted_noun(context)}"
        case "too_long":
            return f"must have at most {context['max_length']} {_counted_noun(context)}"
        case "string_too_short":
            return f"must have at least {context['min_length']} characters"
        case "string_too_long":
            return f"must have at most {context['max_length']} characters"
        case "string_pattern_mismatch":
            return f"does not match '{context['pattern']}'"
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "enum" | "literal_error":
            return f"must be one of {context['expected']}"
        case "json_invalid":
            # Python has read it as JSON, so the only possible fault is half of a surrogate pair.
            return "the body has text that is not Unicode"
        case "value_error":
            # This comes from our own validators, which do not repeat values.
            return str(context["error"])
        case _:
            return "is not valid"


def _counted_noun(context: Mapping[str, Any]) -> str:
    # If a length follows another validator, pydantic checks it separately, and then calls a string a value.
    return "characters" if context.get("field_type") == "Value" else "items"


def _join_location(location: Iterable[Any]) -> str:
    return ".".join(map(printable_name, location))
