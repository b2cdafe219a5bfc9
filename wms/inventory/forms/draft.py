"""Collect the groups and hosts of an inventory while its text is read, with the line of each. (core)"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.automation.inventories import MAX_HOSTS, MAX_RANGE_BYTES, MAX_RANGE_HOSTS
from wms.inventory.content.content_edits import sort_host
from wms.inventory.content.content_rules import Subject, count_bytes
from wms.inventory.content.inventory_content import ALL, UNGROUPED, Group, Host, InventoryContent, InventoryRefused

#: The variable in which a text keeps the labels of a host, as a list of names. Ansible itself has no labels.
LABELS_VARIABLE = "ewms_labels"


@dataclass(slots=True)
class _HostDraft:
    variables: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class _GroupDraft:
    variables: dict[str, Any] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class InventoryDraft:
    """An inventory that is being read. What comes several times is one: later variables override earlier ones."""

    variables: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, _GroupDraft] = field(default_factory=dict)
    hosts: dict[str, _HostDraft] = field(default_factory=dict)
    #: Where something first stands: its line, counted from 1.
    lines: dict[Subject, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    #: How many hosts the ranges mean until now, and how many bytes of variables they give to these.
    n_range_hosts: int = 0
    n_range_bytes: int = 0

    def add_fault(self, text: str, *, line: int | None = None) -> None:
        """Note that something is wrong, at this line."""
        self.faults.append(text if line is None else f"line {line}: {text}")

    def add_group(self, name: str, *, line: int | None = None) -> None:
        """Note a group. The groups that each inventory has need no note."""
        if name not in (ALL, UNGROUPED):
            self.groups.setdefault(name, _GroupDraft())
            self._note_line(("group", name), line)

    def add_hosts(
        self,
        names: Collection[str],
        variables: Mapping[str, Any],
        *,
        group: str = UNGROUPED,
        line: int | None = None,
    ) -> None:
        """Note hosts of a group, with their variables.

        Raises:
            InventoryRefused: there are too many hosts, or the ranges of the text mean too much.
        """
        if len(names) > 1:
            self._count_range(len(names), variables, line)
        for name in names:
            host = self.hosts.setdefault(name, _HostDraft())
            host.variables |= variables
            if group not in (ALL, UNGROUPED):
                host.groups[group] = None
            self._note_line(("host", name), line)
            if len(self.hosts) > MAX_HOSTS:
                raise _make_refusal(f"an inventory has at most {MAX_HOSTS} hosts; split it", line)

    def _count_range(self, n_hosts: int, variables: Mapping[str, Any], line: int | None) -> None:
        """Count what a range means before it takes memory: a short text can mean very much."""
        self.n_range_hosts += n_hosts
        if self.n_range_hosts > MAX_RANGE_HOSTS:
            raise _make_refusal(
                f"the ranges of hosts mean at most {MAX_RANGE_HOSTS} hosts in one text, each counted in each range;"
                " make a group of these hosts, and list the group in others",
                line,
            )
        self.n_range_bytes += n_hosts * count_bytes(variables)
        if self.n_range_bytes > MAX_RANGE_BYTES:
            raise _make_refusal(
                f"the variables of ranges of hosts take at most {MAX_RANGE_BYTES} bytes as JSON, counted for each host;"
                " give what many hosts share to a group",
                line,
            )

    def add_child(self, group: str, child: str, *, line: int | None = None) -> None:
        """Note that a group has a child. Each group is in `all` anyway."""
        if child in (ALL, UNGROUPED):
            if group != ALL or child == ALL:
                self.add_fault(f"{child!r} cannot be in another group", line=line)
        elif group != ALL:
            if group == UNGROUPED:
                self.add_fault("the group 'ungrouped' has no groups in it", line=line)
            else:
                self.add_group(group, line=line)
                self.groups[group].children[child] = None

    def add_variables(self, group: str, variables: Mapping[str, Any], *, line: int | None = None) -> None:
        """Note variables of a group. Those of `all` are the inventory's."""
        if group == ALL:
            self.variables |= variables
        elif group == UNGROUPED:
            if variables:
                self.add_fault("the group 'ungrouped' has no variables here; make a group of your own", line=line)
        else:
            self.add_group(group, line=line)
            self.groups[group].variables |= variables

    def _note_line(self, subject: Subject, line: int | None) -> None:
        if line is not None:
            self.lines.setdefault(subject, line)

    def name_place(self, subject: Subject) -> str:
        """Return the line of a host or group; empty if it is not known."""
        return f"line {self.lines[subject]}" if subject in self.lines else ""

    def finish(self) -> InventoryContent:
        """Return the content. It may still break rules.

        Raises:
            InventoryRefused: the text had faults.
        """
        hosts = {name: self._finish_host(name, each) for name, each in self.hosts.items()}
        if self.faults:
            raise InventoryRefused(self.faults)
        groups = {name: Group(name, tuple(each.children), each.variables) for name, each in self.groups.items()}
        return InventoryContent(self.variables, groups, hosts)

    def _finish_host(self, name: str, draft: _HostDraft) -> Host:
        labels = draft.variables.pop(LABELS_VARIABLE, None) or []
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            place = self.name_place(("host", name))
            self.add_fault(f"{place + ': ' if place else ''}host {name!r}: {LABELS_VARIABLE} must be a list of names")
            labels = []
        return sort_host(Host(name, tuple(labels), tuple(draft.groups), draft.variables))


def _make_refusal(text: str, line: int | None) -> InventoryRefused:
    return InventoryRefused([text if line is None else f"line {line}: {text}"])
