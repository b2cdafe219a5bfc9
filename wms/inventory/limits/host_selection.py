"""Choose hosts of an inventory by a limit, and merge their variables: what a job on an inventory begins with. (core)

    select_hosts(content, "web*:&label=prod")  ->  [SelectedHost("web1", ...), SelectedHost("web2", ...)]

The hosts come in the order in which they joined the inventory, whatever the order of the limit's terms is.
"""

import difflib
import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from wms.inventory.content.inventory_content import ALL, UNGROUPED, Host, InventoryContent
from wms.inventory.content.merging import VariableMerger
from wms.inventory.limits.limit_text import LimitRefused, LimitTerm, Subscript, TermKind, parse_limit


@dataclass(frozen=True, slots=True)
class SelectedHost:
    """A host that a limit has chosen."""

    host: Host
    #: All groups of the host, those above its own included, in the order in which their variables override.
    groups: tuple[str, ...]
    #: The merged variables of the inventory, of the groups and of the host.
    variables: dict[str, Any]


def select_hosts(content: InventoryContent, limit: str = "") -> list[SelectedHost]:
    """Return the hosts that `limit` chooses, in the inventory's order, each with its merged variables.

    An empty limit chooses all. `content` must be whole. A name that is there no more is an error, also after `!`: a
    misspelled `!db1` would let a job run on db1. A pattern may match nothing.

    Raises:
        LimitRefused: the limit cannot be read, names what the inventory does not have, or chooses no host.
    """
    merger = VariableMerger(content)
    chosen = match_limit(content, limit, merger)
    if not chosen:
        raise LimitRefused(
            f"the limit {limit!r} chooses no host of the inventory" if limit.strip() else "the inventory has no hosts",
            hint="" if content.hosts else "add hosts, or import them",
        )
    return [SelectedHost(each, merger.list_groups(each), merger.merge_variables(each)) for each in chosen]


def match_limit(content: InventoryContent, limit: str, merger: VariableMerger) -> list[Host]:
    """Return the hosts that `limit` chooses, in the inventory's order; it may choose none.

    Raises:
        LimitRefused: the limit cannot be read, or names what the inventory does not have.
    """
    terms = parse_limit(limit)
    matcher = _Matcher(content, merger)
    added = [matcher.find_hosts(term) for term in terms if term.kind is TermKind.ADD]
    chosen = set[str]().union(*added) if added else set(content.hosts)
    for term in terms:
        if term.kind is TermKind.KEEP:
            chosen &= matcher.find_hosts(term)
    for term in terms:
        if term.kind is TermKind.REMOVE:
            chosen -= matcher.find_hosts(term)
    return [host for name, host in content.hosts.items() if name in chosen]


class _Matcher:
    """Finds the hosts that terms name in one inventory."""

    def __init__(self, content: InventoryContent, merger: VariableMerger) -> None:
        self._content = content
        self._of_group: dict[str, list[str]] = {ALL: list(content.hosts), UNGROUPED: []}
        self._of_group |= {name: [] for name in content.groups}
        self._of_label: dict[str, list[str]] = {}
        for name, host in content.hosts.items():
            for group in merger.list_groups(host) or (UNGROUPED,):
                self._of_group[group].append(name)
            for label in host.labels:
                self._of_label.setdefault(label, []).append(name)

    def find_hosts(self, term: LimitTerm) -> set[str]:
        """Return the names of the hosts that a term names.

        Raises:
            LimitRefused: nothing in the inventory has this name, or there is no host at this place of the list.
        """
        named = self._find_labeled(term) if term.is_label else self._find_named(term)
        if term.subscript is None:
            return named
        # A subscript counts in the inventory's order.
        return set(_take_part([name for name in self._content.hosts if name in named], term.subscript, term.pattern))

    def _find_labeled(self, term: LimitTerm) -> set[str]:
        if not term.is_glob and term.pattern not in self._of_label:
            raise _make_unknown("label", term.pattern, self._of_label)
        matches = _make_test(term)
        return {name for label, names in self._of_label.items() if matches(label) for name in names}

    def _find_named(self, term: LimitTerm) -> set[str]:
        hosts = self._content.hosts
        if not term.is_glob:
            if term.pattern in self._of_group:
                return set(self._of_group[term.pattern])
            if term.pattern in hosts:
                return {term.pattern}
            raise _make_unknown("host or group", term.pattern, [*hosts, *self._of_group])
        matches = _make_test(term)
        found = {name for name in hosts if matches(name)}
        return found.union(*(names for group, names in self._of_group.items() if matches(group)))


def _make_test(term: LimitTerm) -> Callable[[str], bool]:
    if not term.is_glob:
        return lambda name: name == term.pattern
    matches = re.compile(fnmatch.translate(term.pattern)).match
    return lambda name: matches(name) is not None


def _take_part(names: list[str], subscript: Subscript, pattern: str) -> list[str]:
    if subscript.first == subscript.last:
        if not -len(names) <= subscript.first < len(names):
            raise LimitRefused(f"{pattern}[{subscript.first}]: {pattern!r} names {len(names)} hosts")
        return [names[subscript.first]]
    return names[subscript.first : None if subscript.last is None else subscript.last + 1]


def _make_unknown(what: str, name: str, known: Iterable[str]) -> LimitRefused:
    near = difflib.get_close_matches(name, list(known)[:20_000], n=1, cutoff=0.5)
    return LimitRefused(
        f"the inventory has no {what} called {name!r}", hint=f"did you mean {near[0]!r}?" if near else ""
    )
