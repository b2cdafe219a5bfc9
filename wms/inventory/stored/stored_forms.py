"""Turn inventories into documents of MongoDB and back, and a change of one into changes of documents. (core)"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from runtime.kernel.decision import Change, Delete, Document, Insert, Update
from schemas.automation.inventories import HOSTS, INVENTORIES, HostDocument, InventoryDocument, InventoryGroup
from schemas.ids import HostId
from wms.inventory.content.content_edits import list_changed_hosts
from wms.inventory.content.content_rules import check_content, count_content, find_size_faults
from wms.inventory.content.inventory_content import Group, Host, InventoryContent, InventoryRefused, make_content


def parse_inventory(document: Document) -> InventoryDocument:
    """Return the inventory that MongoDB keeps as `document`."""
    return InventoryDocument.model_validate({**document, "id": document["_id"]})


def parse_host(document: Document) -> HostDocument:
    """Return the host that MongoDB keeps as `document`."""
    return HostDocument.model_validate({**document, "id": document["_id"]})


def make_document(stored: InventoryDocument | HostDocument) -> Document:
    """Return an inventory, or a host, as MongoDB keeps it."""
    document = stored.model_dump()
    document["_id"] = document.pop("id")
    return document


def build_content(inventory: InventoryDocument, hosts: Iterable[Document]) -> InventoryContent:
    """Return the content of an inventory with these of its hosts."""
    groups = [Group(each.name, each.children, each.variables) for each in inventory.groups]
    return make_content(inventory.variables, groups, [_build_host(each) for each in hosts])


def _build_host(document: Document) -> Host:
    # A model of pydantic for each of thousands of hosts would take most of the time.
    return Host(
        document["name"],
        tuple(document.get("labels", ())),
        tuple(document.get("groups", ())),
        document.get("variables", {}),
        HostId(document["_id"]),
    )


@dataclass(frozen=True, slots=True)
class ContentChange:
    """What a change of an inventory's content means for the stored documents."""

    #: The inventory after it. Its `rev` is the one before, which the store counts up.
    inventory: InventoryDocument
    made: tuple[Host, ...]
    changes: tuple[Change, ...]


def plan_change(
    inventory: InventoryDocument,
    before: InventoryContent,
    after: InventoryContent,
    *,
    new_ids: Sequence[HostId],
    now: datetime,
    by: str,
) -> ContentChange:
    """Return what to store so that an inventory with the content `before` has the content `after`.

    Both may be a part of the inventory, as long as they have all groups. `new_ids` has an id for each new host.

    Raises:
        InventoryRefused: the inventory would break a rule.
    """
    check_content(after)
    made, changed, gone = list_changed_hosts(before.hosts, after.hosts)
    made = [replace(host, id=number) for host, number in zip(made, new_ids, strict=True)]
    n_hosts = inventory.n_hosts + len(made) - len(gone)
    n_bytes = inventory.n_bytes + count_content(after) - count_content(before)
    if faults := list(find_size_faults(n_hosts, n_bytes)):
        raise InventoryRefused(faults)
    fields: dict[str, Any] = {"n_hosts": n_hosts, "n_bytes": n_bytes, "modified": now, "modified_by": by}
    if after.variables != before.variables:
        fields["variables"] = dict(after.variables)
    if after.groups != before.groups or list(after.groups) != list(before.groups):
        fields["groups"] = dump_groups(after)
    changes: list[Change] = [Delete(HOSTS, host.id) for host in gone]
    changes += [Update(HOSTS, host.id, set={**_dump_host(host), "modified": now}) for host in changed]
    changes += [Insert(HOSTS, make_host_document(inventory, host, now)) for host in made]
    is_changed = bool(changes) or {"variables", "groups"} & fields.keys()
    if is_changed:
        changes.append(Update(INVENTORIES, inventory.id, set=fields, rev=inventory.rev))
    return ContentChange(inventory, tuple(made), tuple(changes))


def dump_groups(content: InventoryContent) -> list[Document]:
    """Return the groups of an inventory as its document keeps them."""
    return [
        InventoryGroup(name=each.name, children=each.children, variables=each.variables).model_dump()
        for each in content.groups.values()
    ]


def make_host_document(inventory: InventoryDocument, host: Host, now: datetime) -> Document:
    """Return a new host as MongoDB keeps it."""
    belongs = {"inventory": inventory.id, "organization": inventory.organization}
    return {"_id": host.id, **belongs, **_dump_host(host), "created": now, "modified": now}


def _dump_host(host: Host) -> Document:
    return {
        "name": host.name,
        "labels": list(host.labels),
        "groups": list(host.groups),
        "variables": dict(host.variables),
    }
