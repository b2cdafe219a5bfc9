"""The routes of roles: which roles an object has, who has them, and why somebody has access."""

from functools import partial

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.automation.trees import TemplateKind
from schemas.errors import NotFound
from schemas.ids import OrganizationId, TeamId, TemplateId
from wms.gateway.awx.kinds.people import ROLE_FIELDS, TEAM_FIELDS, USER_FIELDS
from wms.gateway.awx.people.role_holders import RoleHolders, describe_template, make_holder
from wms.gateway.awx.requests import AwxParts, Requests, answer_rows, read_body_id, read_id, route_list, route_object
from wms.gateway.awx.shapes.people_shapes import AccessReason, show_access, show_team, show_user
from wms.gateway.awx.shapes.role_words import (
    RoleKey,
    RoleOwner,
    RoleTarget,
    find_role_key,
    list_keys,
    list_template_keys,
    show_role,
)
from wms.gateway.awx.shapes.template_shapes import PATHS
from wms.tenancy.documents import TeamDocument, UserDocument, name_team
from wms.tenancy.rights import Principal, TenancyRole
from wms.trees.template_errors import BadAssociation

_WITH_ROLES = {
    "organizations": "organization",
    "teams": "team",
    PATHS[TemplateKind.WORKFLOW]: TemplateKind.WORKFLOW.value,
    PATHS[TemplateKind.JOB]: TemplateKind.JOB.value,
}


class RoleRoutes:
    """Handlers of /roles, and of the roles of each kind of object."""

    def __init__(self, parts: AwxParts, requests: Requests) -> None:
        self._parts = parts
        self._requests = requests
        self._holders = RoleHolders(parts)

    def routes(self) -> list[Route]:
        """Return the routes."""
        one = "/roles/{id}"
        shown = [
            route_list("/roles", self.list_roles, "List the roles that the caller has", list(ROLE_FIELDS)),
            route_object("GET", one, self.get_role, "Get a role on an object"),
            route_list(f"{one}/users", self.list_role_users, "List the users with a role", list(USER_FIELDS)),
            route_list(f"{one}/teams", self.list_role_teams, "List the teams with a role", list(TEAM_FIELDS)),
        ]
        for who in ("users", "teams"):
            about = f"Give a role to one of the {who}, or take it"
            shown.append(route_object("POST", f"{one}/{who}", partial(self.change_role, who), about, codes=(204,)))
        for path, kind in _WITH_ROLES.items():
            words = kind.replace("_", " ")
            shown += [
                route_list(
                    f"/{path}/{{id}}/object_roles",
                    partial(self.list_object_roles, kind),
                    f"List the roles on a {words}",
                    list(ROLE_FIELDS),
                ),
                route_list(
                    f"/{path}/{{id}}/access_list",
                    partial(self.list_access, kind),
                    f"List who has access to a {words}, and why",
                    list(USER_FIELDS),
                ),
            ]
        return shown

    async def _load_role(self, call: Call) -> tuple[Principal, RoleKey, RoleOwner]:
        principal = await self._requests.find_principal(call)
        key = find_role_key(read_id(call))
        if key is None:
            raise NotFound("Not found.")
        return principal, key, await self._holders.load_owner(principal, key)

    async def list_roles(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        user = await self._parts.users.note_user(principal)
        found = await self._holders.list_roles_of(principal, make_holder(user))
        return answer_rows(call, [show_role(*each) for each in found], ROLE_FIELDS)

    async def get_role(self, call: Call) -> Response:
        _, key, owner = await self._load_role(call)
        return answer_json(show_role(key, owner))

    async def list_role_users(self, call: Call) -> Response:
        _, key, _ = await self._load_role(call)
        users = await self._holders.load_users(await self._holders.find_holders(key))
        return answer_rows(call, map(show_user, users), USER_FIELDS, searched=("username",))

    async def list_role_teams(self, call: Call) -> Response:
        principal, key, _ = await self._load_role(call)
        teams = await self._holders.load_teams(principal, await self._holders.find_holders(key))
        shown = [show_team(each, organization=await self._parts.numbers.number(each.organization)) for each in teams]
        return answer_rows(call, shown, TEAM_FIELDS)

    async def change_role(self, who: str, call: Call) -> Response:
        principal, key, _ = await self._load_role(call)
        number = read_body_id(call.body.root)
        found: UserDocument | TeamDocument | None
        if who == "users":
            found = await self._parts.users.find_numbered(number)
        else:
            # A team of an organization that the caller does not see gets the same answer as none.
            found = next(iter(await self._holders.load_teams(principal, [name_team(TeamId(number))])), None)
        if found is None:
            raise BadAssociation(f"there is no {who.removesuffix('s')} with id {number}")
        is_taken = bool(call.body.root.get("disassociate"))
        await self._holders.change_role(principal, key, make_holder(found), is_taken=is_taken)
        return answer_nothing()

    async def _find_object(
        self, principal: Principal, kind: str, call: Call
    ) -> tuple[list[RoleKey], RoleOwner, OrganizationId | None]:
        """Return the roles of the object in the path, the object, and the organization whose roles count there, too."""
        number = read_id(call)
        if kind in ("organization", "team"):
            keys = list_keys(RoleTarget(kind), number)
            owner = await self._holders.load_owner(principal, keys[0])
            return keys, owner, None
        template = await self._parts.trees.templates.get_template(principal, TemplateId(number), TemplateKind(kind))
        return list_template_keys(template), describe_template(template), template.organization

    async def list_object_roles(self, kind: str, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        keys, owner, _ = await self._find_object(principal, kind, call)
        return answer_rows(call, [show_role(key, owner) for key in keys], ROLE_FIELDS)

    async def list_access(self, kind: str, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        keys, owner, organization = await self._find_object(principal, kind, call)
        direct, indirect = await self._holders.explain_access(principal, keys, owner), list[AccessReason]()
        if organization is not None:
            number = await self._parts.numbers.number(organization)
            above = RoleOwner("organization", "organizations", number, organization)
            wanted = [
                key for key in list_keys(RoleTarget.ORGANIZATION, number) if key.role is not TenancyRole.ORG_MEMBER
            ]
            indirect = await self._holders.explain_access(principal, wanted, above)
        users = await self._parts.users.list_users(each.subject for each in (*direct, *indirect))
        return answer_rows(call, show_access(users, direct, indirect), USER_FIELDS, searched=("username",))
