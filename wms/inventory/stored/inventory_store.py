"""Load and store inventories with their hosts. A change of either is one transaction, which `rev` guards."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from runtime.clock import stored_now
from runtime.concurrency.turns import Turns
from runtime.kernel.decision import Change, Decision, Delete, Insert, Update
from runtime.kernel.store import Index, Store, Transaction
from runtime.once import Once
from schemas.automation.inventories import HOSTS, INVENTORIES, HostDocument, InventoryDocument
from schemas.engine.run_documents import COUNTERS
from schemas.errors import NotFound, Unavailable
from schemas.ids import HostId, InventoryId
from wms.audit.audit_facts import AuditFacts
from wms.audit.audit_log import AuditLog
from wms.inventory.content.content_edits import Edit
from wms.inventory.content.inventory_content import InventoryContent
from wms.inventory.stored.inventory_reading import check_name_in, check_revision, load_content_in, load_inventory_in
from wms.inventory.stored.stored_forms import (
    ContentChange,
    make_document,
    make_host_document,
    parse_host,
    parse_inventory,
    plan_change,
)

INDEXES: Mapping[str, tuple[Index, ...]] = {
    INVENTORIES: (Index(("organization", "name"), unique=True),),
    HOSTS: (
        Index(("inventory", "name"), unique=True),
        Index(("inventory", "_id")),
        Index(("organization", "_id")),
        Index(("labels",), partial={"labels.0": {"$exists": True}}),
    ),
}

#: How often a change of a whole inventory begins again, if other changes come first.
_MAX_TRIES = 10
#: A change with more hosts is planned in a thread.
_MAX_PLANNED_HERE = 200


class _Moved(Exception):
    """The inventory has changed since it was read."""


class InventoryStore:
    """The inventories of one database. Callers check the rights first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._audit = AuditLog(store)
        #: Changes of one inventory come one after the other, or they would make each other begin again.
        self._turns = Turns()

    async def find_inventory(self, inventory_id: InventoryId) -> InventoryDocument | None:
        """Return the inventory; None: there is none."""
        found = await self._store.find_one(INVENTORIES, {"_id": inventory_id})
        return None if found is None else parse_inventory(found)

    async def load_inventory(self, inventory_id: InventoryId) -> InventoryDocument:
        """Return the inventory.

        Raises:
            NotFound: there is none.
        """
        found = await self.find_inventory(inventory_id)
        if found is None:
            raise NotFound(f"no inventory found with id: {inventory_id}")
        return found

    async def list_inventories(self, query: Mapping[str, Any], *, limit: int) -> list[InventoryDocument]:
        """Return at most `limit` inventories that match `query`, by id."""
        found = await self._store.find(INVENTORIES, query, sort=[("_id", 1)], limit=limit)
        return [parse_inventory(each) for each in found]

    async def load_content(self, inventory_id: InventoryId) -> tuple[InventoryDocument, InventoryContent]:
        """Return an inventory with all of its content, both of one moment.

        Raises:
            NotFound: there is none.
        """

        async def step(tx: Transaction) -> Decision:
            return Decision(answer=await load_content_in(tx, inventory_id, None))

        decided = await self._store.transact(step)
        assert isinstance(decided, Decision)  # it has no `once`
        inventory, content = decided.answer
        return inventory, content

    async def load_levels(self, host: HostDocument) -> InventoryContent:
        """Return the part of an inventory that gives a host its variables: all groups, and this host.

        Raises:
            NotFound: the inventory is gone.
        """

        async def step(tx: Transaction) -> Decision:
            return Decision(answer=await load_content_in(tx, host.inventory, [host.name]))

        decided = await self._store.transact(step)
        assert isinstance(decided, Decision)  # it has no `once`
        content: InventoryContent = decided.answer[1]
        return content

    async def find_host(self, host_id: HostId) -> HostDocument | None:
        """Return the host; None: there is none."""
        found = await self._store.find_one(HOSTS, {"_id": host_id})
        return None if found is None else parse_host(found)

    async def list_hosts(self, query: Mapping[str, Any], *, limit: int) -> list[HostDocument]:
        """Return at most `limit` hosts that match `query`, by id."""
        found = await self._store.find(HOSTS, query, sort=[("_id", 1)], limit=limit)
        return [parse_host(each) for each in found]

    async def add_inventory(
        self, inventory: InventoryDocument, content: InventoryContent, *, once: Once | None
    ) -> InventoryDocument:
        """Store a new inventory with its hosts under a new id; return it, or the one that an earlier request made.

        Raises:
            Conflict: another inventory of the organization has the name, or `once` was used for another request.
        """

        async def step(tx: Transaction) -> Decision:
            await check_name_in(tx, inventory)
            made = inventory.model_copy(update={"id": InventoryId(await self._store.count_up(COUNTERS, "inventories"))})
            numbers = await self._take_host_ids(len(content.hosts))
            hosts = zip(content.hosts.values(), numbers, strict=True)
            changes: list[Change] = [Insert(INVENTORIES, make_document(made))]
            for host, number in hosts:
                document = {**make_host_document(made, host, made.created), "_id": number}
                changes.append(Insert(HOSTS, document))
            facts = _describe(made, "create", {"hosts": [0, made.n_hosts]} if made.n_hosts else {})
            changes += await self._audit.make_inserts(made.created_by, [facts])
            return Decision(changes=tuple(changes), answer=made.id)

        decided = await self._store.transact(step, once=once)
        return await self.load_inventory(InventoryId(decided.answer))

    async def change_fields(
        self, inventory_id: InventoryId, fields: Mapping[str, Any], *, rev: int | None, by: str
    ) -> InventoryDocument:
        """Set `name` and `description` of an inventory, and return it.

        Raises:
            NotFound: there is none.
            Conflict: another has the name, or the inventory has changed since `rev`.
        """

        async def step(tx: Transaction) -> Decision:
            before = await load_inventory_in(tx, inventory_id, rev)
            after = before.model_copy(update=dict(fields))
            if after == before:
                return Decision()
            await check_name_in(tx, after)
            changes: list[Change] = [_update(before, {**fields, "modified": stored_now(), "modified_by": by})]
            told = {name: [getattr(before, name), value] for name, value in fields.items()}
            changes += await self._audit.make_inserts(by, [_describe(after, "update", told)])
            return Decision(changes=tuple(changes))

        async with self._turns.hold_turn(inventory_id):
            await self._store.transact(step)
        return await self.load_inventory(inventory_id)

    async def change_content(
        self,
        inventory_id: InventoryId,
        edit: Edit,
        *,
        hosts: Collection[str] | None,
        what: Mapping[str, Any],
        rev: int | None,
        by: str,
        once: Once | None = None,
    ) -> tuple[InventoryDocument, list[HostId]]:
        """Change the content of an inventory; return the inventory, and the ids of the hosts that it added.

        `edit` sees all groups, and the `hosts` of these names; None: all. `what` tells the log what changes, without
        values. A repeated request returns the first one's hosts.

        Raises:
            NotFound: there is no such inventory, or nothing that `edit` names.
            Conflict: the inventory has changed since `rev`, or has already what `edit` adds.
            InventoryRefused: the inventory would break a rule.
        """

        if hosts is None:
            async with self._turns.hold_turn(inventory_id):
                made = await self._change_whole(inventory_id, edit, what=what, rev=rev, by=by, once=once)
            return await self.load_inventory(inventory_id), made

        async def step(tx: Transaction) -> Decision:
            inventory, before = await load_content_in(tx, inventory_id, hosts, rev)
            return await self._record_change(await self._plan_change(inventory, before, edit, by), what, by)

        async with self._turns.hold_turn(inventory_id):
            decided = await self._store.transact(step, once=once)
        return await self.load_inventory(inventory_id), [HostId(each) for each in decided.answer or ()]

    async def _change_whole(
        self,
        inventory_id: InventoryId,
        edit: Edit,
        *,
        what: Mapping[str, Any],
        rev: int | None,
        by: str,
        once: Once | None,
    ) -> list[HostId]:
        """Change a content that is read whole. That takes too long for a transaction, which only compares the `rev`."""
        if once is not None and (done := await self._store.find_repeated(once.inbox_id, once.digest)) is not None:
            # The revision is no longer that of the first request: this one has changed it.
            return [HostId(each) for each in done.answer or ()]
        for _ in range(_MAX_TRIES):
            inventory, before = await self.load_content(inventory_id)
            check_revision(inventory, rev)
            change = await self._plan_change(inventory, before, edit, by)

            async def step(tx: Transaction, change: ContentChange = change) -> Decision:
                current = await load_inventory_in(tx, inventory_id, rev)
                if current.rev != change.inventory.rev:
                    raise _Moved
                return await self._record_change(change, what, by)

            with suppress(_Moved):
                decided = await self._store.transact(step, once=once)
                return [HostId(each) for each in decided.answer or ()]
        raise Unavailable("too many requests change this inventory at once; try again")

    async def _plan_change(
        self, inventory: InventoryDocument, before: InventoryContent, edit: Edit, by: str
    ) -> ContentChange:
        after = edit(before)
        ids = await self._take_host_ids(sum(host.id is None for host in after.hosts.values()))
        plan = partial(plan_change, inventory, before, after, new_ids=ids, now=stored_now(), by=by)
        # Thousands of hosts take a while.
        return await asyncio.to_thread(plan) if len(after.hosts) > _MAX_PLANNED_HERE else plan()

    async def _record_change(self, change: ContentChange, what: Mapping[str, Any], by: str) -> Decision:
        if not change.changes:
            return Decision(answer=[])
        told = await self._audit.make_inserts(by, [_describe(change.inventory, "update", what)])
        return Decision(changes=(*change.changes, *told), answer=[int(host.id or 0) for host in change.made])

    async def delete_inventory(self, inventory_id: InventoryId, *, rev: int | None, by: str) -> None:
        """Delete an inventory with its hosts.

        Raises:
            NotFound: there is none.
            Conflict: it has changed since `rev`.
        """

        async def step(tx: Transaction) -> Decision:
            inventory = await load_inventory_in(tx, inventory_id, rev)
            hosts = await tx.find(HOSTS, {"inventory": inventory_id}, projection={"_id": 1})
            told = await self._audit.make_inserts(by, [_describe(inventory, "delete", {})])
            gone = [Delete(HOSTS, each["_id"]) for each in hosts]
            # The update fails if somebody adds a host meanwhile, and the step runs again.
            touched = _update(inventory, {"modified_by": by})
            return Decision(changes=(touched, *gone, Delete(INVENTORIES, inventory_id), *told))

        async with self._turns.hold_turn(inventory_id):
            await self._store.transact(step)

    async def _take_host_ids(self, n: int) -> list[HostId]:
        last = await self._store.count_up(COUNTERS, "hosts", n) if n else 0
        return [HostId(number) for number in range(last - n + 1, last + 1)]


def _update(inventory: InventoryDocument, fields: Mapping[str, Any]) -> Update:
    return Update(INVENTORIES, inventory.id, set=dict(fields), rev=inventory.rev)


def _describe(inventory: InventoryDocument, operation: str, changes: Mapping[str, Any]) -> AuditFacts:
    return AuditFacts(
        operation=operation,
        kind="inventory",
        object_id=inventory.id,
        name=inventory.name,
        organization=inventory.organization,
        changes=changes,
    )
