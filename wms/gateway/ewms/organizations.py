"""The routes of organizations: which there are, which customers are theirs, and who has a role in them."""

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.api.organizations import (
    MemberRequest,
    MembersAnswer,
    MemberSeen,
    OrganizationRequest,
    OrganizationsAnswer,
    OrganizationSeen,
)
from schemas.errors import NotFound, Rejected
from schemas.ids import DEFAULT_ORGANIZATION, OrganizationId
from wms.tenancy.claims import is_organization_name
from wms.tenancy.documents import OrganizationDocument
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal, TenancyRole, check_right, roles_for

_NAME = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"}


class OrganizationRoutes:
    """Handlers of /organizations."""

    def __init__(self, organizations: Organizations) -> None:
        self._organizations = organizations

    def routes(self) -> list[Route]:
        """Return the routes."""
        of_one = "/organizations/{organization}"
        named = {"organization": _NAME}
        return [
            Route(
                "GET",
                "/organizations",
                self.list_organizations,
                "List the organizations in which the caller has a role",
                roles=roles_for(Action.SEE_ORGANIZATION),
                answer=OrganizationsAnswer,
            ),
            Route(
                "GET",
                of_one,
                self.get_organization,
                "Get an organization",
                roles=roles_for(Action.SEE_ORGANIZATION),
                answer=OrganizationSeen,
                parameters=named,
            ),
            Route(
                "PUT",
                of_one,
                self.save_organization,
                "Make an organization, or say which customers are its own",
                roles=roles_for(Action.CHANGE_ORGANIZATION),
                body=OrganizationRequest,
                answer=OrganizationSeen,
                errors=(409, 413),
                parameters=named,
            ),
            Route(
                "GET",
                f"{of_one}/members",
                self.list_members,
                "List the stored roles in an organization",
                roles=roles_for(Action.SEE_ORGANIZATION),
                answer=MembersAnswer,
                parameters=named,
            ),
            Route(
                "PUT",
                f"{of_one}/members",
                self.set_member,
                "Give a principal a role in an organization",
                roles=roles_for(Action.CHANGE_MEMBERS),
                body=MemberRequest,
                codes=(204,),
                parameters=named,
            ),
            Route(
                "DELETE",
                f"{of_one}/members",
                self.remove_member,
                "Take its stored role in an organization from a principal",
                roles=roles_for(Action.CHANGE_MEMBERS),
                codes=(204,),
                query={"principal": True},
                parameters=named,
            ),
        ]

    async def list_organizations(self, call: Call) -> Response:
        principal = await self._organizations.find_principal(call.caller)
        found = await self._organizations.list_organizations(principal)
        return answer_json(OrganizationsAnswer(organizations=[_show_organization(each, principal) for each in found]))

    async def get_organization(self, call: Call) -> Response:
        principal, found = await self._find_organization(call, Action.SEE_ORGANIZATION)
        return answer_json(_show_organization(found, principal))

    async def save_organization(self, call: Call) -> Response:
        body: OrganizationRequest = call.body
        name = call.read_path("organization")
        if not is_organization_name(name):
            raise Rejected(f"the name of an organization must match {_NAME['pattern']}")
        principal = await self._organizations.find_principal(call.caller)
        check_right(principal, Action.CHANGE_ORGANIZATION, name)
        saved = await self._organizations.save_organization(
            OrganizationId(name),
            title=body.title,
            customer_ids=body.customer_ids,
            by=principal.subject,
            approval_by_another=body.approval_by_another,
        )
        return answer_json(_show_organization(saved, principal))

    async def list_members(self, call: Call) -> Response:
        _, found = await self._find_organization(call, Action.SEE_ORGANIZATION)
        members = [
            MemberSeen(principal=each.principal, role=each.role, changed_at=each.changed_at, changed_by=each.changed_by)
            for each in await self._organizations.list_members(found.id)
        ]
        return answer_json(MembersAnswer(members=members))

    async def set_member(self, call: Call) -> Response:
        body: MemberRequest = call.body
        principal, found = await self._find_organization(call, Action.CHANGE_MEMBERS)
        await self._organizations.set_member(found.id, body.principal, TenancyRole(body.role), by=principal.subject)
        return answer_nothing()

    async def remove_member(self, call: Call) -> Response:
        name = call.read_query("principal")
        if not name:
            raise Rejected("Missing required query parameter: principal")
        principal, found = await self._find_organization(call, Action.CHANGE_MEMBERS)
        await self._organizations.remove_member(found.id, name, by=principal.subject)
        return answer_nothing()

    async def _find_organization(self, call: Call, action: Action) -> tuple[Principal, OrganizationDocument]:
        """Return the caller and the organization in the path.

        Raises:
            NotFound: there is none, or the caller has no role in it.
            Forbidden: the caller may not do `action` there.
        """
        name = OrganizationId(call.read_path("organization"))
        absent = f"no organization found with name: {name}"
        principal = await self._organizations.find_principal(call.caller)
        check_right(principal, action, name, absent=absent)
        found = await self._organizations.find_organization(name)
        if found is None:
            # A token may give a role in an organization that has no document yet.
            if name != DEFAULT_ORGANIZATION and name not in principal.roles:
                raise NotFound(absent)
            found = OrganizationDocument(id=name)
        return principal, found


def _show_organization(found: OrganizationDocument, principal: Principal) -> OrganizationSeen:
    held = principal.system_roles | principal.roles.get(found.id, frozenset())
    return OrganizationSeen(
        name=found.id,
        title=found.title,
        customer_ids=list(found.customer_ids),
        approval_by_another=found.approval_by_another,
        your_roles=[role for role in TenancyRole if role in held],
        changed_at=found.changed_at,
        changed_by=found.changed_by,
    )
