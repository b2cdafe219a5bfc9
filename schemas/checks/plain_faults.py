"""Explain in plain words where a request breaks its schema: the field, the kind of its value, the rule, an example.

The gateway answers with the contract's phrases and puts these texts into its hint. The client and the command show
these texts. Except for names of queues and clusters, a text never repeats a value that the user wrote, because the
value may be secret. (core)
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic_core import ErrorDetails

from schemas.checks.request_fields import ENVIRONMENTS, EXAMPLES, NAMES, explain_unknown
from schemas.rules.complaints import Complaint, find_nearest

_MAX_SHOWN = 64
_CHARACTERS = {"Value", "String"}
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION_PART = re.compile(r"(\d{1,6})\s*([smhd])", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"\s*(\d{1,6}\s*[smhd]\s*){1,4}", re.IGNORECASE | re.ASCII)


def explain_faults(errors: Sequence[ErrorDetails], body: Any) -> list[Complaint]:
    """Return a complaint for each part of `body` that pydantic's `errors` name. The gateway refuses all of these."""
    found: dict[str, Complaint] = {}
    for error in errors:
        location, branch = split_location(error["loc"], body)
        if error["type"] == "missing":
            location = tuple(error["loc"])
        rule, remedy = _explain_fault(error, location, branch, _find_value(body, location))
        where = ".".join(map(printable_name, location))
        # A union reports each of its branches.
        found.setdefault(where, Complaint(where, rule, remedy, is_refused=True))
    return list(found.values())


