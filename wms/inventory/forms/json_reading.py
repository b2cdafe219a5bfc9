"""Read an inventory in the form that `ansible-inventory --list` prints, and that inventory scripts print. (core)

    {"_meta": {"hostvars": {"web1": {"rack": 7}}},
     "all": {"children": ["ungrouped", "web"], "vars": {"site": "north"}},
     "web": {"hosts": ["web1"], "vars": {}, "children": []}}

With `--list --export` the variables of groups stay with their groups; without, each host has all of them.
Source: Ansible's developer guide, "Developing dynamic inventory", and the output of ansible-core 2.19.
"""

from collections.abc import Mapping
from typing import Any

from wms.inventory.content.inventory_content import ALL
from wms.inventory.forms.draft import InventoryDraft

META = "_meta"
_SECTIONS = ("hosts", "vars", "children")


def is_listing(value: Any) -> bool:
    """Return whether a JSON value has this form, and not the one of Ansible's YAML files."""
    if not isinstance(value, Mapping):
        return False
    groups = [each for name, each in value.items() if name != META]
    return META in value or any(
        isinstance(each, list) or (isinstance(each, Mapping) and isinstance(each.get("hosts", {}), list))
        for each in groups
    )


def read_listing(value: Mapping[str, Any]) -> InventoryDraft:
    """Return what the listing says. Faults are noted in the draft.

    Raises:
        InventoryRefused: there are too many hosts.
    """
    draft = InventoryDraft()
    # The listing's groups have an order, and `_meta` stands first or last: read the groups first, for the hosts' order.
    for group, body in value.items():
        if group != META:
            _read_group(draft, group, body)
    meta = value.get(META)
    hostvars = meta.get("hostvars", {}) if isinstance(meta, Mapping) else {}
    if not isinstance(hostvars, Mapping):
        draft.add_fault("_meta.hostvars must be an object of hosts")
        hostvars = {}
    for host, variables in hostvars.items():
        if not isinstance(variables, Mapping):
            draft.add_fault(f"_meta.hostvars.{host} must be an object of variables")
        else:
            draft.add_hosts([host], variables)
    return draft


def _read_group(draft: InventoryDraft, group: str, body: Any) -> None:
    sections = {"hosts": body} if isinstance(body, list) else body
    if not isinstance(sections, Mapping):
        draft.add_fault(f"group {group!r} must be an object with some of {', '.join(_SECTIONS)}")
        return
    draft.add_group(group)
    if unknown := [name for name in sections if name not in _SECTIONS]:
        draft.add_fault(f"group {group!r}: {unknown[0]!r} is none of {', '.join(_SECTIONS)}")
    draft.add_hosts(_read_names(draft, f"hosts of group {group!r}", sections.get("hosts")), {}, group=group)
    for child in _read_names(draft, f"children of group {group!r}", sections.get("children")):
        # `all` lists all groups that no other has. A group without hosts and variables stands nowhere else.
        if group == ALL:
            draft.add_group(child)
        else:
            draft.add_child(group, child)
            draft.add_group(child)
    variables = sections.get("vars") or {}
    if isinstance(variables, Mapping):
        draft.add_variables(group, variables)
    else:
        draft.add_fault(f"vars of group {group!r} must be an object")


def _read_names(draft: InventoryDraft, what: str, value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        draft.add_fault(f"{what} must be a list of names")
        return []
    return value
