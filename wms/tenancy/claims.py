"""Make a principal from a token's claims and stored memberships. (core)"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from schemas.ids import OrganizationId
from schemas.rules.claim_patterns import Pattern, list_texts
from wms.tenancy.documents import MembershipDocument
from wms.tenancy.rights import ORGANIZATION_ROLES, SYSTEM_ROLES, Principal, TenancyRole, name_token_role

_GROUP = "organization"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)


class TenancyRule(BaseModel):
    """A token has `role` if its `claim` has a value that `pattern` matches from first to last character.

    For a role in an organization the pattern has a group `(?P<organization>...)`, or `organization` names it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: TenancyRole
    claim: str
    pattern: Pattern
    organization: str = ""

    @model_validator(mode="after")
    def _organization_is_known(self) -> Self:
        has_group = _GROUP in re.compile(self.pattern).groupindex
        if self.role in SYSTEM_ROLES and (self.organization or has_group):
            raise ValueError(f"the role {self.role} is above all organizations, so the rule must not name one")
        if self.role in ORGANIZATION_ROLES and has_group == bool(self.organization):
            raise ValueError(
                f"the role {self.role} is in one organization: name it in 'organization', "
                f"or by a group (?P<{_GROUP}>...) of the pattern"
            )
        return self


_IN_ONE = rf"/organizations/(?P<{_GROUP}>[\w.-]+)"

DEFAULT_TENANCY_RULES: tuple[TenancyRule, ...] = (
    TenancyRule(role=TenancyRole.SUPERUSER, claim="ewms_role", pattern="superuser"),
    TenancyRule(role=TenancyRole.SYSTEM_AUDITOR, claim="ewms_role", pattern="system-auditor"),
    TenancyRule(role=TenancyRole.ORG_ADMIN, claim="groups", pattern=f"{_IN_ONE}/admin"),
    TenancyRule(role=TenancyRole.ORG_AUDITOR, claim="groups", pattern=f"{_IN_ONE}/auditor"),
    TenancyRule(role=TenancyRole.ORG_MEMBER, claim="groups", pattern=f"{_IN_ONE}/member"),
)


def is_organization_name(text: str) -> bool:
    """Return whether `text` is allowed as the name of an organization."""
    return _NAME.fullmatch(text) is not None


def name_principals(subject: str, claims: Mapping[str, Any]) -> list[str]:
    """Return the names under which memberships may list the bearer of a token: its subject and its groups."""
    return [f"sub:{subject}", *(f"group:{group}" for group in sorted(set(list_texts(claims.get("groups")))))]


def select_claims(claims: Mapping[str, Any], rules: Sequence[TenancyRule]) -> dict[str, Any]:
    """Return the claims, by name, that can give roles: by one of `rules`, or by a membership of a group."""
    names = {"groups", *(rule.claim for rule in rules)}
    return {name: value for name, value in claims.items() if name in names}


def make_principal(
    subject: str,
    claims: Mapping[str, Any],
    *,
    rules: Sequence[TenancyRule],
    memberships: Iterable[MembershipDocument],
) -> Principal:
    """Return the principal with the roles that `rules` give to `claims`, and those of its `memberships`.

    Roles add up, and nothing takes a role away. Ignore a membership that names neither the subject nor one of the
    groups.
    """
    system: set[TenancyRole] = set()
    roles: dict[OrganizationId, frozenset[TenancyRole]] = {}
    by_token: set[str] = set()

    def add_role(organization: str, role: TenancyRole, *, is_of_token: bool = True) -> None:
        if is_organization_name(organization):
            known = OrganizationId(organization)
            roles[known] = roles.get(known, frozenset()) | {role}
            if is_of_token:
                by_token.add(name_token_role(known, role))

    for rule in rules:
        pattern = re.compile(rule.pattern)
        for value in list_texts(claims.get(rule.claim)):
            match = pattern.fullmatch(value)
            if match is None:
                continue
            if rule.role in SYSTEM_ROLES:
                system.add(rule.role)
            else:
                add_role(rule.organization or match.groupdict().get(_GROUP) or "", rule.role)
    own, *groups = name_principals(subject, claims)
    names = {own, *groups}
    for each in memberships:
        if each.principal in names and each.role in ORGANIZATION_ROLES:
            add_role(each.organization, each.role, is_of_token=each.principal != own)
    return Principal(subject, frozenset(system), roles, by_token=frozenset(by_token))
