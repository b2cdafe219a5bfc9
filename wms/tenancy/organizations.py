"""Read and write organizations and their members in MongoDB.

Another process may change memberships as well. So this process uses what it has read for at most `_BELIEVED_S`.
"""

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runtime.clock import stored_now
from runtime.kernel.decision import Decision, Delete, Document, Insert, Update
from runtime.kernel.store import Index, Store, Transaction
from runtime.web.callers.gatekeeper import Caller
from schemas.automation.catalogue import CATALOGUE_TASKS
from schemas.automation.inventories import INVENTORIES
from schemas.automation.notifications import NOTIFICATION_LINKS, NOTIFICATION_TEMPLATES, name_organization
from schemas.automation.schedules import Identity
from schemas.automation.stored_secrets import ORGANIZATION_SECRETS
from schemas.automation.trees import LABELS, TEMPLATES
from schemas.errors import Conflict, NotFound
from schemas.ids import DEFAULT_ORGANIZATION, OrganizationId
from wms.tenancy.claims import (
    DEFAULT_TENANCY_RULES,
    TenancyRule,
    is_organization_name,
    make_principal,
    name_principals,
    select_claims,
)
from wms.tenancy.documents import (
    MEMBERSHIPS,
    ORGANIZATIONS,
    TEAMS,
    MembershipDocument,
    OrganizationDocument,
)
from wms.tenancy.member_changes import MemberChanges, compare_settings
from wms.tenancy.rights import (
    Action,
    Principal,
    TenancyRole,
    find_organizations,
)

INDEXES: Mapping[str, tuple[Index, ...]] = {
    # A customer id belongs to one organization.
    ORGANIZATIONS: (Index(("customer_ids",), unique=True, partial={"customer_ids.0": {"$exists": True}}),),
    MEMBERSHIPS: (Index(("principal",)), Index(("organization", "principal"))),
}

#: What an organization has, by name. A later organization of the same name would get it.
_BELONGINGS: Mapping[str, str] = {
    "the template": TEMPLATES,
    "the notification template": NOTIFICATION_TEMPLATES,
    "the team": TEAMS,
    "the label": LABELS,
    "the inventory": INVENTORIES,
    "the catalogue task": CATALOGUE_TASKS,
    "the secret": ORGANIZATION_SECRETS,
}

#: After how many seconds this process reads a principal's memberships again.
_BELIEVED_S = 1.0
_MAX_REMEMBERED = 10_000


