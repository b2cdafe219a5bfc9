"""Users and teams as the dialect shows them, and who has access to an object. (core)"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wms.gateway.awx.shapes.object_paths import make_url
from wms.gateway.awx.shapes.role_words import RoleKey, RoleOwner, RoleTarget, list_keys, show_role, summarize_roles
from wms.gateway.awx.shapes.template_shapes import show_time
from wms.tenancy.documents import TeamDocument, UserDocument
from wms.tenancy.rights import TenancyRole


def show_user(user: UserDocument) -> dict[str, Any]:
    """Return a user. Names and addresses are the issuer's, so they are empty here."""
    url = make_url("users", user.number)
    return {
        "id": user.number,
        "type": "user",
        "url": url,
        "related": {"roles": f"{url}roles/", "teams": f"{url}teams/"},
        "summary_fields": {"user_capabilities": {"edit": False, "delete": False}},
        "created": show_time(user.created_at),
        "modified": show_time(user.seen_at),
        "username": user.id,
        "first_name": "",
        "last_name": "",
        "email": "",
        "is_superuser": TenancyRole.SUPERUSER in user.system_roles,
        "is_system_auditor": TenancyRole.SYSTEM_AUDITOR in user.system_roles,
        "last_login": show_time(user.seen_at),
    }


def show_team(team: TeamDocument, *, organization: int) -> dict[str, Any]:
    """Return a team of the organization with this number."""
    url = make_url("teams", team.id)
    return {
        "id": team.id,
        "type": "team",
        "url": url,
        "related": {
            **{name: f"{url}{name}/" for name in ("users", "roles", "object_roles", "access_list")},
            "organization": make_url("organizations", organization),
        },
        "summary_fields": {
            "organization": {"id": organization, "name": team.organization},
            "object_roles": summarize_roles(list_keys(RoleTarget.TEAM, team.id), "team"),
        },
        "created": show_time(team.created_at),
        "modified": show_time(team.changed_at),
        "name": team.name,
        "description": team.description,
        "organization": organization,
    }


@dataclass(frozen=True, slots=True)
class AccessReason:
    """One reason why a user has a role on an object."""

    subject: str
    key: RoleKey
    owner: RoleOwner
    #: The team by which the user has it; None: the user's own.
    team: TeamDocument | None = None


def show_access(
    users: Iterable[UserDocument], direct: Sequence[AccessReason], indirect: Sequence[AccessReason]
) -> list[dict[str, Any]]:
    """Return the users with access to an object, and why: by roles on it (`direct`), or by other ones."""
    shown = []
    for user in users:
        row = show_user(user)
        lists: Mapping[str, Sequence[AccessReason]] = {"direct_access": direct, "indirect_access": indirect}
        for name, reasons in lists.items():
            row["summary_fields"][name] = [_show_reason(each) for each in reasons if each.subject == user.id]
        shown.append(row)
    return shown


def _show_reason(reason: AccessReason) -> dict[str, Any]:
    role = show_role(reason.key, reason.owner)
    by_team = {} if reason.team is None else {"team_id": reason.team.id, "team_name": reason.team.name}
    return {
        "role": {
            **{name: role[name] for name in ("id", "name", "description")},
            **{name: role["summary_fields"][name] for name in ("resource_name", "resource_type", "resource_id")},
            "related": {reason.owner.kind: reason.owner.url},
            **by_team,
        },
        "descendant_roles": [reason.key.word],
    }
