"""The rules that the content of an inventory obeys: names, sizes, values, and groups without a circle. (core)"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from schemas.automation.inventories import (
    MAX_GROUPS,
    MAX_HOST_LABELS,
    MAX_HOSTS,
    MAX_INVENTORY_BYTES,
    MAX_MEMBERSHIPS,
    MAX_VARIABLES_BYTES,
)
from wms.inventory.content.group_graph import find_circle
from wms.inventory.content.inventory_content import (
    ALL,
    IMPLICIT_GROUPS,
    UNGROUPED,
    InventoryContent,
    InventoryRefused,
    Variables,
)
from wms.inventory.content.merging import PRIORITY, read_priority

_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})", re.ASCII)
_GROUP_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,127})", re.ASCII)
_LABEL = _GROUP_NAME
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_MAX_DEPTH = 32

#: What a fault is about: ("host", "web1"), ("group", "web") or ("inventory", "").
Subject = tuple[str, str]
#: Returns where a subject stands in a text, such as "line 7"; empty if there is no text.
NamePlace = Callable[[Subject], str]

_NAME_RULE = "a name has letters of English, digits, '_', '-' and '.', and begins with a letter, a digit or '_'"


def name_no_place(_: Subject) -> str:
    """Return no place: the content came from no text."""
    return ""


def check_content(content: InventoryContent, *, name_place: NamePlace = name_no_place) -> None:
    """Check all of an inventory.

    Raises:
        InventoryRefused: it breaks rules; each fault has its place.
    """
    faults = [f"{place}: {text}" if (place := name_place(subject)) else text for subject, text in find_faults(content)]
    if faults:
        raise InventoryRefused(faults)


def find_faults(content: InventoryContent) -> Iterator[tuple[Subject, str]]:
    """Yield what is wrong with an inventory, and what that is about."""
    whole: Subject = ("inventory", "")
    for text in _find_variable_faults(content.variables):
        yield whole, f"the inventory: {text}"
    for name in content.groups:
        for text in _find_group_faults(content, name):
            yield ("group", name), f"group {name!r}: {text}"
    for name in content.hosts:
        for text in _find_host_faults(content, name):
            yield ("host", name), f"host {name!r}: {text}"
    if circle := find_circle(content.groups):
        yield ("group", circle[0]), f"groups contain each other: {' > '.join(circle)}"
    yield from ((whole, text) for text in find_size_faults(len(content.hosts), count_content(content)))
    if len(content.groups) > MAX_GROUPS:
        yield whole, f"an inventory has at most {MAX_GROUPS} groups, and this one has {len(content.groups)}"


def find_size_faults(n_hosts: int, n_bytes: int) -> Iterator[str]:
    """Yield what is too large about an inventory of this many hosts, whose variables take this many bytes."""
    if n_hosts > MAX_HOSTS:
        yield f"an inventory has at most {MAX_HOSTS} hosts, and this one has {n_hosts}; split it"
    if n_bytes > MAX_INVENTORY_BYTES:
        yield (
            f"all variables of an inventory take at most {MAX_INVENTORY_BYTES} bytes as JSON, and these take {n_bytes};"
            " give what many hosts share to a group"
        )


def _find_group_faults(content: InventoryContent, name: str) -> Iterator[str]:
    group = content.groups[name]
    if name in IMPLICIT_GROUPS:
        yield f"each inventory has this group without your doing; {_explain_implicit(name)}"
    elif not _GROUP_NAME.fullmatch(name):
        yield f"{_NAME_RULE}, at most 128 characters"
    if name in content.hosts:
        yield "a host has this name, too; rename one of them, or a limit could mean both"
    for child in group.children:
        if child not in content.groups:
            yield f"its child {child!r} is no group of the inventory"
    if len(group.children) > MAX_MEMBERSHIPS:
        yield f"a group has at most {MAX_MEMBERSHIPS} children"
    if PRIORITY in group.variables and read_priority(group.variables[PRIORITY]) is None:
        yield f"{PRIORITY} must be a whole number"
    yield from _find_variable_faults(group.variables)


def _explain_implicit(name: str) -> str:
    if name == ALL:
        return "its variables are those of the inventory"
    assert name == UNGROUPED
    return "it has no variables; make a group of your own for them"


def _find_host_faults(content: InventoryContent, name: str) -> Iterator[str]:
    host = content.hosts[name]
    if not _HOST_NAME.fullmatch(name):
        yield f"{_NAME_RULE}, at most 253 characters; give another address in the variable ansible_host"
    elif name in IMPLICIT_GROUPS:
        yield "this is the name of a group that each inventory has"
    for group in host.groups:
        if group not in content.groups:
            yield f"{group!r} is no group of the inventory"
    if len(host.groups) > MAX_MEMBERSHIPS:
        yield f"a host is listed by at most {MAX_MEMBERSHIPS} groups"
    if bad := sorted(label for label in host.labels if not _LABEL.fullmatch(label)):
        yield f"label {bad[0][:50]!r}: {_NAME_RULE}, at most 128 characters"
    if len(host.labels) > MAX_HOST_LABELS:
        yield f"a host has at most {MAX_HOST_LABELS} labels"
    yield from _find_variable_faults(host.variables)


def _find_variable_faults(variables: Variables) -> Iterator[str]:
    if bad := sorted(name for name in variables if not _VARIABLE.fullmatch(name)):
        yield (
            f"variable {bad[0][:50]!r}: a name has letters of English, digits and '_', at most 128 characters,"
            " and begins with no digit"
        )
    for name, value in variables.items():
        if fault := _find_value_fault(value, _MAX_DEPTH):
            yield f"variable {name[:50]!r}: {fault}"
            return
    n_bytes = count_bytes(variables)
    if n_bytes > MAX_VARIABLES_BYTES:
        largest = max(variables, key=lambda name: count_bytes(variables[name]))
        yield (
            f"its variables take at most {MAX_VARIABLES_BYTES} bytes as JSON, and these take {n_bytes};"
            f" the largest is {largest!r}"
        )


def _find_value_fault(value: Any, depth: int) -> str:
    if depth < 0:
        return f"a value is nested at most {_MAX_DEPTH} deep"
    match value:
        case None | bool():
            return ""
        case str():
            return "" if _is_text(value) else "a text must be Unicode without NUL"
        case int():
            return "" if -(2**63) <= value < 2**63 else "a whole number must fit into 64 bits; write it as a text"
        case float():
            return "" if math.isfinite(value) else "a number must be finite"
        case list():
            return next(filter(None, (_find_value_fault(each, depth - 1) for each in value)), "")
        case Mapping():
            if not all(isinstance(key, str) and _is_text(key) for key in value):
                return "a key must be a text of Unicode without NUL"
            return next(filter(None, (_find_value_fault(each, depth - 1) for each in value.values())), "")
        case _:
            return "a value is what JSON has: a text, a number, true, false, null, a list or an object"


def _is_text(text: str) -> bool:
    if text.isascii():
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def count_content(content: InventoryContent) -> int:
    """Return the size in bytes of all variables of an inventory as JSON."""
    levels = [content.variables, *(each.variables for each in content.groups.values())]
    return sum(map(count_bytes, levels)) + sum(count_bytes(each.variables) for each in content.hosts.values())


def count_bytes(value: Any) -> int:
    """Return the size in bytes of a value as JSON."""
    if value in ({}, None):
        return 0
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
