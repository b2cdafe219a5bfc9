"""Merge the variables of a host's levels, and tell which level gave a value. (core)

    inventory  <  groups, those less deep first  <  host

A level on the right of `<` overrides those on the left, whole values at a time: lists and objects are not merged.
Among groups of one depth, the one with the greater `ansible_group_priority` overrides the others; among equals, the one
whose name is last. Ansible has the same order.
Source: Ansible's user guide, "How variables are merged".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wms.inventory.content.group_graph import GroupGraph
from wms.inventory.content.inventory_content import Host, InventoryContent, Variables

#: A variable of a group that orders it among groups of its depth. Hosts do not see it.
PRIORITY = "ansible_group_priority"


class LevelKind(StrEnum):
    """The levels at which a variable can have a value, from far to near."""

    INVENTORY = "inventory"
    GROUP = "group"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class ValueSource:
    """A value of a variable, and the level that gives it."""

    kind: LevelKind
    #: The name of the group or the host; empty for the inventory.
    name: str
    value: Any


class VariableMerger:
    """Merges the variables of the hosts of one inventory. Hosts of the same groups share the work."""

    def __init__(self, content: InventoryContent) -> None:
        self._content = content
        self.graph = GroupGraph(content.groups)
        self._merged: dict[tuple[str, ...], dict[str, Any]] = {}
        self._ordered: dict[tuple[str, ...], tuple[str, ...]] = {}

    def list_groups(self, host: Host) -> tuple[str, ...]:
        """Return all groups of a host, those above its own included, in the order in which they override."""
        found = self._ordered.get(host.groups)
        if found is None:
            found = tuple(sorted(self.graph.find_above(host.groups), key=self._rank))
            self._ordered[host.groups] = found
        return found

    def _rank(self, name: str) -> tuple[int, int, str]:
        priority = self._content.groups[name].variables.get(PRIORITY, 1)
        return self.graph.depths[name], read_priority(priority) or 0, name

    def merge_variables(self, host: Host) -> dict[str, Any]:
        """Return the variables of a host."""
        shared = self._merged.get(host.groups)
        if shared is None:
            shared = dict(self._content.variables)
            for name in self.list_groups(host):
                shared |= _list_seen(self._content.groups[name].variables)
            self._merged[host.groups] = shared
        return {**shared, **host.variables}

    def trace_variables(self, host: Host) -> dict[str, list[ValueSource]]:
        """Return the sources of each variable of a host. The last one gives its value, the others are overridden."""
        levels: list[tuple[LevelKind, str, Variables]] = [(LevelKind.INVENTORY, "", self._content.variables)]
        levels += (
            (LevelKind.GROUP, name, _list_seen(self._content.groups[name].variables)) for name in self.list_groups(host)
        )
        levels.append((LevelKind.HOST, host.name, host.variables))
        return _collect_sources(levels)


def read_priority(value: Any) -> int | None:
    """Return the priority of a group, a number or its text; None: it is none."""
    try:
        return int(value) if isinstance(value, int | str) else None
    except ValueError:
        return None


def _list_seen(variables: Variables) -> Variables:
    return {key: value for key, value in variables.items() if key != PRIORITY} if PRIORITY in variables else variables


def _collect_sources(levels: Iterable[tuple[LevelKind, str, Variables]]) -> dict[str, list[ValueSource]]:
    found: dict[str, list[ValueSource]] = {}
    for kind, name, variables in levels:
        for key, value in variables.items():
            found.setdefault(key, []).append(ValueSource(kind, name, value))
    return found
