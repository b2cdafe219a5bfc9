"""Describe a kind as `OPTIONS` answers: what a client may send, and what it gets. (core)

    {"actions": {"GET": {"name": {"type": "string", "label": "Name", ...}}, "POST": {...}}, "search_fields": [...]}

The `awx` command makes its actions and flags of that. A flag exists only for a field that stands here.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from wms.gateway.awx.kinds.fields import READ_ONLY, WRITE_ONLY
from wms.gateway.awx.kinds.kind import Kind, Part

_WORDS: Mapping[type, str] = {bool: "boolean", int: "integer", float: "decimal", datetime: "datetime", str: "string"}
#: What each list takes. The `awx` command has a flag `--order_by` of its own, and refuses to have two.
_PAGING: Mapping[str, tuple[str, str]] = {
    "page": ("integer", "Which page of the list."),
    "page_size": ("integer", "How many objects a page has, at most 200."),
    "search": ("string", "A text that one of the names has in it."),
}


def describe_field(name: str, info: FieldInfo, *, is_filterable: bool = False) -> dict[str, Any]:
    """Return what `OPTIONS` says of a field that a client gets."""
    described: dict[str, Any] = {
        "type": _name_type(info),
        "label": name.replace("_", " ").capitalize(),
        "help_text": info.description or "",
        "filterable": is_filterable,
    }
    if (choices := _list_choices(info)) is not None:
        described["choices"] = choices
    return described


def _describe_input(name: str, info: FieldInfo) -> dict[str, Any]:
    described = describe_field(name, info)
    del described["filterable"]
    described |= {"required": info.is_required(), "read_only": False}
    if not info.is_required() and info.default is not None:
        default = info.default
        described["default"] = default.value if isinstance(default, StrEnum) else default
    return described


def _name_type(info: FieldInfo) -> str:
    marks = [mark for mark in info.metadata if isinstance(mark, str)]
    if marks:
        return marks[0]
    kind = _find_plain_type(info)
    return "choice" if issubclass(kind, StrEnum) else _WORDS[kind]


def _find_plain_type(info: FieldInfo) -> type:
    """Return the type of a field, of `int | None` the first."""
    options = [option for option in get_args(info.annotation) if option is not NoneType]
    found: type = options[0] if options else info.annotation  # type: ignore[assignment]  # our models have plain types
    return found


def _list_choices(info: FieldInfo) -> list[list[str]] | None:
    if _name_type(info) != "choice":
        return None
    return [[word.value, word.value.replace("_", " ").capitalize()] for word in _find_plain_type(info)]  # type: ignore[attr-defined]  # an enum


def is_shown(info: FieldInfo) -> bool:
    """Return whether answers show a field."""
    return not (isinstance(info.json_schema_extra, dict) and WRITE_ONLY in info.json_schema_extra)


def is_read_only(info: FieldInfo) -> bool:
    """Return whether only the server sets a field."""
    return isinstance(info.json_schema_extra, dict) and READ_ONLY in info.json_schema_extra


def describe_inputs(model: type[BaseModel]) -> dict[str, Any]:
    """Return what `OPTIONS` says of the fields that a client may set."""
    return {name: _describe_input(name, info) for name, info in model.model_fields.items() if not is_read_only(info)}


def describe_outputs(kind: Kind) -> dict[str, Any]:
    """Return what `OPTIONS` says of the fields that a client gets, and of what it may give a list as its query."""
    fields = {
        name: describe_field(name, info, is_filterable=name in kind.filters)
        for name, info in kind.model.model_fields.items()
        if is_shown(info)
    }
    if not kind.filters:
        return fields
    queries = {name: _describe_query(name, *about) for name, about in _PAGING.items()}
    for name, field in kind.filters.items():
        if "__" in name:
            queries[name] = _describe_query(name, "string", "A fact about what belongs to it.")
        elif field.kind is str and field.words is None and field.write is None:
            queries[f"{name}__icontains"] = _describe_query(name, "string", f"A text that its {name} has in it.")
    return {**queries, **fields}


def _describe_query(name: str, kind: str, text: str) -> dict[str, Any]:
    label = name.replace("_", " ").capitalize()
    return {"type": kind, "label": label, "help_text": text, "filterable": True}


def describe_list(kind: Kind, methods: Collection[str], *, may_change: bool) -> dict[str, Any]:
    """Return the answer to `OPTIONS` of the list of a kind."""
    actions = {"GET": describe_outputs(kind)}
    if may_change and "POST" in methods:
        actions["POST"] = describe_inputs(kind.model)
    return {**_describe_kind(kind), "description": _describe_creation(kind), "actions": actions}


def _describe_creation(kind: Kind) -> str:
    """Return how to create an object. `awx export` reads this if the caller may not create one, so keep its form."""
    lines = [
        f"* `{name}`: {field['help_text'].rstrip('.')}. ({field['type']}, {_describe_need(field)})"
        for name, field in describe_inputs(kind.model).items()
    ]
    return f"POST these fields to create an object of this kind:\n\n{chr(10).join(lines)}\n"


def _describe_need(field: Mapping[str, Any]) -> str:
    if field["required"]:
        return "required"
    return f"default=`{field['default']}`" if "default" in field else "optional"


def describe_object(kind: Kind, methods: Collection[str], *, may_change: bool) -> dict[str, Any]:
    """Return the answer to `OPTIONS` of one object, whether it exists or not."""
    actions = {"GET": describe_outputs(kind)} if "GET" in methods else {}
    if may_change and "PUT" in methods:
        actions["PUT"] = describe_inputs(kind.model)
    return {**_describe_kind(kind), "actions": actions}


def describe_part(part: Part, members: Kind, methods: Collection[str], *, may_change: bool) -> dict[str, Any]:
    """Return the answer to `OPTIONS` of a list below an object."""
    described = describe_list(members, methods, may_change=may_change)
    if part.joins:
        described["description"] += "* `id`: The object to join. (integer, optional)\n"
    if part.joins and "POST" in described["actions"]:
        described["actions"]["POST"] |= {
            "id": {**_describe_query("ID", "integer", "The object to join."), "required": False},
            "disassociate": {**_describe_query("disassociate", "boolean", "Take it away."), "required": False},
        }
    return described


def describe_action(model: type[BaseModel] | None, methods: Collection[str]) -> dict[str, Any]:
    """Return the answer to `OPTIONS` of an action below an object."""
    actions: dict[str, Any] = {"GET": {}} if "GET" in methods else {}
    if "POST" in methods:
        actions["POST"] = {} if model is None else describe_inputs(model)
    return {"actions": actions}


def _describe_kind(kind: Kind) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": kind.path.replace("_", " ").capitalize(), "search_fields": list(kind.searched)}
    if kind.object_roles:
        shown["object_roles"] = list(kind.object_roles)
    return shown
