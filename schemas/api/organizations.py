"""The bodies of the routes of organizations."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.fleet.objects import Object

CustomerName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
#: `sub:` and a token's subject, or `group:` and the name of one of its groups.
PrincipalName = Annotated[str, StringConstraints(pattern=r"^(sub|group):[^\x00-\x1f\x7f]{1,255}$")]
OrganizationRole = Literal["org-admin", "org-auditor", "org-member"]


class OrganizationRequest(Object):
    """The fields of an organization that a caller sets."""

    title: Annotated[str, StringConstraints(max_length=255)] = ""
    customer_ids: Annotated[list[CustomerName], Field(max_length=10_000)] = Field(
        default_factory=list, description="Subscriptions of these customers belong to the organization."
    )
    approval_by_another: Annotated[bool, Field(strict=True)] = Field(
        False, description="Whether a catalogue task must be approved by somebody else than its author."
    )


class OrganizationSeen(Object):
    """An organization, as a caller with a role in it gets it."""

    name: str
    title: str
    customer_ids: list[str]
    approval_by_another: bool
    your_roles: list[str] = Field(description="The caller's roles in this organization, and above all of them.")
    changed_at: datetime | None
    changed_by: str


class OrganizationsAnswer(Object):
    """The organizations that the caller may see, sorted by name."""

    organizations: list[OrganizationSeen]


class MemberRequest(Object):
    """A role in an organization, and the principal who gets the role."""

    principal: PrincipalName
    role: OrganizationRole


class MemberSeen(Object):
    """A stored role in an organization."""

    principal: str
    role: str
    changed_at: datetime
    changed_by: str


class MembersAnswer(Object):
    """The stored roles in an organization, sorted by principal. Roles that tokens give are not in this list."""

    members: list[MemberSeen]
