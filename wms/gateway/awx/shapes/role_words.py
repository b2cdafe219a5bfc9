"""The roles on objects in the dialect: their numbers, their names, and how a role is shown. (core)

A role's number follows from its object, so nothing is stored for a role without holders:

    number = (id of the object * 3 + kind of the object) * 8 + place of the role in the list of the kind
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schemas.automation.trees import ObjectRole, TemplateDocument, TemplateKind
from wms.gateway.awx.shapes.object_paths import make_url
from wms.tenancy.rights import TenancyRole


class RoleTarget(StrEnum):
    """The kinds of objects that have roles. Templates of all kinds share one space of ids."""

    TEMPLATE = "template"
    ORGANIZATION = "organization"
    TEAM = "team"


_TARGETS: Sequence[RoleTarget] = tuple(RoleTarget)
_MAX_ROLES = 8

#: Kind of object -> its roles: the dialect's word, and our own. New ones join at the end, since numbers count places.
ROLES: Mapping[RoleTarget, Mapping[str, ObjectRole | TenancyRole]] = {
    RoleTarget.TEMPLATE: {
        "admin_role": ObjectRole.ADMIN,
        "execute_role": ObjectRole.EXECUTE,
        "read_role": ObjectRole.READ,
        "approval_role": ObjectRole.APPROVAL,
    },
    RoleTarget.ORGANIZATION: {
        "admin_role": TenancyRole.ORG_ADMIN,
        "auditor_role": TenancyRole.ORG_AUDITOR,
        "member_role": TenancyRole.ORG_MEMBER,
    },
    RoleTarget.TEAM: {"member_role": TenancyRole.ORG_MEMBER},
}
_ABOUT: Mapping[str, tuple[str, str]] = {
    "admin_role": ("Admin", "Can manage all aspects of the {}"),
    "execute_role": ("Execute", "May run the {}"),
    "read_role": ("Read", "May view settings for the {}"),
    "approval_role": ("Approve", "Can approve or deny an approval of the {}"),
    "auditor_role": ("Auditor", "Can view all aspects of the {}"),
    "member_role": ("Member", "User is a member of the {}"),
}


@dataclass(frozen=True, slots=True)
class RoleKey:
    """One role on one object."""

    target: RoleTarget
    object_id: int
    #: The dialect's word, such as `execute_role`.
    word: str

    @property
    def number(self) -> int:
        """Return the role's number."""
        place = list(ROLES[self.target]).index(self.word)
        return (self.object_id * len(_TARGETS) + _TARGETS.index(self.target)) * _MAX_ROLES + place

    @property
    def role(self) -> ObjectRole | TenancyRole:
        """Return the role in our own word."""
        return ROLES[self.target][self.word]


def find_role_key(number: int) -> RoleKey | None:
    """Return the role with this number; None: no object could have it."""
    rest, place = divmod(number, _MAX_ROLES)
    object_id, target = divmod(rest, len(_TARGETS))
    words = list(ROLES[_TARGETS[target]])
    return RoleKey(_TARGETS[target], object_id, words[place]) if place < len(words) and object_id > 0 else None


@dataclass(frozen=True, slots=True)
class RoleOwner:
    """The object of a role, as a role names it."""

    #: The dialect's word for its kind, such as `workflow_job_template`.
    kind: str
    path: str
    id: int
    name: str

    @property
    def url(self) -> str:
        """Return the path of the object."""
        return make_url(self.path, self.id)


def list_template_keys(template: TemplateDocument) -> list[RoleKey]:
    """Return the roles on a template. A job template has no approvals, and an approval no roles of its own."""
    if template.kind is TemplateKind.APPROVAL:
        return []
    keys = list_keys(RoleTarget.TEMPLATE, template.id)
    return keys if template.kind is TemplateKind.WORKFLOW else keys[:-1]


def list_keys(target: RoleTarget, object_id: int) -> list[RoleKey]:
    """Return all roles on an object."""
    return [RoleKey(target, object_id, word) for word in ROLES[target]]


def summarize_roles(keys: Sequence[RoleKey], kind: str) -> dict[str, dict[str, Any]]:
    """Return the roles of an object as its `summary_fields` name them."""
    return {key.word: {"id": key.number, **_describe_role(key, kind)} for key in keys}


def _describe_role(key: RoleKey, kind: str) -> dict[str, str]:
    name, about = _ABOUT[key.word]
    return {"name": name, "description": about.format(kind.replace("_", " "))}


def show_role(key: RoleKey, owner: RoleOwner) -> dict[str, Any]:
    """Return a role of the object `owner`."""
    url = make_url("roles", key.number)
    return {
        "id": key.number,
        "type": "role",
        "url": url,
        "related": {"users": f"{url}users/", "teams": f"{url}teams/", owner.kind: owner.url},
        "summary_fields": {
            "resource_name": owner.name,
            "resource_type": owner.kind,
            "resource_type_display_name": owner.kind.replace("_", " ").title(),
            "resource_id": owner.id,
        },
        **_describe_role(key, owner.kind),
    }
