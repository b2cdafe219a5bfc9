"""The routes of users and teams. Users come from tokens that we have seen; teams are made here."""

from functools import partial
from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.automation.trees import ObjectRole
from schemas.errors import Forbidden, NotFound
from wms.gateway.awx.kinds.people import ROLE_FIELDS, TEAM_FIELDS, USER_FIELDS
from wms.gateway.awx.people.role_holders import RoleHolders, make_holder
from wms.gateway.awx.requests import AwxParts, Requests, answer_rows, read_body_id, read_id, route_list, route_object
from wms.gateway.awx.shapes.people_shapes import show_team, show_user
from wms.gateway.awx.shapes.role_words import RoleKey, RoleTarget, find_role_key, show_role
from wms.tenancy.documents import TeamDocument, UserDocument, name_team
from wms.tenancy.rights import Action, Principal, TenancyRole, find_organizations, may, sees
from wms.tenancy.teams import TeamNameTaken
from wms.tenancy.users import find_subject
from wms.trees.template_errors import BadAssociation, FieldsRefused

#: Who may give roles, or sees all organizations, sees all users.
_OVERSEERS = frozenset({TenancyRole.SUPERUSER, TenancyRole.SYSTEM_AUDITOR, TenancyRole.ORG_ADMIN})


class UserRoutes:
    """Handlers of /users and /teams."""

    def __init__(self, parts: AwxParts, requests: Requests) -> None:
        self._parts = parts
        self._requests = requests
        self._holders = RoleHolders(parts)

    def routes(self) -> list[Route]:
        """Return the routes."""
        user, team = "/users/{id}", "/teams/{id}"
        give = "Give a role on an object to a {}, or take it"
        return [
            route_list("/users", self.list_users, "List the users who have been here", list(USER_FIELDS)),
            route_object("GET", user, self.get_user, "Get a user"),
            route_list(f"{user}/teams", self.list_own_teams, "List the teams of a user", list(TEAM_FIELDS)),
            route_list(f"{user}/roles", partial(self.list_roles, "user"), "List a user's roles", list(ROLE_FIELDS)),
            route_object("POST", f"{user}/roles", partial(self.change_role, "user"), give.format("user"), codes=(204,)),
            route_list("/teams", self.list_teams, "List teams", list(TEAM_FIELDS)),
            route_object("POST", "/teams", self.create_team, "Create a team of an organization", codes=(201,)),
            route_object("GET", team, self.get_team, "Get a team"),
            route_object("PUT", team, self.change_team, "Change a team"),
            route_object("PATCH", team, self.change_team, "Change fields of a team"),
            route_object("DELETE", team, self.delete_team, "Delete a team, with its roles", codes=(204,)),
            route_list(f"{team}/users", self.list_members, "List the users of a team", list(USER_FIELDS)),
            route_object("POST", f"{team}/users", self.change_member, "Put a user into a team, or out", codes=(204,)),
            route_list(f"{team}/roles", partial(self.list_roles, "team"), "List a team's roles", list(ROLE_FIELDS)),
            route_object("POST", f"{team}/roles", partial(self.change_role, "team"), give.format("team"), codes=(204,)),
        ]

    async def _find_seen(self, principal: Principal) -> set[str] | None:
        """Return the subjects of the users that the principal sees; None: it sees all.

        Who may give roles sees all. An auditor sees who has a stored role in the organization, or is in a team of it.
        Others see themselves.
        """
        gives_roles = any(ObjectRole.ADMIN in roles for roles in principal.delegated.values())
        if gives_roles or not _OVERSEERS.isdisjoint(principal.every_role):
            return None
        audited = find_organizations(principal, Action.SEE_TREE) or frozenset()
        holders = [each.principal for name in audited for each in await self._parts.organizations.list_members(name)]
        teams = await self._parts.teams.list_teams({"organization": {"$in": sorted(audited)}}) if audited else []
        holders += [member for team in teams for member in team.members]
        return {principal.subject, *(each for each in map(find_subject, holders) if each is not None)}

    async def list_users(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        shown = map(show_user, await self._parts.users.list_users(await self._find_seen(principal)))
        return answer_rows(call, shown, USER_FIELDS, searched=("username",))

    async def _load_user(self, call: Call) -> tuple[Principal, UserDocument]:
        principal, number = await self._requests.find_principal(call), read_id(call)
        found = await self._parts.users.find_numbered(number)
        seen = None if found is None else await self._find_seen(principal)
        if found is None or (seen is not None and found.id not in seen):
            raise NotFound("Not found.")
        return principal, found

    async def get_user(self, call: Call) -> Response:
        return answer_json(show_user((await self._load_user(call))[1]))

    async def _show_team(self, team: TeamDocument) -> dict[str, Any]:
        return show_team(team, organization=await self._parts.numbers.number(team.organization))

    async def list_own_teams(self, call: Call) -> Response:
        principal, user = await self._load_user(call)
        found = await self._parts.teams.list_teams({"members": make_holder(user)})
        shown = [await self._show_team(each) for each in found if sees(principal, each.organization)]
        return answer_rows(call, shown, TEAM_FIELDS)

    async def _load_holder(self, kind: str, call: Call) -> tuple[Principal, str]:
        if kind == "user":
            principal, user = await self._load_user(call)
            return principal, make_holder(user)
        principal, team = await self._load_team(call)
        return principal, make_holder(team)

    async def list_roles(self, kind: str, call: Call) -> Response:
        principal, holder = await self._load_holder(kind, call)
        found = await self._holders.list_roles_of(principal, holder)
        return answer_rows(call, [show_role(*each) for each in found], ROLE_FIELDS)

    async def change_role(self, kind: str, call: Call) -> Response:
        principal, holder = await self._load_holder(kind, call)
        number = read_body_id(call.body.root)
        key = find_role_key(number)
        if key is None:
            raise BadAssociation(f"there is no role with id {number}")
        is_taken = bool(call.body.root.get("disassociate"))
        await self._holders.change_role(principal, key, holder, is_taken=is_taken)
        return answer_nothing()

    async def list_teams(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        seen = find_organizations(principal, Action.SEE_ORGANIZATION)
        query = {} if seen is None else {"organization": {"$in": sorted(seen)}}
        shown = [await self._show_team(each) for each in await self._parts.teams.list_teams(query)]
        return answer_rows(call, shown, TEAM_FIELDS)

    async def _load_team(self, call: Call, action: Action = Action.SEE_ORGANIZATION) -> tuple[Principal, TeamDocument]:
        principal = await self._requests.find_principal(call)
        return principal, await self._holders.load_team(principal, read_id(call), action)

    async def get_team(self, call: Call) -> Response:
        return answer_json(await self._show_team((await self._load_team(call))[1]))

    async def create_team(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        raw, name = await self._requests.read_organization(principal, call)
        if not may(principal, Action.CHANGE_MEMBERS, name):
            raise Forbidden("You do not have permission to perform this action.", hint=f"ask an admin of {name}")
        fields = _read_fields(raw)
        if "name" not in fields:
            raise FieldsRefused({"name": ["This field is required."]})
        try:
            made = await self._parts.teams.create_team(
                name,
                name=fields["name"],
                description=fields.get("description", ""),
                by=principal.subject,
                once=call.once,
            )
        except TeamNameTaken as error:
            raise FieldsRefused({"__all__": [error.reason]}) from error
        shown = await self._show_team(made)
        answer = answer_json(shown, code=201)
        answer.headers["Location"] = shown["url"]
        return answer

    async def change_team(self, call: Call) -> Response:
        principal, team = await self._load_team(call, Action.CHANGE_MEMBERS)
        raw = await self._requests.spell_organization(call.body.root)
        if raw.get("organization", team.organization) != team.organization:
            raise FieldsRefused({"organization": ["a team stays in its organization; make another team there"]})
        fields = _read_fields(raw)
        try:
            changed = await self._parts.teams.change_team(
                team.id, lambda before: before.model_copy(update=fields), by=principal.subject
            )
        except TeamNameTaken as error:
            raise FieldsRefused({"__all__": [error.reason]}) from error
        return answer_json(await self._show_team(changed))

    async def delete_team(self, call: Call) -> Response:
        principal, team = await self._load_team(call, Action.CHANGE_MEMBERS)
        await self._parts.trees.roles.forget_holder(name_team(team.id), by=principal.subject)
        await self._parts.teams.delete_team(team.id, by=principal.subject)
        return answer_nothing()

    async def list_members(self, call: Call) -> Response:
        _, team = await self._load_team(call)
        users = await self._holders.load_users(team.members)
        return answer_rows(call, map(show_user, users), USER_FIELDS, searched=("username",))

    async def change_member(self, call: Call) -> Response:
        principal, team = await self._load_team(call, Action.CHANGE_MEMBERS)
        number = read_body_id(call.body.root)
        user = await self._parts.users.find_numbered(number)
        if user is None:
            raise BadAssociation(f"there is no user with id {number}")
        is_taken = bool(call.body.root.get("disassociate"))
        key = RoleKey(RoleTarget.TEAM, team.id, "member_role")
        await self._holders.change_role(principal, key, make_holder(user), is_taken=is_taken)
        return answer_nothing()


def _read_fields(raw: dict[str, Any]) -> dict[str, str]:
    """Return the name and the description that a request gives to a team."""
    found: dict[str, str] = {}
    for field in ("name", "description"):
        if field in raw:
            value = raw[field]
            if not isinstance(value, str) or len(value) > 512 or (field == "name" and not value.strip()):
                raise FieldsRefused({field: ["must be a text of at most 512 characters, a name not blank"]})
            found[field] = value
    return found
