"""From claims and memberships to a principal."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.ids import OrganizationId
from wms.tenancy.claims import DEFAULT_TENANCY_RULES, TenancyRule, make_principal, name_principals
from wms.tenancy.documents import MembershipDocument, membership_id
from wms.tenancy.rights import Principal, TenancyRole

NORTH = OrganizationId("north")
ADMIN, AUDITOR, MEMBER = TenancyRole.ORG_ADMIN, TenancyRole.ORG_AUDITOR, TenancyRole.ORG_MEMBER


def principal(claims: dict[str, Any], *memberships: MembershipDocument) -> Principal:
    return make_principal("ada", claims, rules=DEFAULT_TENANCY_RULES, memberships=memberships)


def membership(name: str, role: TenancyRole, organization: OrganizationId = NORTH) -> MembershipDocument:
    return MembershipDocument(
        id=membership_id(organization, name),
        organization=organization,
        principal=name,
        role=role,
        changed_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("claims", "system", "roles"),
    [
        ({}, set(), {}),
        ({"ewms_role": "superuser"}, {TenancyRole.SUPERUSER}, {}),
        ({"ewms_role": ["user", "system-auditor"]}, {TenancyRole.SYSTEM_AUDITOR}, {}),
        ({"ewms_role": "Superuser"}, set(), {}),
        ({"groups": "/organizations/north/admin"}, set(), {"north": {ADMIN}}),
        (
            {"groups": ["/organizations/north/member", "/organizations/north/auditor", "/organizations/south/member"]},
            set(),
            {"north": {MEMBER, AUDITOR}, "south": {MEMBER}},
        ),
        ({"groups": ["/organizations/north", "/organizations/north/owner", "x/organizations/north/admin"]}, set(), {}),
        ({"groups": ["/organizations/a/b/admin", "/organizations//admin", "/organizations/.x/admin"]}, set(), {}),
        ({"groups": {"a": 1}, "ewms_role": [["superuser"], None]}, set(), {}),
    ],
)
def test_claims_give_roles(
    claims: dict[str, Any], system: set[TenancyRole], roles: dict[str, set[TenancyRole]]
) -> None:
    found = principal(claims)
    assert (found.system_roles, found.roles) == (system, roles)


def test_memberships_of_the_subject_and_of_its_groups_add_up() -> None:
    found = principal(
        {"groups": ["/projects/x", "/organizations/north/member"]},
        membership("sub:ada", AUDITOR),
        membership("group:/projects/x", ADMIN),
        membership("sub:eve", MEMBER, OrganizationId("south")),
        membership("group:/projects/y", MEMBER, OrganizationId("south")),
    )
    assert found.roles == {"north": {ADMIN, AUDITOR, MEMBER}}
    assert found.every_role == {ADMIN, AUDITOR, MEMBER}


def test_a_group_cannot_pass_for_a_subject() -> None:
    assert name_principals("ada", {"groups": ["sub:eve", "/x", "/x"]}) == ["sub:ada", "group:/x", "group:sub:eve"]
    assert not principal({"groups": ["sub:eve"]}, membership("sub:eve", ADMIN)).roles


def test_a_stored_membership_gives_no_role_above_organizations() -> None:
    found = principal({}, membership("sub:ada", TenancyRole.SUPERUSER))
    assert (found.system_roles, found.roles) == (frozenset(), {})


@pytest.mark.parametrize(
    ("role", "pattern", "organization"),
    [
        (ADMIN, "x", ""),
        (ADMIN, "(?P<organization>x)", "north"),
        (TenancyRole.SUPERUSER, "(?P<organization>x)", ""),
        (TenancyRole.SUPERUSER, "x", "north"),
        (ADMIN, "(", "north"),
    ],
)
def test_a_rule_names_an_organization_once_or_not_at_all(role: TenancyRole, pattern: str, organization: str) -> None:
    with pytest.raises(ValidationError):
        TenancyRule(role=role, claim="groups", pattern=pattern, organization=organization)


def test_a_rule_may_make_everybody_with_a_claim_a_member_of_one_organization() -> None:
    rule = TenancyRule(role=MEMBER, claim="ewms_role", pattern="user", organization="default")
    found = make_principal("ada", {"ewms_role": "user"}, rules=[rule], memberships=[])
    assert found.roles == {"default": {MEMBER}}
