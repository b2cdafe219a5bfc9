"""Read an inventory in Ansible's YAML form, with the line of each fault. (core)

    all:
      vars: {site: north}
      hosts: {bastion: {ansible_port: 2222}}
      children:
        web:
          hosts: {"web[01:20]": {rack: 7}}

Source: Ansible's documentation of its inventory plugin "yaml".
"""

from collections.abc import Mapping
from typing import Any

from schemas.errors import Rejected
from wms.inventory.content.inventory_content import ALL
from wms.inventory.forms.draft import InventoryDraft
from wms.inventory.forms.host_ranges import expand_range, split_port
from wms.located_text import LocatedDocument, Path

_SECTIONS = ("hosts", "vars", "children")


def read_yaml(document: LocatedDocument) -> InventoryDraft:
    """Return what a document says. Faults are noted in the draft, each with its line, if the document has lines.

    Raises:
        InventoryRefused: there are too many hosts, or the ranges mean too much.
    """
    reader = _YamlReader(document)
    if isinstance(document.value, Mapping):
        for group, body in document.value.items():
            reader.read_group(group, body, (group,), parent=ALL)
    else:
        reader.draft.add_fault("an inventory is an object whose keys are groups", line=1)
    return reader.draft


class _YamlReader:
    def __init__(self, document: LocatedDocument) -> None:
        self.draft = InventoryDraft()
        self._lines = document.lines

    def read_group(self, group: str, body: Any, path: Path, *, parent: str) -> None:
        line = self._lines.get(path)
        self.draft.add_group(group, line=line)
        if group != ALL or parent != ALL:
            self.draft.add_child(parent, group, line=line)
        sections = self._read_object(f"group {group!r}", body, path)
        for name in sections:
            if name not in _SECTIONS:
                self.draft.add_fault(
                    f"group {group!r}: {name!r} is none of {', '.join(_SECTIONS)}; a host stands below 'hosts', and a"
                    " group below 'children'",
                    line=self._lines.get((*path, name)),
                )
        variables = self._read_object(f"vars of group {group!r}", sections.get("vars"), (*path, "vars"))
        self.draft.add_variables(group, variables, line=line)
        hosts = self._read_object(f"hosts of group {group!r}", sections.get("hosts"), (*path, "hosts"))
        for host, values in hosts.items():
            self._read_host(group, host, values, (*path, "hosts", host))
        children = self._read_object(f"children of group {group!r}", sections.get("children"), (*path, "children"))
        for child, inner in children.items():
            self.read_group(child, inner, (*path, "children", child), parent=group)

    def _read_host(self, group: str, text: str, values: Any, path: Path) -> None:
        line = self._lines.get(path)
        variables = dict(self._read_object(f"host {text!r}", values, path))
        try:
            name, port = split_port(text)
            names = expand_range(name)
        except Rejected as fault:
            self.draft.add_fault(fault.reason, line=line)
            return
        if port is not None:
            variables.setdefault("ansible_port", port)
        self.draft.add_hosts(names, variables, group=group, line=line)

    def _read_object(self, what: str, value: Any, path: Path) -> Mapping[str, Any]:
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return value
        self.draft.add_fault(f"{what} must be an object, NAME: VALUE", line=self._lines.get(path))
        return {}
