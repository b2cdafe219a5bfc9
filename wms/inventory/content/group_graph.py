"""The groups of an inventory as a graph: which groups are above a group, how deep it is, and whether there is a circle.
(core)

A group's depth is the length of the longest way from `all` to it: 1 if no other group has it.
"""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from wms.inventory.content.inventory_content import Group


class GroupGraph:
    """The groups of one inventory. They have no circle: `find_circle` says so first."""

    def __init__(self, groups: Mapping[str, Group]) -> None:
        self._groups = groups
        self._parents: dict[str, list[str]] = {name: [] for name in groups}
        for group in groups.values():
            for child in group.children:
                self._parents[child].append(group.name)
        self.depths: dict[str, int] = {}
        self._above: dict[str, frozenset[str]] = {}
        for name in TopologicalSorter(self._parents).static_order():
            parents = self._parents[name]
            self.depths[name] = 1 + max((self.depths[each] for each in parents), default=0)
            self._above[name] = frozenset((name,)).union(*(self._above[each] for each in parents))

    def list_parents(self, name: str) -> list[str]:
        """Return the groups that list a group among their children."""
        return self._parents[name]

    def find_above(self, names: Iterable[str]) -> frozenset[str]:
        """Return the groups `names`, and all groups above them."""
        return frozenset[str]().union(*(self._above[name] for name in names))


def find_circle(groups: Mapping[str, Group]) -> list[str]:
    """Return the names of groups that contain each other, the first one again at the end. Return [] if none do."""
    edges = {name: [child for child in group.children if child in groups] for name, group in groups.items()}
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        # The sorter lists each group before the one that has it.
        return [str(name) for name in reversed(error.args[1])]
    return []
