"""What the stream of a tree says to one client: all of the tree at first, and then only what has changed. (core)

tree     the job, as GET shows it, with its nodes and edges under `graph`
change   the fields of the job that have changed, and under `graph` the nodes that have changed, each as a whole
end      the tree is over, and the stream ends
"""

from collections.abc import Mapping
from typing import Any

#: The last event of a stream.
END: tuple[str, Mapping[str, Any]] = ("end", {})
#: Time alone is no change.
_CLOCKS = frozenset({"elapsed"})
_GRAPH = "graph"


class TreeNews:
    """What one client knows of a tree by its stream.

    What a client knows from an earlier stream is not certain: what halts below a tree changes its explanation, and not
    its revision. So each stream begins with the whole tree.
    """

    def __init__(self) -> None:
        self._known: Mapping[str, Any] | None = None

    def update_client(self, shown: Mapping[str, Any], *, is_over: bool) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the events, each with its data, that bring the client up to date with `shown`, and note that it knows
        this.
        """
        known, self._known = self._known, shown
        if known is None:
            events = [("tree", shown)]
        else:
            changes = find_changes(known, shown)
            events = [("change", changes)] if changes else []
        return [*events, END] if is_over else events


def find_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return what has changed of a tree that is shown with its graph. The edges of a job never change."""
    fields = {name: value for name, value in after.items() if name != _GRAPH and before.get(name) != value}
    pairs = zip(before[_GRAPH]["nodes"], after[_GRAPH]["nodes"], strict=True)
    nodes = [node for was, node in pairs if was != node]
    if not nodes and fields.keys() <= _CLOCKS:
        return {}
    return {**fields, **({_GRAPH: {"nodes": nodes}} if nodes else {})}
