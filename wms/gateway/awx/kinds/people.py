"""The kinds of users, teams, and of the roles that they have. (core)"""

from datetime import datetime

from wms.gateway.awx.kinds.fields import Key, KindModel, NamedModel, required, shown
from wms.gateway.awx.kinds.kind import Kind, Part
from wms.gateway.awx.lists import Fields, ListField
from wms.tenancy.rights import Action

USER_FIELDS: Fields = {
    "id": ListField("_id", int),
    "username": ListField("username"),
    "is_superuser": ListField("is_superuser", bool),
}
TEAM_FIELDS: Fields = {
    "id": ListField("_id", int),
    "name": ListField("name"),
    "organization": ListField("organization", int),
    "organization__name": ListField("summary_fields.organization.name"),
}
ROLE_FIELDS: Fields = {"id": ListField("_id", int), "name": ListField("name")}


class UserModel(KindModel):
    """The fields of a user."""

    username: str = shown("The subject of the token.")
    first_name: str = shown("Empty: the issuer of tokens knows it.")
    last_name: str = shown("Empty: the issuer of tokens knows it.")
    email: str = shown("Empty: the issuer of tokens knows it.")
    is_superuser: bool = shown("Whether the user may do everything.")
    is_system_auditor: bool = shown("Whether the user may see everything.")
    last_login: datetime = shown("When the user was last here.")


class TeamModel(NamedModel):
    """The fields of a team."""

    organization: Key = required("The organization that it belongs to. It never changes.")


class RoleModel(KindModel):
    """The fields of a role on an object."""

    name: str = shown("Its name.")
    description: str = shown("What it lets its holder do.")


_USERS = Part(kind="users", joins=True)
_ROLES = Part(kind="roles", joins=True)

PEOPLE_KINDS: tuple[Kind, ...] = (
    Kind(
        path="users",
        model=UserModel,
        filters=USER_FIELDS,
        searched=("username",),
        parts={"teams": Part(kind="teams"), "roles": _ROLES},
    ),
    Kind(path="me", model=UserModel, filters=USER_FIELDS, searched=("username",)),
    Kind(
        path="teams",
        model=TeamModel,
        change=Action.CHANGE_MEMBERS,
        filters=TEAM_FIELDS,
        object_roles=("member_role",),
        parts={"users": _USERS, "roles": _ROLES, "object_roles": Part(kind="roles"), "access_list": Part(kind="users")},
    ),
    Kind(
        path="roles",
        model=RoleModel,
        filters=ROLE_FIELDS,
        parts={"users": _USERS, "teams": Part(kind="teams", joins=True)},
    ),
)