class Organizations:
    """The organizations of one database, and the roles of callers in them."""

    #: The roles that `find_roles` can return.
    roles: frozenset[str] = frozenset(TenancyRole)

    def __init__(
        self, store: Store, *, rules: Sequence[TenancyRule] = DEFAULT_TENANCY_RULES, checks_tokens: bool = True
    ) -> None:
        self._store = store
        self._members = MemberChanges(store)
        self._rules = tuple(rules)
        self._checks_tokens = checks_tokens
        #: Names of a principal -> the time at which we read its memberships, and the memberships.
        self._remembered: OrderedDict[tuple[str, ...], tuple[float, list[MembershipDocument]]] = OrderedDict()

    async def find_roles(self, caller: Caller) -> frozenset[str]:
        """Return the names of all tenancy roles that `caller` has in any organization. The check of a request's roles
        calls this.
        """
        return frozenset((await self.find_principal(caller)).every_role)

    async def find_principal(self, caller: Caller) -> Principal:
        """Return the principal of `caller`. If WMS checks no tokens, every caller is a superuser."""
        if caller.is_unchecked:
            return Principal(caller.subject, frozenset({TenancyRole.SUPERUSER}))
        memberships = await self._find_memberships(name_principals(caller.subject, caller.claims))
        return make_principal(caller.subject, caller.claims, rules=self._rules, memberships=memberships)

    def keep_identity(self, caller: Caller) -> Identity:
        """Return the facts about `caller` to store, from which `recall_principal` finds the roles later."""
        claims = select_claims(caller.claims, self._rules)
        return Identity(subject=caller.subject, claims=claims, is_unchecked=caller.is_unchecked)

    async def recall_principal(self, identity: Identity) -> Principal:
        """Return the principal of a stored identity: with the token's claims of then, and the memberships of now.

        An identity whose token was not checked has no roles, unless WMS still checks no tokens.
        """
        if identity.is_unchecked:
            roles = frozenset[TenancyRole]() if self._checks_tokens else frozenset({TenancyRole.SUPERUSER})
            return Principal(identity.subject, roles)
        memberships = await self._find_memberships(name_principals(identity.subject, identity.claims))
        return make_principal(identity.subject, identity.claims, rules=self._rules, memberships=memberships)

    async def find_customer_organization(self, customer_id: str) -> OrganizationId:
        """Return the organization that lists `customer_id`; the default organization if none does."""
        found = await self._store.find_one(ORGANIZATIONS, {"customer_ids": customer_id}, projection={"_id": 1})
        return OrganizationId(found["_id"]) if found else DEFAULT_ORGANIZATION

    async def make_customer_filter(
        self, principal: Principal, action: Action, *, field: str = "customer_id"
    ) -> dict[str, Any]:
        """Return the MongoDB filter for the objects of those customers for whom `principal` may do `action`.

        `field` is the field of the objects that has the customer's id.
        """
        organizations = find_organizations(principal, action)
        if organizations is None:
            return {}
        if DEFAULT_ORGANIZATION in organizations:
            # All customers except those of the other organizations.
            foreign = await self._list_customers({"_id": {"$nin": sorted(organizations)}})
            return {field: {"$nin": foreign}} if foreign else {}
        return {field: {"$in": await self._list_customers({"_id": {"$in": sorted(organizations)}})}}

    async def list_organizations(self, principal: Principal) -> list[OrganizationDocument]:
        """Return the organizations that `principal` may see, in the order of their names. Some exist without a
        document.
        """
        seen = find_organizations(principal, Action.SEE_ORGANIZATION)
        query: dict[str, Any] = {} if seen is None else {"_id": {"$in": sorted(seen)}}
        found = {each.id: each for each in map(_parse, await self._store.find(ORGANIZATIONS, query))}
        for name in {DEFAULT_ORGANIZATION} if seen is None else seen:
            # A token may give a role in an organization that has no document.
            found.setdefault(name, OrganizationDocument(id=name))
        return [found[name] for name in sorted(found)]

    async def find_organization(self, name: OrganizationId) -> OrganizationDocument | None:
        """Return the stored organization. Return None if it has no document."""
        found = await self._store.find_one(ORGANIZATIONS, {"_id": name})
        return _parse(found) if found else None

    async def check_named(self, principal: Principal, name: str) -> None:
        """Check that the organization `name` exists for `principal`. If `name` is empty, there is nothing to check.

        The default organization exists, and so does each that gives the principal a role, or that is stored.

        Raises:
            NotFound: the organization does not exist.
        """
        if not name or name == DEFAULT_ORGANIZATION or name in principal.roles:
            return
        if not is_organization_name(name) or await self.find_organization(OrganizationId(name)) is None:
            raise NotFound(f"no organization found with name: {name}")

    async def list_members(self, name: OrganizationId) -> list[MembershipDocument]:
        """Return the stored memberships of an organization, in the order of the principals. Roles that tokens give are
        not stored.
        """
        found = await self._store.find(MEMBERSHIPS, {"organization": name}, sort=[("principal", 1)])
        return [_parse_membership(each) for each in found]

    async def save_organization(
        self,
        name: OrganizationId,
        *,
        title: str,
        customer_ids: Iterable[str],
        by: str,
        approval_by_another: bool | None = None,
    ) -> OrganizationDocument:
        """Create or change an organization, and return it. `by` is the user who does so.

        If `approval_by_another` is None, that setting stays as it is.

        Raises:
            Conflict: another organization has one of the customers.
        """
        customers = tuple(sorted(set(customer_ids)))

        async def step(tx: Transaction) -> Decision:
            taken = await tx.find_one(
                ORGANIZATIONS, {"_id": {"$ne": name}, "customer_ids": {"$in": list(customers)}}, {"customer_ids": 1}
            )
            if taken is not None:
                both = ", ".join(sorted(set(customers) & set(taken["customer_ids"])))
                raise Conflict(f"these customers belong to organization {taken['_id']!r}: {both}")
            fields = {"title": title, "customer_ids": list(customers), "changed_at": stored_now(), "changed_by": by}
            if approval_by_another is not None:
                fields["approval_by_another"] = approval_by_another
            known = await tx.find_one(ORGANIZATIONS, {"_id": name})
            before = OrganizationDocument(id=name) if known is None else _parse(known)
            told = compare_settings(before, before.model_copy(update=fields))
            rows = await self._members.make_rows_about(name, {"create" if known is None else "update": told}, by=by)
            if known is None:
                return Decision(changes=(Insert(ORGANIZATIONS, {"_id": name, "rev": 0, **fields}), *rows))
            return Decision(changes=(Update(ORGANIZATIONS, name, set=fields, rev=known["rev"]), *rows))

        await self._store.transact(step)
        return await self.find_organization(name) or OrganizationDocument(id=name)

    async def remove_organization(self, name: OrganizationId, *, by: str) -> None:
        """Remove an organization that has no customers, members, templates, teams, labels, inventories and catalogue
        tasks. `by` is the user who does so.

        Raises:
            Conflict: the organization still has some of these. The error names one of each kind.
            NotFound: the organization has no document, or is the default one.
        """

        async def step(tx: Transaction) -> Decision:
            known = await tx.find_one(ORGANIZATIONS, {"_id": name})
            if known is None or name == DEFAULT_ORGANIZATION:
                raise NotFound(f"no organization is stored under the name {name}")
            if known.get("customer_ids") or await tx.find_one(MEMBERSHIPS, {"organization": name}):
                raise Conflict(f"organization {name!r} still has customers or members", hint="remove these first")
            found = {
                kind: await tx.find_one(collection, {"organization": name}, {"name": 1})
                for kind, collection in _BELONGINGS.items()
            }
            left = [f"{kind} {each['name']!r}" for kind, each in found.items() if each is not None]
            if left:
                raise Conflict(
                    f"organization {name!r} still has {', '.join(left)}",
                    hint="delete what it has first; a label goes when you take it from its last template or job",
                )
            # Templates of other organizations may be joined to this one.
            links = await tx.find(NOTIFICATION_LINKS, {"target": name_organization(name)}, projection={"_id": 1})
            gone = [Delete(NOTIFICATION_LINKS, each["_id"]) for each in links]
            rows = await self._members.make_rows_about(name, {"delete": {}}, by=by)
            return Decision(changes=(Delete(ORGANIZATIONS, name), *gone, *rows))

        await self._store.transact(step)

    async def set_member(self, name: OrganizationId, principal: str, role: TenancyRole, *, by: str) -> None:
        """Give a principal this role in the organization `name`. It replaces a weaker role of the principal there.

        `principal` is a name such as `sub:ada` or `group:/x`. `by` is the user who gives the role.

        Raises:
            HasStrongerRole: the principal has a stronger role there.
        """
        await self._store.transact(lambda tx: self._members.plan_role(tx, name, principal, role, by=by))
        self._remembered.clear()

    async def remove_member(self, name: OrganizationId, principal: str, *, by: str) -> None:
        """Remove the stored role of `principal` in an organization. `by` is the user who takes the role.

        Raises:
            NotFound: the principal has no stored role there.
        """
        await self._store.transact(lambda tx: self._members.plan_removal(tx, name, principal, by=by))
        self._remembered.clear()

    async def _list_customers(self, query: Mapping[str, Any]) -> list[str]:
        found = await self._store.find(ORGANIZATIONS, query, projection={"customer_ids": 1})
        return sorted({customer for each in found for customer in each.get("customer_ids", ())})

    async def _find_memberships(self, names: list[str]) -> list[MembershipDocument]:
        key = tuple(names)
        now = time.monotonic()
        read_at, known = self._remembered.get(key, (float("-inf"), []))
        if now - read_at < _BELIEVED_S:
            return known
        found = await self._store.find(MEMBERSHIPS, {"principal": {"$in": names}})
        known = [_parse_membership(each) for each in found]
        self._remembered[key] = now, known
        self._remembered.move_to_end(key)
        if len(self._remembered) > _MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return known


def _parse(document: Document) -> OrganizationDocument:
    return OrganizationDocument.model_validate({**document, "id": document["_id"]})


def _parse_membership(document: Document) -> MembershipDocument:
    return MembershipDocument.model_validate({**document, "id": document["_id"]})
