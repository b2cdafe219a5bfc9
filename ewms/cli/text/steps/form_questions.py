"""Turn the JSON schema of a form's page into questions, and answers into the page's values. (core)"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Fields of these formats only show something. The user does not fill them in.
_SHOWN_ONLY = frozenset({"label", "divider", "summary", "callout", "subscription"})


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a page."""

    name: str
    title: str
    #: The JSON type: "string", "integer", "number", "boolean", "array" or "object".
    type: str
    is_required: bool
    default: Any = None
    #: Value -> what the user sees, if the field has choices.
    choices: Mapping[str, str] | None = None
    description: str = ""


def list_fields(schema: Mapping[str, Any]) -> Iterator[FormField]:
    """Yield the fields of a page that a person fills in, in order."""
    required = set(schema.get("required", ()))
    for name, written in schema.get("properties", {}).items():
        spec = _resolve(written, schema)
        if spec.get("format") in _SHOWN_ONLY or "const" in spec:
            continue
        yield FormField(
            name=name,
            title=str(spec.get("title") or name),
            type=_find_type(spec),
            is_required=name in required,
            default=spec.get("default"),
            choices=_find_choices(spec),
            description=str(spec.get("description", "")),
        )


def _resolve(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return `spec` with the schemas to which it refers, and with the part of a union that is not null."""
    resolved = dict(spec)
    for part in (*spec.get("allOf", ()), *(one for one in spec.get("anyOf", ()) if one.get("type") != "null")):
        resolved = {**_resolve(part, schema), **resolved}
    if reference := spec.get("$ref"):
        target = schema.get("$defs", {}).get(str(reference).rpartition("/")[2], {})
        resolved = {**_resolve(target, schema), **resolved}
    return resolved


def _find_type(spec: Mapping[str, Any]) -> str:
    return str(spec.get("type", "string"))


def _find_choices(spec: Mapping[str, Any]) -> Mapping[str, str] | None:
    values = spec.get("enum")
    if not values:
        return None
    labels = spec.get("options", {})
    return {str(value): str(labels.get(value, value)) for value in values}


def parse_answer(field: FormField, text: str) -> Any:
    """Return the value that `text` means for `field`.

    Raises:
        ValueError: `text` is no value for this field; the error says which values are.
    """
    text = text.strip()
    if not text:
        if field.default is not None or not field.is_required:
            return field.default
        raise ValueError("this field needs a value")
    if field.choices is not None:
        return _choose(field.choices, text)
    match field.type:
        case "integer":
            return _parse(int, text, "a whole number")
        case "number":
            return _parse(float, text, "a number")
        case "boolean":
            if text.lower() not in ("y", "yes", "true", "n", "no", "false"):
                raise ValueError("answer yes or no")
            return text.lower() in ("y", "yes", "true")
        case "array" | "object":
            return _parse(json.loads, text, f"JSON, an {field.type}")
        case _:
            return text


def _parse(read: Callable[[str], Any], text: str, what: str) -> Any:
    try:
        return read(text)
    except ValueError:
        raise ValueError(f"{text!r} is not {what}") from None


def _choose(choices: Mapping[str, str], text: str) -> str:
    """Return the choice that `text` names: by its value, its label, or the number of its line.

    Raises:
        ValueError: `text` names no choice.
    """
    values = list(choices)
    if text in choices:
        return text
    if text.isdecimal() and 0 < int(text) <= len(values):
        return values[int(text) - 1]
    found = [value for value, label in choices.items() if label == text]
    if not found:
        raise ValueError(f"{text!r} is none of the choices; give the number of a line")
    return found[0]


def write_question(field: FormField) -> Iterator[str]:
    """Yield the lines that ask for `field`. The user types the answer after the last one."""
    if field.description:
        yield field.description
    if field.choices is not None:
        for number, (value, label) in enumerate(field.choices.items(), start=1):
            yield f"  {number}  {label}" + (f"  ({value})" if label != value else "")
    default = f" [{field.default}]" if field.default is not None else "" if field.is_required else " [none]"
    yield f"{field.title}{default}: "
