"""Search, add, change and remove the hosts of inventories, for principals. The rights are those of the inventory."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

from runtime.once import Once
from schemas.automation.inventories import HostDocument
from schemas.errors import NotFound, Rejected
from schemas.ids import HostId, InventoryId
from wms.inventory.content.content_edits import Edit, add_host
from wms.inventory.content.inventory_content import Host, InventoryContent
from wms.inventory.limits.host_search import HostWish, find_hosts
from wms.inventory.stored.inventory_service import InventoryService, make_seen_filter
from wms.inventory.stored.inventory_store import InventoryStore
from wms.tenancy.rights import Action, Principal, check_right

#: Makes the change of a host from its name.
MakeEdit = Callable[[str], Edit]


class HostService:
    """The hosts that principals see."""

    def __init__(self, inventories: InventoryStore, service: InventoryService) -> None:
        self._inventories = inventories
        self._service = service

    async def get_host(
        self, principal: Principal, host_id: HostId, action: Action = Action.SEE_INVENTORY
    ) -> HostDocument:
        """Return a host on whose inventory the principal may do `action`.

        Raises:
            NotFound: there is none that the principal sees.
            Forbidden: the principal sees it, and may not do this.
        """
        absent = f"no host found with id: {host_id}"
        found = await self._inventories.find_host(host_id)
        if found is None:
            raise NotFound(absent)
        check_right(principal, action, found.organization, absent=absent)
        return found

    async def load_levels(self, host: HostDocument) -> InventoryContent:
        """Return the part of an inventory that gives a host its variables: all groups, and this host if it is there."""
        return await self._inventories.load_levels(host)

    async def add_host(
        self,
        principal: Principal,
        inventory_id: InventoryId,
        host: Host,
        *,
        rev: int | None = None,
        once: Once | None = None,
    ) -> HostDocument:
        """Add a host to an inventory, and return it.

        Raises:
            NotFound, Forbidden: as `get_inventory`.
            Conflict: the inventory has a host of this name, or has changed since `rev`.
            InventoryRefused: the host breaks a rule, or a group of it is not there.
        """
        await self._service.get_inventory(principal, inventory_id, Action.CHANGE_INVENTORY)
        _, made = await self._inventories.change_content(
            inventory_id,
            add_host(host),
            hosts=[host.name],
            what={"add_host": host.name},
            rev=rev,
            by=principal.subject,
            once=once,
        )
        return await self.get_host(principal, made[0])

    async def edit_host(
        self,
        principal: Principal,
        host_id: HostId,
        make_edit: MakeEdit,
        *,
        what: Mapping[str, Any],
        others: Collection[str] = (),
        rev: int | None = None,
    ) -> HostDocument | None:
        """Change a host, and return it; None: it is gone. `make_edit` gets its name, and `others` are hosts it needs.

        Raises:
            NotFound, Forbidden: as `get_host`; or what the edit names is not there.
            Conflict: the inventory has changed since `rev`, or has already what the edit adds.
            InventoryRefused: the inventory would break a rule.
        """
        host = await self.get_host(principal, host_id, Action.CHANGE_INVENTORY)
        await self._inventories.change_content(
            host.inventory,
            make_edit(host.name),
            hosts=[host.name, *others],
            what={"host": host.name, **what},
            rev=rev,
            by=principal.subject,
        )
        return await self._inventories.find_host(host_id)

    async def list_hosts(
        self, principal: Principal, wish: HostWish, *, after: int = 0, limit: int
    ) -> list[HostDocument]:
        """Return at most `limit` hosts that fulfil a wish and that the principal sees, by id, those after `after`.

        Raises:
            NotFound: there is no such inventory.
            Rejected: the wish needs an inventory, or its limit cannot be read.
        """
        if wish.needs_content:
            if wish.inventory is None:
                raise Rejected(f"{wish.needs_content!r}: name the inventory, too", hint="add inventory=ID to the query")
            inventory, content = await self._service.load_content(principal, wish.inventory)
            # Thousands of hosts take a while.
            hosts = await asyncio.to_thread(find_hosts, content, wish)
            names = [host.name for host in hosts if (host.id or 0) > after][:limit]
            return await self._inventories.list_hosts({"inventory": inventory.id, "name": {"$in": names}}, limit=limit)
        query: dict[str, Any] = {**make_seen_filter(principal, wish.organization), "_id": {"$gt": after}}
        if wish.inventory is not None:
            await self._service.get_inventory(principal, wish.inventory)
            query["inventory"] = wish.inventory
        if wish.name:
            query["name"] = wish.name
        if wish.labels:
            query["labels"] = {"$all": list(wish.labels)}
        return await self._inventories.list_hosts(query, limit=limit)
