"""Write an inventory in one of Ansible's forms. Reading it again gives the same content. (core)

The labels of a host stand in its variable `ewms_labels`, for Ansible has no labels.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from schemas.automation.inventories import InventoryForm
from schemas.errors import Rejected
from wms.inventory.content.inventory_content import ALL, UNGROUPED, Group, Host, InventoryContent
from wms.inventory.forms.draft import LABELS_VARIABLE
from wms.inventory.forms.ini_reading import read_value
from wms.inventory.forms.json_reading import META

_DUMPER: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
#: A text that INI can have without quotes, if Python does not read it as another value.
_BARE = re.compile(r"[A-Za-z0-9_./:@+-]+", re.ASCII)
_LABEL_GROUP = re.compile(r"[^A-Za-z0-9_]", re.ASCII)


class _PlainDumper(_DUMPER):  # type: ignore[misc]
    """Writes a value again where it comes again. Readers of inventories know no aliases."""

    def ignore_aliases(self, _: object) -> bool:
        return True


def write_inventory(content: InventoryContent, form: InventoryForm, *, with_label_groups: bool = False) -> str:
    """Return the text of an inventory. With `with_label_groups`, JSON has a group `label_NAME` for each label.

    Raises:
        Rejected: only JSON has groups of labels; or two labels, or a label and a group, would have one name.
    """
    if with_label_groups and form is not InventoryForm.JSON:
        raise Rejected("only the form json has groups of labels", hint="ask for json, or leave them out")
    match form:
        case InventoryForm.JSON:
            listing = make_listing(content)
            if with_label_groups:
                listing |= make_label_groups(content)
            return json.dumps(listing, indent=2, ensure_ascii=False) + "\n"
        case InventoryForm.YAML:
            document = _make_document(content)
            return str(yaml.dump(document, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=120))
        case InventoryForm.INI:
            return "\n".join(_write_ini(content)).strip() + "\n"


def make_listing(content: InventoryContent) -> dict[str, Any]:
    """Return an inventory as `ansible-inventory --list --export` prints it, with all hosts below `all`."""
    inner = {child for group in content.groups.values() for child in group.children}
    listing: dict[str, Any] = {
        META: {"hostvars": {name: _list_variables(host) for name, host in content.hosts.items()}},
        # Their order is the inventory's.
        ALL: {
            "hosts": list(content.hosts),
            "children": [UNGROUPED, *(name for name in content.groups if name not in inner)],
        },
        UNGROUPED: {"hosts": [name for name, host in content.hosts.items() if not host.groups]},
    }
    if content.variables:
        listing[ALL]["vars"] = dict(content.variables)
    of_group = _list_members(content)
    for name, group in content.groups.items():
        sections = {"hosts": of_group[name], "children": list(group.children), "vars": dict(group.variables)}
        listing[name] = {key: value for key, value in sections.items() if value} or {"hosts": []}
    return listing


def make_label_groups(content: InventoryContent) -> dict[str, Any]:
    """Return a group for each label, with its hosts. Ansible's names of groups have letters, digits and `_` only.

    Raises:
        Rejected: two labels, or a label and a group, would have the same name.
    """
    found: dict[str, dict[str, list[str]]] = {}
    labels: dict[str, str] = {}
    for host in content.hosts.values():
        for label in host.labels:
            name = f"label_{_LABEL_GROUP.sub('_', label)}"
            if labels.setdefault(name, label) != label or name in content.groups:
                raise Rejected(f"the group of the label {label!r} would be {name!r}, and that name is taken")
            found.setdefault(name, {"hosts": []})["hosts"].append(host.name)
    return dict(sorted(found.items()))


def _list_variables(host: Host) -> dict[str, Any]:
    labels = {LABELS_VARIABLE: list(host.labels)} if host.labels else {}
    return {**host.variables, **labels}


def _list_members(content: InventoryContent) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in content.groups}
    for name, host in content.hosts.items():
        for group in host.groups:
            found[group].append(name)
    return found


def _make_document(content: InventoryContent) -> dict[str, Any]:
    """Return what the YAML form says. A group's body stands where the group first comes, and is empty elsewhere.

    All hosts stand below `all` in their order, with their variables, and below their groups by their names only.
    """
    members = _list_members(content)
    body: dict[str, Any] = {}
    if content.variables:
        body["vars"] = dict(content.variables)
    if content.hosts:
        body["hosts"] = {name: _list_variables(host) or None for name, host in content.hosts.items()}
    if content.groups:
        body["children"] = {name: _make_group_body(each, members[name]) for name, each in content.groups.items()}
    return {ALL: body}


def _make_group_body(group: Group, members: list[str]) -> dict[str, Any] | None:
    sections: Mapping[str, Any] = {
        "vars": dict(group.variables),
        "hosts": dict.fromkeys(members),
        "children": dict.fromkeys(group.children),
    }
    return {key: value for key, value in sections.items() if value} or None


def _write_ini(content: InventoryContent) -> Iterable[str]:
    # All hosts first, in their order. A host that stands in no section before any group is in no group by that.
    for name, host in content.hosts.items():
        yield " ".join([name, *(_write_assignment(key, value) for key, value in _list_variables(host).items())])
    if content.variables:
        yield from ("", f"[{ALL}:vars]", *_write_variables(content.variables))
    members = _list_members(content)
    for name, group in content.groups.items():
        yield from ("", f"[{name}]", *members[name])
        if group.children:
            yield from ("", f"[{name}:children]", *group.children)
        if group.variables:
            yield from ("", f"[{name}:vars]", *_write_variables(group.variables))


def _write_assignment(name: str, value: Any) -> str:
    """Return `name=value` as one word of a line of a host."""
    text = _write_value(value)
    if _BARE.fullmatch(text):
        return f"{name}={text}"
    # The word passes a reader of shell words first, and Python's reader of values then.
    return f"{name}='{text}'" if "'" not in text else f'{name}="{_escape(text)}"'


def _write_value(value: Any) -> str:
    """Return the text that Python reads as `value`, or the bare text if it reads nothing else from that."""
    is_bare = isinstance(value, str) and _BARE.fullmatch(value) is not None and read_value(value) == value
    return str(value) if is_bare else repr(value)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _write_variables(variables: Mapping[str, Any]) -> Iterable[str]:
    return (f"{name}={_write_value(value)}" for name, value in variables.items())
