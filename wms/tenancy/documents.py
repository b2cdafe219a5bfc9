"""The documents of organizations, of their members and teams, and of users. (core)

users           {_id: "ada", number: 7, ...}                                  those whose tokens we have seen
teams           {_id: 3, organization: "north", name, members: ["sub:ada"]}   roles on templates may go to a team
organizations   {_id: "north", title, customer_ids: ["c-1", "c-2"], ...}      a customer id belongs to one of them
memberships     {_id: "north/sub:ada", organization, principal, role, ...}    one role for each principal
"""

from datetime import datetime

from pydantic import ConfigDict

from schemas.ids import OrganizationId, TeamId, UserId
from schemas.lazy_model import LazyModel
from schemas.registry import register_collection
from wms.tenancy.rights import TenancyRole


class TenancyModel(LazyModel):
    """A document of this package."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class OrganizationDocument(TenancyModel):
    """An organization, and the customers whose subscriptions are its own."""

    id: OrganizationId
    title: str = ""
    customer_ids: tuple[str, ...] = ()
    #: Whether a version of a catalogue task must be approved by somebody else than its author.
    approval_by_another: bool = False
    rev: int = 0
    changed_at: datetime | None = None
    changed_by: str = ""


ORGANIZATIONS = register_collection("organizations", OrganizationDocument)


class MembershipDocument(TenancyModel):
    """The role of one principal in one organization."""

    id: str
    organization: OrganizationId
    #: `sub:` and a token's subject, or `group:` and the name of a group in its claim `groups`.
    principal: str
    role: TenancyRole
    changed_at: datetime
    changed_by: str = ""


MEMBERSHIPS = register_collection("memberships", MembershipDocument)


class UserDocument(TenancyModel):
    """A user, as the user's last token described it. The token's issuer, not WMS, knows all users."""

    #: The subject of its token.
    id: str
    number: UserId
    #: The roles above all organizations that the token gave.
    system_roles: tuple[TenancyRole, ...] = ()
    #: The roles in organizations that the token or one of its groups gave, each as `organization/role`.
    token_roles: tuple[str, ...] = ()
    created_at: datetime
    seen_at: datetime


USERS = register_collection("users", UserDocument)


class TeamDocument(TenancyModel):
    """Users of an organization who get roles on templates together."""

    id: TeamId
    organization: OrganizationId
    name: str
    description: str = ""
    #: `sub:` and the subjects of its users.
    members: tuple[str, ...] = ()
    rev: int = 0
    created_at: datetime
    changed_at: datetime
    changed_by: str = ""


TEAMS = register_collection("teams", TeamDocument)


def name_team(team: TeamId) -> str:
    """Return the name under which a team holds roles."""
    return f"team:{team}"


def membership_id(organization: OrganizationId, principal: str) -> str:
    """Return the id of a membership. The name of an organization has no slash."""
    return f"{organization}/{principal}"
