"""Read an inventory in Ansible's INI form, with the line of each fault. (core)

    bastion ansible_port=2222        a host outside of all groups
    [web]
    web[01:20] rack=7                hosts of a group, with their variables
    [web:vars]
    tier=front                       variables of a group
    [prod:children]
    web                              groups in a group

A value is read as Python writes it (`80`, `True`, `['a']`), or else as a text. So does Ansible.
Source: Ansible's documentation of its inventory plugin "ini".
"""

import ast
import re
import shlex
from collections.abc import Callable
from typing import Any

from schemas.errors import Rejected
from wms.inventory.content.inventory_content import ALL, UNGROUPED, InventoryRefused
from wms.inventory.forms.draft import InventoryDraft
from wms.inventory.forms.host_ranges import expand_range, split_port

_SECTION = re.compile(r"\[(?P<group>[^:\]\s]+)(?::(?P<kind>\w+))?\]\s*(?:#.*)?")
_CHILD = re.compile(r"(?P<group>[^:\]\s#]+)\s*(?:#.*)?")
#: What `shlex` treats as more than a part of a word.
_SHELL = re.compile(r"['\"\\#]")
_MAX_LINE = 64 * 1024
_MAX_VALUE_DEPTH = 32


def read_ini(text: str) -> InventoryDraft:
    """Return what an INI text says. Faults are noted in the draft, each with its line.

    Raises:
        InventoryRefused: there are too many hosts, or the ranges mean too much.
    """
    reader = _IniReader()
    for number, line in enumerate(text.splitlines(), start=1):
        reader.read_line(line.strip(), number)
    reader.check_groups()
    return reader.draft


class _IniReader:
    def __init__(self) -> None:
        self.draft = InventoryDraft()
        self._group = UNGROUPED
        self._read: Callable[[str, int], None] = self._read_host
        #: The groups that have a section of their own.
        self._declared: set[str] = {ALL, UNGROUPED}
        #: Group that a section names -> what that section is, and its line.
        self._awaited: dict[str, tuple[str, int]] = {}

    def read_line(self, line: str, number: int) -> None:
        if not line or line[0] in "#;":
            return
        try:
            if len(line) > _MAX_LINE:
                raise Rejected(f"a line has at most {_MAX_LINE} characters")
            if line.startswith("[") and (found := _SECTION.fullmatch(line)):
                self._begin_section(found["group"], found["kind"] or "hosts", number)
            else:
                self._read(line, number)
        except InventoryRefused:
            # It is too large: reading on would take memory and time.
            raise
        except Rejected as fault:
            self.draft.add_fault(fault.reason, line=number)

    def _begin_section(self, group: str, kind: str, number: int) -> None:
        self._group = group
        match kind:
            case "hosts":
                self._read = self._read_host
                self._declare_group(group, number)
            case "vars":
                self._read = self._read_variable
                self._await_group(group, kind, number)
            case "children":
                self._read = self._read_child
                self._declare_group(group, number)
            case _:
                self._read = self._skip_line
                raise Rejected(f"[{group}:{kind}] is no section; write [{group}], [{group}:vars] or [{group}:children]")

    def _declare_group(self, group: str, number: int) -> None:
        self._declared.add(group)
        self.draft.add_group(group, line=number)

    def _skip_line(self, line: str, number: int) -> None:
        """Take a line of a section that is unknown: the fault about the section is enough."""

    def _read_host(self, line: str, number: int) -> None:
        try:
            # Most lines have no quotes, and Python's reader of shell words is slow.
            words = shlex.split(line, comments=True) if _SHELL.search(line) else line.split()
        except ValueError as error:
            raise Rejected(f"a quote has no end ({error})") from error
        if not words:
            return
        variables: dict[str, Any] = {}
        name, port = split_port(words[0])
        if port is not None:
            variables["ansible_port"] = port
        for word in words[1:]:
            key, equals, value = word.partition("=")
            if not equals:
                raise Rejected(f"{word[:80]!r} is no variable; write NAME=VALUE")
            variables[key] = read_value(value)
        self.draft.add_hosts(expand_range(name), variables, group=self._group, line=number)

    def _read_variable(self, line: str, number: int) -> None:
        key, equals, value = line.partition("=")
        if not equals:
            raise Rejected(f"{line[:80]!r} is no variable; write NAME=VALUE")
        self.draft.add_variables(self._group, {key.strip(): read_value(value.strip())}, line=number)

    def _read_child(self, line: str, number: int) -> None:
        found = _CHILD.fullmatch(line)
        if found is None:
            raise Rejected(f"{line[:80]!r} is no name of a group")
        self._await_group(found["group"], "children", number)
        self.draft.add_child(self._group, found["group"], line=number)

    def _await_group(self, group: str, kind: str, number: int) -> None:
        self._awaited.setdefault(group, (kind, number))

    def check_groups(self) -> None:
        """Note the groups that sections name and that are nowhere."""
        for group, (kind, number) in self._awaited.items():
            if group not in self._declared:
                what = "has variables here" if kind == "vars" else "is a child here"
                self.draft.add_fault(f"the group {group!r} {what}, and there is no section [{group}]", line=number)


def read_value(text: str) -> Any:
    """Return the value of a text: what Python means by it, or else the text itself."""
    if text.count("[") + text.count("{") + text.count("(") > 10_000:
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    plain = _make_plain(value, _MAX_VALUE_DEPTH)
    return text if plain is _NO_VALUE else plain


_NO_VALUE = object()


def _make_plain(value: Any, depth: int) -> Any:
    """Return a Python value as one of JSON; `_NO_VALUE`: JSON has no such value."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple() if depth:
            items = [_make_plain(each, depth - 1) for each in value]
            return _NO_VALUE if any(each is _NO_VALUE for each in items) else items
        case dict() if depth and all(isinstance(key, str) for key in value):
            members = {key: _make_plain(each, depth - 1) for key, each in value.items()}
            return _NO_VALUE if any(each is _NO_VALUE for each in members.values()) else members
        case _:
            return _NO_VALUE