def split_location(location: Sequence[Any], body: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the part of `location` that exists in `body`, and the rest: pydantic's names for branches of a union."""
    at = body
    for n, step in enumerate(location):
        inside = (isinstance(at, dict) and step in at) or (
            isinstance(at, list) and isinstance(step, int) and step < len(at)
        )
        if not inside:
            return tuple(location[:n]), tuple(location[n:])
        at = at[step]
    return tuple(location), ()


def printable_name(name: Any) -> str:
    """Return a name from a user, without unprintable characters and shortened, so that an answer can contain it."""
    return "".join(c for c in str(name)[:_MAX_SHOWN] if c.isprintable())


def split_names(text: str) -> list[str]:
    """Return the names in `text`, a text that the user wrote instead of a list of names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def describe_kind(value: Any) -> str:
    """Return words for the kind of the JSON value `value`. Show numbers, true, false and null themselves."""
    match value:
        case None | bool() | int() | float():
            try:
                return json.dumps(value)[:_MAX_SHOWN]
            except ValueError:
                return "a number"
        case str():
            return "a text" if value else "an empty text"
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"


def _explain_fault(
    error: ErrorDetails, location: tuple[Any, ...], branch: tuple[Any, ...], value: Any
) -> tuple[str, str]:
    context: dict[str, Any] = error.get("ctx", {})
    if not location and error["type"] == "model_type":
        remedy = 'write it like {"public_queue_aliases": [...], "tasks": [...]}'
        return f"is {describe_kind(value)}, and a request is a JSON object", remedy
    field, is_inside = _find_field(location)
    must, example = EXAMPLES.get(field, ("", ""))
    if is_inside:
        must, example = _describe_element(field)
    kind = error["type"]
    if field == "cluster_locations" and not is_inside and not value and kind in ("missing", "too_short"):
        rule = "is missing" if kind == "missing" else "is empty"
        return (
            rule,
            f'name a cluster: "cluster_locations": {example}, or set EWMS_CLUSTER for the command and the client',
        )
    if kind == "missing":
        return "is missing", f'add it: "{location[-1]}": {example}' if example else "add it"
    if kind == "extra_forbidden":
        return "is not a field that EWMS knows", explain_unknown(printable_name(location[-1]), location[:-1])
    if branch == ("[key]",):
        rule = "is not the name of a variable: a name has letters, digits and '_', does not begin with a digit"
        return f"{rule}, and has at most 256 characters", "rename it, for example SEED"
    if branch or kind.endswith("_type") or kind in ("int_from_float", "int_parsing", "string_unicode"):
        return _explain_kind(field, is_inside=is_inside, value=value, must=must, example=example)
    match kind:
        case "too_short" | "string_too_short":
            n, things = context["min_length"], _name_things(kind, context)
            return (
                f"is empty, and must have at least {n} {things}",
                f"write it like {example}" if example else "add one",
            )
        case "too_long" | "string_too_long":
            n, things = context["max_length"], _name_things(kind, context)
            has = f", and has {len(value)}" if hasattr(value, "__len__") else ""
            return f"must have at most {n} {things}{has}", _suggest_shorter(field, things)
        case "greater_than_equal":
            return f"is {describe_kind(value)}, and must be {context['ge']} or more", _suggest_example(example)
        case "less_than_equal":
            return f"is {describe_kind(value)}, and must be {context['le']} or less", _suggest_example(example)
        case "string_pattern_mismatch":
            return _explain_pattern(field, example)
        case "enum" | "literal_error":
            known = [word.strip("' ") for word in str(context["expected"]).replace(" or ", ",").split(",")]
            meant = find_nearest(str(value), known)
            return f"must be one of {', '.join(known)}", f"did you mean {meant}?" if meant else "choose one of them"
        case "json_invalid":
            return "the request has half of a surrogate pair", "look for a \\ud800 to \\udfff that stands alone"
        case "value_error":
            return _explain_value(str(context["error"]), field, value, example)
        case _:
            return "is not valid" + (f", and must be {must}" if must else ""), _suggest_example(example)


def _explain_kind(field: str, *, is_inside: bool, value: Any, must: str, example: str) -> tuple[str, str]:
    must = must or "of another kind"
    if field in NAMES and not is_inside and isinstance(value, str):
        names = [printable_name(name) for name in split_names(value)] or ["..."]
        rule = f"is the text {printable_name(value)!r}, and must be a list of names"
        return rule, f"write {json.dumps(names, ensure_ascii=False)}"
    if isinstance(value, str) and field == "max_worker_runtime" and _DURATION.fullmatch(value):
        n_s = sum(int(n) * _UNIT_S[unit.lower()] for n, unit in _DURATION_PART.findall(value))
        return f"is a text, and must be {must}", f"write {n_s}, without quotes"
    if isinstance(value, str) and must.startswith("a whole number") and value.strip().isdecimal():
        return f"is a text, and must be {must}", f"write {value.strip()[:20]}, without quotes"
    if isinstance(value, str) and must == "true or false" and value.strip().lower() in ("true", "false"):
        return f"is a text, and must be {must}", f"write {value.strip().lower()}, without quotes"
    if is_inside and field in ENVIRONMENTS and isinstance(value, bool | int | float):
        return f"is {_describe_hidden(value)}, and must be {must}", f"write it in quotes, like {example}"
    return f"is {describe_kind(value)}, and must be {must}", _suggest_example(example)


def _describe_hidden(value: bool | float) -> str:
    return "true or false" if isinstance(value, bool) else "a number"


def _describe_element(field: str) -> tuple[str, str]:
    """Return what kind of value an element of `field` must be, and an example."""
    match field:
        case "environment":
            return "a text, a whole number or a list of texts", '"600"'
        case "task_env" | "init_env":
            return "a text", '"7"'
        case "tasks":
            return "an object: one task", '{"task_image": ..., "task_args": ...}'
        case "input_files":
            return "a text", '"/data/geometry.json"'
        case _:
            return "a text", '"photons"'


def _explain_pattern(field: str, example: str) -> tuple[str, str]:
    match field:
        case "tag":
            return "is not a tag of a pilot's image", "write latest, or a version like 1.2.3"
        case _ if field in NAMES:
            return "has a control character", "use letters, digits, '-' and '_'"
        case _:
            return "has the wrong form", _suggest_example(example)


def _explain_value(rule: str, field: str, value: Any, example: str) -> tuple[str, str]:
    match rule:
        case "has non-unique elements":
            twice = ""
            if field in NAMES and isinstance(value, list):
                twice = next((printable_name(name) for n, name in enumerate(value) if name in value[:n]), "")
            what = repr(twice) if twice else "the same task" if field == "tasks" else "the same element"
            return f"has {what} twice", "leave one of the two out"
        case "must not contain control characters" | "must not contain NUL":
            return rule, "remove them" if rule.endswith("s") else "remove it"
        case _:
            return rule, _suggest_example(example)


def _name_things(kind: str, context: dict[str, Any]) -> str:
    # If a length check follows another validator, pydantic runs it separately and calls a string a value.
    is_text = kind.startswith("string") or context.get("field_type") in _CHARACTERS
    n = context.get("min_length", context.get("max_length"))
    return ("character" if is_text else "element") + ("" if n == 1 else "s")


def _suggest_shorter(field: str, things: str) -> str:
    if field == "tasks":
        return "make several workflows of it"
    if things.startswith("element"):
        return "split the task" if field.endswith("queue_aliases") else "leave some out"
    return "put the data into a file that tasks can reach, and give its name" if field not in NAMES else "shorten it"


def _suggest_example(example: str) -> str:
    return f"write it like {example}" if example else "correct it"


def _find_field(location: Sequence[Any]) -> tuple[str, bool]:
    """Return the request's field at `location`, and whether `location` is an element of that field.

    If `location` is inside a field of a list or of an environment, return that field.
    """
    names = [(n, step) for n, step in enumerate(location) if isinstance(step, str)]
    for n, step in names:
        if step in (*ENVIRONMENTS, *NAMES, "input_files"):
            return step, n < len(location) - 1
    if location and isinstance(location[-1], int):
        return (str(location[-2]) if len(location) > 1 else ""), True
    return (names[-1][1] if names else ""), False


def _find_value(body: Any, location: Sequence[Any]) -> Any:
    for step in location:
        try:
            body = body[step]
        except (KeyError, IndexError, TypeError):
            return None
    return body
