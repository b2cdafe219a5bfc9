"""The table of rights, cell by cell, and what follows from it."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Forbidden, NotFound
from schemas.ids import DEFAULT_ORGANIZATION, OrganizationId
from wms.tenancy.rights import (
    ORGANIZATION_ROLES,
    RIGHTS,
    SYSTEM_ROLES,
    Action,
    Principal,
    TenancyRole,
    check_right,
    choose_organization,
    find_charged_organizations,
    find_organizations,
    may,
    may_everywhere,
    roles_for,
    sees,
)

NORTH, SOUTH = OrganizationId("north"), OrganizationId("south")

#: Action -> its row: superuser, system auditor, admin, auditor, member. Written a second time, on purpose.
TABLE = {
    Action.SEE_PROCESS: "yyyyy",
    Action.START_PROCESS: "y-y-y",
    Action.RESUME_PROCESS: "y-y-y",
    Action.ABORT_PROCESS: "y-y-y",
    Action.DELETE_PROCESS: "y-y--",
    Action.SEE_SUBSCRIPTION: "yyyyy",
    Action.CHANGE_SUBSCRIPTION: "y-y-y",
    Action.SEE_DEFINITION: "yyyyy",
    Action.SEE_PRODUCT: "yyyyy",
    Action.CHANGE_PRODUCT: "y----",
    Action.SEE_SETTINGS: "yyyyy",
    Action.CHANGE_SETTINGS: "y----",
    Action.RESUME_ALL: "y----",
    Action.SEE_ORGANIZATION: "yyyyy",
    Action.CHANGE_MEMBERS: "y-y--",
    Action.CHANGE_ORGANIZATION: "y----",
    Action.SEE_TREE: "yyyy-",
    Action.CHANGE_TREE: "y-y--",
    Action.LAUNCH_TREE: "y-y--",
    Action.CANCEL_TREE: "y-y--",
    Action.APPROVE_TREE: "y-y--",
    Action.DELETE_TREE_JOB: "y-y--",
    Action.SEE_INVENTORY: "yyyyy",
    Action.CHANGE_INVENTORY: "y-y--",
    Action.RUN_ON_INVENTORY: "y-y-y",
    Action.SEE_JOB: "yyyyy",
    Action.CANCEL_JOB: "y-y--",
    Action.DELETE_JOB: "y-y--",
    Action.SEE_TASK: "yyyyy",
    Action.CHANGE_TASK: "y-y-y",
    Action.RUN_TASK: "y-y-y",
    Action.SHARE_TASK: "y-y--",
    Action.APPROVE_TASK: "y-y--",
    Action.SEE_TASK_LIST: "yyyyy",
    Action.CHANGE_TASK_LIST: "y-y-y",
    Action.SEE_SECRET: "yyyyy",
    Action.USE_SECRET: "y-y-y",
    Action.CHANGE_SECRET: "y-y--",
    Action.SEE_AUDIT: "yyyy-",
}

ROLES = [
    TenancyRole.SUPERUSER,
    TenancyRole.SYSTEM_AUDITOR,
    TenancyRole.ORG_ADMIN,
    TenancyRole.ORG_AUDITOR,
    TenancyRole.ORG_MEMBER,
]


def holder(role: TenancyRole) -> Principal:
    """Return somebody who has just this role, in the north if it is a role in an organization."""
    if role in SYSTEM_ROLES:
        return Principal("ada", frozenset({role}))
    return Principal("ada", roles={NORTH: frozenset({role})})


def test_the_table_has_every_action_and_every_role() -> None:
    assert list(TABLE) == list(Action) == list(RIGHTS)
    assert list(TenancyRole) == ROLES
    assert set(TenancyRole) == SYSTEM_ROLES | ORGANIZATION_ROLES


@pytest.mark.parametrize(("action", "role"), list(product(Action, TenancyRole)))
def test_each_role_may_what_the_table_says_where_it_holds(action: Action, role: TenancyRole) -> None:
    allowed = TABLE[action][ROLES.index(role)] == "y"
    principal = holder(role)
    assert may(principal, action, NORTH) is allowed
    assert may(principal, action, SOUTH) is (allowed and role in SYSTEM_ROLES)
    assert may_everywhere(principal, action) is (allowed and role in SYSTEM_ROLES)
    assert (role in roles_for(action)) is allowed
    if allowed:
        check_right(principal, action, NORTH)
        expected = None if role in SYSTEM_ROLES else {NORTH}
        assert find_organizations(principal, action) == expected
    else:
        with pytest.raises(
            Forbidden, match=f"{action} in organization 'north' needs one of the roles: superuser|nobody"
        ):
            check_right(principal, action, NORTH)
        assert find_organizations(principal, action) == frozenset()
    if role not in SYSTEM_ROLES:
        with pytest.raises(NotFound, match="no such thing"):
            check_right(principal, action, SOUTH, absent="no such thing")


@pytest.mark.parametrize("action", Action)
def test_without_a_role_nothing_is_allowed_and_nothing_exists(action: Action) -> None:
    nobody = Principal("eve")
    assert not may(nobody, action, NORTH)
    assert not sees(nobody, NORTH)
    assert find_organizations(nobody, action) == frozenset()
    with pytest.raises(NotFound):
        check_right(nobody, action, NORTH)
    with pytest.raises(Forbidden):
        choose_organization(nobody, action)


def test_what_names_no_organization_is_the_default_ones() -> None:
    member = Principal("ada", roles={DEFAULT_ORGANIZATION: frozenset({TenancyRole.ORG_MEMBER})})
    assert may(member, Action.SEE_PROCESS, "")
    assert not may(holder(TenancyRole.ORG_MEMBER), Action.SEE_PROCESS, "")


def test_a_users_workflows_count_for_each_organization_where_it_may_run_tasks_or_for_the_default_one() -> None:
    roles = {
        SOUTH: frozenset({TenancyRole.ORG_MEMBER}),
        NORTH: frozenset({TenancyRole.ORG_ADMIN}),
        OrganizationId("east"): frozenset({TenancyRole.ORG_AUDITOR}),
    }
    superuser = frozenset({TenancyRole.SUPERUSER})
    assert find_charged_organizations(Principal("ada", roles=roles)) == (NORTH, SOUTH)
    assert find_charged_organizations(Principal("ada", superuser, {SOUTH: roles[SOUTH]})) == (SOUTH,)
    assert find_charged_organizations(Principal("ada", superuser)) == (DEFAULT_ORGANIZATION,)
    assert find_charged_organizations(Principal("ada", roles={NORTH: roles[OrganizationId("east")]})) == (
        DEFAULT_ORGANIZATION,
    )


def test_a_new_object_goes_to_the_wanted_the_default_or_the_only_organization() -> None:
    member = frozenset({TenancyRole.ORG_MEMBER})
    start = Action.START_PROCESS
    assert choose_organization(holder(TenancyRole.ORG_MEMBER), start) == NORTH
    assert choose_organization(holder(TenancyRole.SUPERUSER), start) == DEFAULT_ORGANIZATION
    assert choose_organization(holder(TenancyRole.SUPERUSER), start, "south") == SOUTH
    both = Principal("ada", roles={NORTH: member, SOUTH: member})
    assert choose_organization(both, start, "south") == SOUTH
    with pytest.raises(Forbidden, match="several organizations: north, south"):
        choose_organization(both, start)
    assert choose_organization(Principal("a", roles={**both.roles, DEFAULT_ORGANIZATION: member}), start) == "default"
    with pytest.raises(NotFound, match="no organization found with name: east"):
        choose_organization(both, start, "east")


PRINCIPALS = st.builds(
    Principal,
    subject=st.just("ada"),
    system_roles=st.frozensets(st.sampled_from(sorted(SYSTEM_ROLES))),
    roles=st.dictionaries(
        st.sampled_from([NORTH, SOUTH, DEFAULT_ORGANIZATION]),
        st.frozensets(st.sampled_from(sorted(ORGANIZATION_ROLES)), min_size=1),
    ),
)


@given(PRINCIPALS, st.sampled_from(Action), st.sampled_from([NORTH, SOUTH, DEFAULT_ORGANIZATION]))
def test_all_ways_to_ask_agree(principal: Principal, action: Action, organization: OrganizationId) -> None:
    found = find_organizations(principal, action)
    assert may(principal, action, organization) is (found is None or organization in found)
    # Whoever may do something in an organization sees it, and passes the door.
    if may(principal, action, organization):
        assert sees(principal, organization)
        assert principal.every_role & roles_for(action)
    # Roles add up: those in another organization, and less of them, allow nothing more.
    fewer = Principal("ada", principal.system_roles, {k: v for k, v in principal.roles.items() if k == organization})
    assert may(fewer, action, organization) is may(principal, action, organization)
    assert not may(Principal("ada"), action, organization)
