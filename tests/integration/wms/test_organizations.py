"""Organizations and memberships on a real MongoDB."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from runtime.kernel.decision import Decision, Insert
from runtime.kernel.store import Store, Transaction
from runtime.web.callers.gatekeeper import Caller
from schemas.errors import Conflict, NotFound
from schemas.ids import DEFAULT_ORGANIZATION, OrganizationId
from wms.audit.audit_facts import AUDIT_ROWS
from wms.tenancy.organizations import INDEXES, Organizations
from wms.tenancy.rights import Action, HasStrongerRole, TenancyRole, may

NORTH, SOUTH = OrganizationId("north"), OrganizationId("south")
MEMBER, ADMIN = TenancyRole.ORG_MEMBER, TenancyRole.ORG_ADMIN


@pytest.fixture
async def store(mongo_url: str, mongo_database: str) -> AsyncIterator[Store]:
    store = await Store.connect(mongo_url, database=mongo_database, source="test")
    await store.ensure_indexes(INDEXES)
    yield store
    await store.close()


@pytest.fixture
async def organizations(store: Store) -> Organizations:
    """North with customers n-1 and n-2, south with s-1."""
    found = Organizations(store)
    await found.save_organization(NORTH, title="The north", customer_ids=["n-2", "n-1", "n-1"], by="root")
    await found.save_organization(SOUTH, title="", customer_ids=["s-1"], by="root")
    return found


def caller(subject: str = "ada", **claims: Any) -> Caller:
    return Caller(subject, "", claims=claims)


async def test_a_membership_counts_at_once_and_its_end_too_and_the_audit_log_tells(
    organizations: Organizations, store: Store
) -> None:
    assert await organizations.find_roles(caller()) == frozenset()
    await organizations.set_member(NORTH, "sub:ada", MEMBER, by="root")
    await organizations.set_member(NORTH, "group:/g", ADMIN, by="root")
    ada = await organizations.find_principal(caller())
    assert may(ada, Action.START_PROCESS, NORTH)
    assert not may(ada, Action.CHANGE_MEMBERS, NORTH)
    assert may(await organizations.find_principal(caller(groups=["/g"])), Action.CHANGE_MEMBERS, NORTH)
    assert [each.principal for each in await organizations.list_members(NORTH)] == ["group:/g", "sub:ada"]
    await organizations.set_member(NORTH, "sub:ada", ADMIN, by="root")
    assert (await organizations.find_principal(caller())).roles == {NORTH: {ADMIN}}
    with pytest.raises(HasStrongerRole, match="it has org-admin in the organization 'north'"):
        await organizations.set_member(NORTH, "sub:ada", MEMBER, by="root")
    assert (await organizations.find_principal(caller())).roles == {NORTH: {ADMIN}}
    await organizations.remove_member(NORTH, "sub:ada", by="root")
    assert (await organizations.find_principal(caller())).roles == {}
    with pytest.raises(NotFound, match="sub:ada is no member of organization 'north'"):
        await organizations.remove_member(NORTH, "sub:ada", by="root")
    rows = await store.find(AUDIT_ROWS, {}, sort=[("_id", 1)])
    made = {"title": ["", "The north"], "customers": [0, 2]}
    assert (rows[0]["operation"], rows[0]["name"], rows[0]["changes"]) == ("create", NORTH, made)
    # South is made in the same way.
    told = [(row["who"], row["operation"], row["changes"]["role"]) for row in rows[2:]]
    assert told == [
        ("root", "associate", "org-member sub:ada"),
        ("root", "associate", "org-admin group:/g"),
        ("root", "disassociate", "org-member sub:ada"),
        ("root", "associate", "org-admin sub:ada"),
        ("root", "disassociate", "org-admin sub:ada"),
    ]


async def test_what_another_process_writes_counts_soon(organizations: Organizations, store: Store) -> None:
    await organizations.find_principal(caller())
    await Organizations(store).set_member(NORTH, "sub:ada", MEMBER, by="root")
    async with asyncio.timeout(60):
        while not (await organizations.find_principal(caller())).roles:
            await asyncio.sleep(0.1)


async def test_a_customer_belongs_to_one_organization_and_otherwise_to_the_default_one(
    organizations: Organizations,
) -> None:
    assert await organizations.find_customer_organization("n-1") == NORTH
    assert await organizations.find_customer_organization("x") == DEFAULT_ORGANIZATION
    with pytest.raises(Conflict, match="these customers belong to organization 'north': n-2"):
        await organizations.save_organization(SOUTH, title="", customer_ids=["s-1", "n-2"], by="root")
    # What is given up may be claimed.
    saved = await organizations.save_organization(NORTH, title="N", customer_ids=["n-1"], by="root")
    assert (saved.title, saved.customer_ids, saved.changed_by) == ("N", ("n-1",), "root")
    await organizations.save_organization(SOUTH, title="", customer_ids=["s-1", "n-2"], by="root")
    assert await organizations.find_customer_organization("n-2") == SOUTH


async def test_two_organizations_may_both_have_no_customers(organizations: Organizations) -> None:
    for name in ("east", "west"):
        await organizations.save_organization(OrganizationId(name), title="", customer_ids=[], by="root")


async def test_each_principal_finds_the_objects_of_its_customers(organizations: Organizations, store: Store) -> None:
    async def step(_: Transaction) -> Decision:
        return Decision(
            changes=tuple(Insert("things", {"_id": c, "customer_id": c}) for c in ("n-1", "n-2", "s-1", "x"))
        )

    await store.transact(step)

    async def found(action: Action = Action.SEE_SUBSCRIPTION, **claims: Any) -> list[str]:
        principal = await organizations.find_principal(caller(**claims))
        query = await organizations.make_customer_filter(principal, action)
        return [each["_id"] for each in await store.find("things", query, sort=[("_id", 1)])]

    def groups(*roles: str) -> list[str]:
        return [f"/organizations/{role}" for role in roles]

    assert await found() == []
    assert await found(groups=groups("north/member")) == ["n-1", "n-2"]
    assert await found(groups=groups("north/member", "south/auditor")) == ["n-1", "n-2", "s-1"]
    assert await found(Action.CHANGE_SUBSCRIPTION, groups=groups("north/member", "south/auditor")) == ["n-1", "n-2"]
    assert await found(groups=groups("default/member")) == ["x"]
    assert await found(groups=groups("default/member", "south/auditor")) == ["s-1", "x"]
    assert await found(ewms_role="superuser") == ["n-1", "n-2", "s-1", "x"]
    assert await found(ewms_role="system-auditor") == ["n-1", "n-2", "s-1", "x"]
    assert await found(Action.CHANGE_SUBSCRIPTION, ewms_role="system-auditor") == []


async def test_organizations_are_listed_to_those_who_have_a_role_there(organizations: Organizations) -> None:
    async def listed(**claims: Any) -> list[str]:
        principal = await organizations.find_principal(caller(**claims))
        return [each.id for each in await organizations.list_organizations(principal)]

    assert await listed() == []
    assert await listed(groups=["/organizations/north/member", "/organizations/new/admin"]) == ["new", "north"]
    assert await listed(ewms_role="superuser") == ["default", "north", "south"]


async def test_without_checks_of_tokens_everybody_is_a_superuser(organizations: Organizations) -> None:
    developer = await organizations.find_principal(Caller("developer", "", is_unchecked=True))
    assert may(developer, Action.CHANGE_SETTINGS, "")
