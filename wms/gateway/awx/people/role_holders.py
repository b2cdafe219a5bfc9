"""Who has which role: on a template, in an organization, in a team. Give roles and take them, as far as the caller may.

template       the roles that its owners delegate (`wms.trees.templates.role_service`): to users and teams
organization   the stored memberships of users (`wms.tenancy.organizations`): one role for each user
team           its members: users
"""

from collections.abc import Iterable

from schemas.automation.trees import ObjectRole, TemplateDocument
from schemas.errors import Forbidden, NotFound, Rejected
from schemas.ids import OrganizationId, TeamId, TemplateId
from wms.gateway.awx.requests import AwxParts
from wms.gateway.awx.shapes.people_shapes import AccessReason
from wms.gateway.awx.shapes.role_words import (
    ROLES,
    RoleKey,
    RoleOwner,
    RoleTarget,
    list_keys,
    list_template_keys,
)
from wms.gateway.awx.shapes.template_shapes import PATHS
from wms.tenancy.documents import TeamDocument, UserDocument, name_team
from wms.tenancy.rights import Action, HasStrongerRole, Principal, TenancyRole, may, sees
from wms.tenancy.users import find_subject, name_user


class RoleHolders:
    """Users and teams with their roles on objects."""

    def __init__(self, parts: AwxParts) -> None:
        self._parts = parts

    async def load_owner(self, principal: Principal, key: RoleKey) -> RoleOwner:
        """Return the object of a role, which the principal must see.

        Raises:
            NotFound: there is no such object, or it has no such role.
            Forbidden: the principal does not see it.
        """
        match key.target:
            case RoleTarget.TEMPLATE:
                template = await self._parts.trees.templates.get_template(principal, TemplateId(key.object_id))
                if key not in list_template_keys(template):
                    raise NotFound("Not found.")
                return describe_template(template)
            case RoleTarget.ORGANIZATION:
                name = await self._parts.numbers.find_name(key.object_id)
                if name is None or not sees(principal, name):
                    raise NotFound("Not found.")
                return RoleOwner("organization", "organizations", key.object_id, name)
            case RoleTarget.TEAM:
                team = await self.load_team(principal, key.object_id)
                return RoleOwner("team", "teams", team.id, team.name)

    async def load_team(
        self, principal: Principal, number: int, action: Action = Action.SEE_ORGANIZATION
    ) -> TeamDocument:
        """Return a team of an organization in which the principal may do `action`.

        Raises:
            NotFound: there is none, or the principal does not see its organization.
            Forbidden: the principal may not do `action` there.
        """
        team = await self._parts.teams.load_team(number)
        if not sees(principal, team.organization):
            raise NotFound("Not found.")
        _check_member_right(principal, action, team.organization)
        return team

    async def find_holders(self, key: RoleKey) -> list[str]:
        """Return the names of the users and teams that have a role."""
        match key.target:
            case RoleTarget.TEMPLATE:
                [template] = (await self._parts.trees.templates.load_templates([TemplateId(key.object_id)])).values()
                grants = template.grants if template.can_delegate else ()
                return [each.holder for each in grants if each.role is key.role]
            case RoleTarget.ORGANIZATION:
                name = await self._parts.numbers.find_name(key.object_id)
                members = [] if name is None else await self._parts.organizations.list_members(name)
                return [each.principal for each in members if each.role is key.role]
            case RoleTarget.TEAM:
                team = await self._parts.teams.find_team(key.object_id)
                return [] if team is None else list(team.members)

    async def load_users(self, holders: Iterable[str]) -> list[UserDocument]:
        """Return the users among the holders of a role."""
        subjects = [find_subject(each) for each in holders]
        return await self._parts.users.list_users(each for each in subjects if each is not None)

    async def load_teams(self, principal: Principal, holders: Iterable[str]) -> list[TeamDocument]:
        """Return those teams among the holders of a role whose organizations the principal sees."""
        names = set(holders)
        ids = [int(each.removeprefix("team:")) for each in names if each.startswith("team:")]
        found = await self._parts.teams.list_teams({"_id": {"$in": sorted(ids)}})
        return [team for team in found if sees(principal, team.organization)]

    async def change_role(self, principal: Principal, key: RoleKey, holder: str, *, is_taken: bool) -> None:
        """Give a role to a user or a team, or take it. Nothing changes if that is so already.

        Raises:
            Forbidden: the principal may not decide about this role.
            Rejected: this holder cannot have the role.
        """
        owner = await self.load_owner(principal, key)
        subject = find_subject(holder)
        if subject is None and key.target is not RoleTarget.TEMPLATE:
            raise Rejected(
                f"a team can have roles on templates only, not in the {owner.kind} {owner.name!r}",
                hint="give the role to its users one by one",
            )
        match key.target:
            case RoleTarget.TEMPLATE:
                roles, role = self._parts.trees.roles, ObjectRole(key.role)
                await (roles.take_role if is_taken else roles.give_role)(
                    principal, TemplateId(key.object_id), role, holder
                )
            case RoleTarget.ORGANIZATION:
                await self._change_member(principal, OrganizationId(owner.name), key, holder, is_taken=is_taken)
            case RoleTarget.TEAM:
                await self._change_team(principal, key.object_id, holder, is_taken=is_taken)

    async def _change_member(
        self, principal: Principal, name: OrganizationId, key: RoleKey, holder: str, *, is_taken: bool
    ) -> None:
        _check_member_right(principal, Action.CHANGE_MEMBERS, name)
        organizations, role = self._parts.organizations, TenancyRole(key.role)
        if not is_taken:
            try:
                await organizations.set_member(name, holder, role, by=principal.subject)
            except HasStrongerRole as refusal:
                raise explain_promotion(refusal.held, role, name) from refusal
        elif holder in await self.find_holders(key):
            await organizations.remove_member(name, holder, by=principal.subject)
        elif find_subject(holder) in await self._parts.users.list_by_token(name, role):
            raise Rejected(
                f"the token of the user gives the role in the organization {name!r}",
                hint="take it from the group, or the user out of the group at the issuer",
            )

    async def _change_team(self, principal: Principal, number: int, holder: str, *, is_taken: bool) -> None:
        team = await self.load_team(principal, number, Action.CHANGE_MEMBERS)

        def change(before: TeamDocument) -> TeamDocument:
            kept = tuple(each for each in before.members if each != holder)
            return before.model_copy(update={"members": kept if is_taken else (*kept, holder)})

        await self._parts.teams.change_team(TeamId(team.id), change, by=principal.subject)

    async def list_roles_of(self, principal: Principal, holder: str) -> list[tuple[RoleKey, RoleOwner]]:
        """Return the roles that a holder has on objects that the principal sees."""
        found: list[tuple[RoleKey, RoleOwner]] = []
        for template in await self._parts.trees.roles.list_held(holder):
            if template.can_delegate and await self._sees_template(principal, template.id):
                held = {grant.role for grant in template.grants if grant.holder == holder}
                owner = describe_template(template)
                found += [(key, owner) for key in list_template_keys(template) if key.role in held]
        for organization in await self._parts.organizations.list_organizations(principal):
            number = await self._parts.numbers.number(organization.id)
            owner = RoleOwner("organization", "organizations", number, organization.id)
            held_here = {
                each.role
                for each in await self._parts.organizations.list_members(organization.id)
                if each.principal == holder
            }
            found += [(key, owner) for key in list_keys(RoleTarget.ORGANIZATION, number) if key.role in held_here]
        for team in await self._parts.teams.list_teams({"members": holder}):
            if sees(principal, team.organization):
                owner = RoleOwner("team", "teams", team.id, team.name)
                found += [(key, owner) for key in list_keys(RoleTarget.TEAM, team.id)]
        return found

    async def _sees_template(self, principal: Principal, template_id: TemplateId) -> bool:
        try:
            await self._parts.trees.templates.get_template(principal, template_id)
        except Forbidden:
            return False
        return True

    async def explain_access(
        self, principal: Principal, owner_keys: list[RoleKey], owner: RoleOwner
    ) -> list[AccessReason]:
        """Return the users with the roles of an object, by themselves or by a team that the principal sees.

        A role in an organization also counts for a user whose latest token had it.
        """
        found: list[AccessReason] = []
        for key in owner_keys:
            holders = await self.find_holders(key)
            if key.target is RoleTarget.ORGANIZATION:
                by_token = await self._parts.users.list_by_token(OrganizationId(owner.name), TenancyRole(key.role))
                holders = list(dict.fromkeys((*holders, *map(name_user, by_token))))
            found += [
                AccessReason(subject, key, owner) for subject in map(find_subject, holders) if subject is not None
            ]
            for team in await self.load_teams(principal, holders):
                found += [
                    AccessReason(subject, key, owner, team)
                    for subject in map(find_subject, team.members)
                    if subject is not None
                ]
        return found


def explain_promotion(held: TenancyRole, role: TenancyRole, organization: str) -> Rejected:
    """Return, in the words of the dialect, why a user with the role `held` is not given a weaker one."""
    words = {own: word for word, own in ROLES[RoleTarget.ORGANIZATION].items()}
    return Rejected(
        f"{words[role]}: the user has {words[held]} in the organization {organization!r}, and a user has one "
        "role there",
        hint=f"take {words[held]} first, then give {words[role]}",
    )


def describe_template(template: TemplateDocument) -> RoleOwner:
    """Return a template as the object of roles."""
    return RoleOwner(template.kind.value, PATHS[template.kind], template.id, template.name)


def make_holder(target: UserDocument | TeamDocument) -> str:
    """Return the name under which a user or a team holds roles."""
    return name_user(target.id) if isinstance(target, UserDocument) else name_team(target.id)


def _check_member_right(principal: Principal, action: Action, organization: str) -> None:
    if not may(principal, action, organization):
        raise Forbidden(
            "You do not have permission to perform this action.",
            hint=f"{action} in {organization}: ask an admin of the organization",
        )
