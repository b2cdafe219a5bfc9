"""Read subscriptions for users: one, a page of them, one with the values of its blocks; and set one in sync.

`visible` is the query for the subscriptions that the caller may see: {} for all, `make_customers_query(...)` for a set
of customers, or the result of `Organizations.make_customer_filter`. Other subscriptions do not exist for the caller.

`wms.processes.process_reader` finds the processes of a subscription.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from runtime.clock import stored_now
from runtime.kernel.decision import Decision, Update
from runtime.kernel.store import Store, Transaction
from runtime.telemetry import log
from schemas.engine.run_documents import RUNS
from schemas.engine.runs import RUN_OVER
from schemas.engine.subscriptions import (
    SUBSCRIPTIONS,
    CircularBlocks,
    SubscriptionDocument,
    SubscriptionFilter,
    expand_document,
)
from schemas.errors import NotFound, Unprocessable
from schemas.ids import DEFAULT_ORGANIZATION, OrganizationId
from wms.audit.audit_facts import AuditFacts
from wms.audit.audit_log import AuditLog
from wms.processes.process_filters import PageWish, Query, join_queries, make_task_query
from wms.processes.subscriptions.subscription_documents import parse_subscription
from wms.processes.subscriptions.subscription_store import Subscriptions

_PATIENCE_MS = 3000
_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class SubscriptionPage:
    """A page of a list of subscriptions, and the number of all that match."""

    subscriptions: list[SubscriptionDocument]
    n_all: int


class SubscriptionReader:
    """Reads the subscriptions of one database for callers who may see only some."""

    def __init__(self, store: Store, subscriptions: Subscriptions) -> None:
        self._store = store
        self._subscriptions = subscriptions
        self._audit = AuditLog(store)

    async def get_subscription(self, subscription_id: UUID, visible: Mapping[str, Any]) -> SubscriptionDocument:
        """Return the subscription as stored. Blocks of other subscriptions are references.

        Raises:
            NotFound: there is no such subscription, or the caller may not see it.
        """
        found = await self._store.find_one(SUBSCRIPTIONS, _make_query(subscription_id, visible))
        return parse_subscription(_check_there(found, subscription_id))

    async def describe_subscription(self, subscription_id: UUID, visible: Mapping[str, Any]) -> dict[str, Any]:
        """Return the subscription as JSON with the values of all blocks to which it refers, as its domain model has
        them.

        `depends_on` and `in_use_by` are the ids of the related subscriptions.

        Raises:
            NotFound: there is no such subscription, or the caller may not see it.
            Unprocessable: the subscription refers to a block that does not exist any more.
        """
        subscription = await self.get_subscription(subscription_id, visible)
        owners = await self._subscriptions.load_owners(subscription)
        users = await self._subscriptions.find_subscriptions(SubscriptionFilter(depends_on=subscription_id))

        def read_owner(owner_id: UUID) -> SubscriptionDocument:
            if owner_id == subscription_id:
                return subscription
            if owner_id not in owners:
                raise LookupError(f"there is no subscription {owner_id}")
            return owners[owner_id]

        try:
            described = expand_document(subscription, read_owner)
        except (LookupError, CircularBlocks) as error:
            raise Unprocessable(f"subscription {subscription_id}: {error.args[0]}") from error
        return {
            **described,
            "depends_on": [str(one) for one in subscription.depends_on],
            "in_use_by": [str(one.subscription_id) for one in users],
        }

    async def list_page(self, wish: PageWish, visible: Mapping[str, Any]) -> SubscriptionPage:
        """Return a page of the subscriptions that the caller may see. `parse_subscription_page` makes `wish`."""
        query = join_queries(visible, wish.query)
        found = await self._store.find(
            SUBSCRIPTIONS, query, sort=wish.sort, skip=wish.start, limit=wish.n, max_time_ms=_PATIENCE_MS
        )
        return SubscriptionPage(
            [parse_subscription(one) for one in found], await self._store.count(SUBSCRIPTIONS, query)
        )

    async def set_in_sync(
        self,
        subscription_id: UUID,
        visible: Mapping[str, Any],
        *,
        who: str = "",
        organization: OrganizationId = DEFAULT_ORGANIZATION,
    ) -> SubscriptionDocument:
        """Set the subscription in sync, so that workflows may start on it again. Return the changed subscription.

        `organization` is that of its customer.

        Raises:
            NotFound: there is no such subscription, or the caller may not see it.
            Unprocessable: a process that is no task works on it, or has failed and was not aborted.
        """

        async def step(tx: Transaction) -> Decision:
            found = await tx.find_one(SUBSCRIPTIONS, _make_query(subscription_id, visible))
            subscription = parse_subscription(_check_there(found, subscription_id))
            if subscription.insync:
                return Decision()
            await _check_no_process(tx, subscription_id)
            fields = {"insync": True, "changed_at": stored_now()}
            change = Update(SUBSCRIPTIONS, str(subscription_id), set=fields, rev=subscription.version)
            facts = AuditFacts(
                operation="update",
                kind="subscription",
                object_id=str(subscription_id),
                name=subscription.description,
                organization=organization,
                changes={"insync": [False, True]},
            )
            return Decision(changes=(change, *await self._audit.make_inserts(who, [facts])))

        decided = await self._store.transact(step)
        if isinstance(decided, Decision) and decided.changes:
            log.info("a person has set a subscription in sync", subscription_id=str(subscription_id), who=who)
        return await self.get_subscription(subscription_id, visible)


async def _check_no_process(tx: Transaction, subscription_id: UUID) -> None:
    about = {"$or": [{"subscriptions": str(subscription_id)}, {"state.subscription_id": str(subscription_id)}]}
    is_no_task = {"$nor": [make_task_query()]}
    query = {"$and": [about, is_no_task, {"status": {"$nin": sorted(RUN_OVER)}}]}
    found = await tx.find(RUNS, query, sort=[("_id", 1)], limit=_MAX_NAMED, projection={"uuid": 1, "definition": 1})
    if found:
        named = ", ".join(f"{run['definition']} ({run['uuid']})" for run in found)
        raise Unprocessable(
            f"processes on this subscription are neither completed nor aborted: {named}",
            hint="resume or abort them first",
        )


def _make_query(subscription_id: UUID, visible: Mapping[str, Any]) -> Query:
    return join_queries({"_id": str(subscription_id)}, visible)


def _check_there(found: dict[str, Any] | None, subscription_id: UUID) -> dict[str, Any]:
    if found is None:
        raise NotFound(f"no subscription found with id: {subscription_id}")
    return found
