"""What one inventory holds, as values that cannot change. (core)

    variables           of the inventory: every host has them
    groups              name -> Group(children, variables); a group may be in several groups, and in no circle
    hosts               name -> Host(labels, groups, variables), in the order in which the hosts joined the inventory

Two groups need no entry: `all` has every host, and `ungrouped` has the hosts that no group lists.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.errors import Rejected
from schemas.ids import HostId

ALL = "all"
UNGROUPED = "ungrouped"
#: The names that no group of an inventory can have.
IMPLICIT_GROUPS = frozenset({ALL, UNGROUPED})

Variables = Mapping[str, Any]

_MAX_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Group:
    """A group, and the groups in it."""

    name: str
    children: tuple[str, ...] = ()
    variables: Variables = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Host:
    """A host, its labels, and the groups that list it."""

    name: str
    labels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    variables: Variables = field(default_factory=dict)
    #: None: it is not stored yet.
    id: HostId | None = None


@dataclass(frozen=True, slots=True)
class InventoryContent:
    """All of an inventory, or a part of it: all groups, and the hosts that a change needs."""

    variables: Variables = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    hosts: Mapping[str, Host] = field(default_factory=dict)


class InventoryRefused(Rejected):
    """The content of an inventory has faults. `faults` has a text for each; the reason joins the first ones."""

    def __init__(self, faults: Sequence[str], *, hint: str = "") -> None:
        more = len(faults) - _MAX_FAULTS
        shown = [*faults[:_MAX_FAULTS], *([f"and {more} more"] if more > 0 else [])]
        super().__init__("; ".join(shown), hint=hint)
        self.faults = tuple(faults)


def make_content(variables: Variables, groups: Collection[Group], hosts: Collection[Host]) -> InventoryContent:
    """Return the content with these groups and hosts, in their order."""
    return InventoryContent(variables, {each.name: each for each in groups}, {each.name: each for each in hosts})
