"""Read inventories within a transaction."""

from collections.abc import Collection
from typing import Any

from runtime.kernel.store import Transaction
from schemas.automation.inventories import HOSTS, INVENTORIES, InventoryDocument
from schemas.errors import Conflict, NotFound
from schemas.ids import InventoryId
from wms.inventory.content.inventory_content import InventoryContent
from wms.inventory.stored.stored_forms import build_content, parse_inventory


async def load_inventory_in(tx: Transaction, inventory_id: InventoryId, rev: int | None) -> InventoryDocument:
    """Return an inventory.

    Raises:
        NotFound: there is none.
        Conflict: it has changed since `rev`.
    """
    found = await tx.find_one(INVENTORIES, {"_id": inventory_id})
    if found is None:
        raise NotFound(f"no inventory found with id: {inventory_id}")
    inventory = parse_inventory(found)
    check_revision(inventory, rev)
    return inventory


def check_revision(inventory: InventoryDocument, rev: int | None) -> None:
    """Check that an inventory has the revision that a caller has read; None: the caller names none.

    Raises:
        Conflict: it has another one.
    """
    if rev is not None and rev != inventory.rev:
        raise Conflict(
            f"the inventory has changed meanwhile: it is at revision {inventory.rev}, and not at {rev}",
            hint="read it again, and repeat the change",
        )


async def load_content_in(
    tx: Transaction, inventory_id: InventoryId, names: Collection[str] | None, rev: int | None = None
) -> tuple[InventoryDocument, InventoryContent]:
    """Return an inventory with all groups, and with the hosts of these `names`; None: all hosts.

    Raises:
        NotFound: there is none.
        Conflict: it has changed since `rev`.
    """
    inventory = await load_inventory_in(tx, inventory_id, rev)
    query: dict[str, Any] = {"inventory": inventory_id}
    if names is not None:
        query["name"] = {"$in": sorted(set(names))}
    found = [] if names is not None and not names else await tx.find(HOSTS, query, sort=[("_id", 1)])
    return inventory, build_content(inventory, found)


async def check_name_in(tx: Transaction, inventory: InventoryDocument) -> None:
    """Check that no other inventory of the organization has the name of this one.

    Raises:
        Conflict: another one has it.
    """
    query = {"organization": inventory.organization, "name": inventory.name, "_id": {"$ne": inventory.id}}
    if await tx.find_one(INVENTORIES, query, {"_id": 1}) is not None:
        raise Conflict(
            f"organization {inventory.organization!r} has an inventory {inventory.name!r} already",
            hint="take another name, or change that inventory",
        )
