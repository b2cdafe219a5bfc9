"""Create, change, import and delete inventories, for principals.

Members of an organization see its inventories, and its admins change them. To anybody else they do not exist.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.clock import stored_now
from runtime.once import Once
from schemas.automation.inventories import InventoryDocument, InventoryForm, InventoryGroup
from schemas.errors import NotFound
from schemas.ids import InventoryId
from wms.inventory.content.content_edits import Edit, merge_all, replace_all
from wms.inventory.content.content_rules import check_content, count_content
from wms.inventory.content.inventory_content import InventoryContent
from wms.inventory.forms.form_reading import read_inventory
from wms.inventory.stored.inventory_store import InventoryStore
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal, check_right, choose_organization, find_organizations


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedText:
    """An inventory that somebody brings: a text, or an object in one of the JSON forms. No form: find it out."""

    content: str | Mapping[str, Any]
    form: InventoryForm | None = None


class InventoryService:
    """The inventories that principals see."""

    def __init__(self, inventories: InventoryStore, organizations: Organizations) -> None:
        self._inventories = inventories
        self._organizations = organizations

    async def list_inventories(
        self, principal: Principal, *, name: str = "", organization: str = "", after: int = 0, limit: int
    ) -> list[InventoryDocument]:
        """Return at most `limit` inventories that the principal sees, by id, those after the id `after`."""
        query: dict[str, Any] = {**make_seen_filter(principal, organization), "_id": {"$gt": after}}
        if name:
            query["name"] = name
        return await self._inventories.list_inventories(query, limit=limit)

    async def get_inventory(
        self, principal: Principal, inventory_id: InventoryId, action: Action = Action.SEE_INVENTORY
    ) -> InventoryDocument:
        """Return an inventory on which the principal may do `action`.

        Raises:
            NotFound: there is none that the principal sees.
            Forbidden: the principal sees it, and may not do this.
        """
        absent = f"no inventory found with id: {inventory_id}"
        found = await self._inventories.find_inventory(inventory_id)
        if found is None:
            raise NotFound(absent)
        check_right(principal, action, found.organization, absent=absent)
        return found

    async def load_content(
        self, principal: Principal, inventory_id: InventoryId, action: Action = Action.SEE_INVENTORY
    ) -> tuple[InventoryDocument, InventoryContent]:
        """Return an inventory on which the principal may do `action`, with all of its content, both of one moment.

        Raises:
            NotFound, Forbidden: as `get_inventory`.
        """
        await self.get_inventory(principal, inventory_id, action)
        return await self._inventories.load_content(inventory_id)

    async def create_inventory(
        self,
        principal: Principal,
        *,
        name: str,
        organization: str = "",
        description: str = "",
        variables: Mapping[str, Any] | None = None,
        imported: ImportedText | None = None,
        once: Once | None = None,
    ) -> InventoryDocument:
        """Create an inventory, empty or from a text, and return it. `variables` override those of the text.

        Raises:
            NotFound, Forbidden: the principal does not see the organization, or may not change its inventories.
            Conflict: the organization has an inventory of this name.
            InventoryRefused: the text has faults.
        """
        await self._organizations.check_named(principal, organization)
        chosen = choose_organization(principal, Action.CHANGE_INVENTORY, organization)
        content = InventoryContent() if imported is None else await _read_import(imported)
        if variables:
            content = InventoryContent({**content.variables, **variables}, content.groups, content.hosts)
            check_content(content)
        now = stored_now()
        fresh = InventoryDocument(
            id=InventoryId(0),
            organization=chosen,
            name=name,
            description=description,
            variables=content.variables,
            groups=tuple(
                InventoryGroup(name=each.name, children=each.children, variables=each.variables)
                for each in content.groups.values()
            ),
            n_hosts=len(content.hosts),
            n_bytes=count_content(content),
            created=now,
            modified=now,
            created_by=principal.subject,
            modified_by=principal.subject,
        )
        return await self._inventories.add_inventory(fresh, content, once=once)

    async def change_inventory(
        self, principal: Principal, inventory_id: InventoryId, fields: Mapping[str, Any], *, rev: int | None = None
    ) -> InventoryDocument:
        """Set `name` and `description` of an inventory, and return it.

        Raises:
            NotFound, Forbidden: as `get_inventory`.
            Conflict: another has the name, or the inventory has changed since `rev`.
        """
        await self.get_inventory(principal, inventory_id, Action.CHANGE_INVENTORY)
        return await self._inventories.change_fields(inventory_id, fields, rev=rev, by=principal.subject)

    async def import_content(
        self,
        principal: Principal,
        inventory_id: InventoryId,
        imported: ImportedText,
        *,
        merges: bool,
        rev: int | None = None,
        once: Once | None = None,
    ) -> InventoryDocument:
        """Replace the content of an inventory by that of a text, or merge the text into it; return the inventory.

        Raises:
            NotFound, Forbidden: as `get_inventory`.
            Conflict: the inventory has changed since `rev`.
            InventoryRefused: the text has faults, or what comes of it breaks a rule.
        """
        await self.get_inventory(principal, inventory_id, Action.CHANGE_INVENTORY)
        given = await _read_import(imported)
        return await self.edit_content(
            principal,
            inventory_id,
            merge_all(given) if merges else replace_all(given),
            # A new group may have the name of a host.
            hosts={*given.hosts, *given.groups} if merges else None,
            what={"import": "merge" if merges else "replace", "hosts_in_text": len(given.hosts)},
            rev=rev,
            once=once,
        )

    async def edit_content(
        self,
        principal: Principal,
        inventory_id: InventoryId,
        edit: Edit,
        *,
        hosts: Collection[str] | None,
        what: Mapping[str, Any],
        rev: int | None = None,
        once: Once | None = None,
    ) -> InventoryDocument:
        """Change the content of an inventory, and return it. `hosts` are those that `edit` needs; None: all.

        Raises:
            NotFound, Forbidden: as `get_inventory`; or what `edit` names is not there.
            Conflict: the inventory has changed since `rev`, or has already what `edit` adds.
            InventoryRefused: the inventory would break a rule.
        """
        await self.get_inventory(principal, inventory_id, Action.CHANGE_INVENTORY)
        changed, _ = await self._inventories.change_content(
            inventory_id, edit, hosts=hosts, what=what, rev=rev, by=principal.subject, once=once
        )
        return changed

    async def delete_inventory(
        self, principal: Principal, inventory_id: InventoryId, *, rev: int | None = None
    ) -> None:
        """Delete an inventory with its hosts.

        Raises:
            NotFound, Forbidden: as `get_inventory`.
            Conflict: it has changed since `rev`.
        """
        await self.get_inventory(principal, inventory_id, Action.CHANGE_INVENTORY)
        await self._inventories.delete_inventory(inventory_id, rev=rev, by=principal.subject)


def make_seen_filter(principal: Principal, organization: str) -> dict[str, Any]:
    """Return the MongoDB filter for what the principal sees, in one organization or in all."""
    seen = find_organizations(principal, Action.SEE_INVENTORY)
    if organization:
        return {"organization": {"$in": [organization] if seen is None or organization in seen else []}}
    return {} if seen is None else {"organization": {"$in": sorted(seen)}}


async def _read_import(imported: ImportedText) -> InventoryContent:
    # A large text takes seconds.
    return await asyncio.to_thread(read_inventory, imported.content, imported.form)
