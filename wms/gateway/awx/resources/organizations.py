"""The routes of organizations. The `id` of one is an integer; its name is what our own routes call its id."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.errors import Conflict, NotFound
from schemas.ids import DEFAULT_ORGANIZATION, OrganizationId
from wms.gateway.awx.kinds.others import ORGANIZATION_FIELDS
from wms.gateway.awx.requests import AwxParts, Requests, answer_rows, read_id, route_list, route_object
from wms.gateway.awx.shapes.object_paths import make_url, relate_lists
from wms.gateway.awx.shapes.role_words import RoleTarget, list_keys, summarize_roles
from wms.gateway.awx.shapes.template_shapes import show_time
from wms.tenancy.claims import is_organization_name
from wms.tenancy.documents import OrganizationDocument
from wms.tenancy.rights import Action, Principal
from wms.tenancy.tree_rights import check_tree_right
from wms.trees.template_errors import FieldsRefused

_NAME_RULE = "must have 1 to 63 letters, digits and the characters _ . - and begin with a letter or a digit"


class AwxOrganizationRoutes:
    """Handlers of /organizations."""

    def __init__(self, parts: AwxParts, requests: Requests) -> None:
        self._organizations = parts.organizations
        self._numbers = parts.numbers
        self._jobs = parts.jobs
        self._requests = requests

    def routes(self) -> list[Route]:
        """Return the routes."""
        what, one = "/organizations", "/organizations/{id}"
        return [
            route_list(what, self.list_organizations, "List organizations", ORGANIZATION_FIELDS),
            route_object("POST", what, self.create_organization, "Create an organization", codes=(201,)),
            route_object("GET", one, self.get_organization, "Get an organization"),
            route_object("PUT", one, self.change_organization, "Change an organization"),
            route_object("PATCH", one, self.change_organization, "Change fields of an organization"),
            route_object("DELETE", one, self.delete_organization, "Delete an organization", codes=(204,)),
        ]

    async def list_organizations(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        found = await self._organizations.list_organizations(principal)
        return answer_rows(call, [await self._show_organization(each) for each in found], ORGANIZATION_FIELDS)

    async def get_organization(self, call: Call) -> Response:
        _, found = await self._load_organization(call)
        return answer_json(await self._show_organization(found))

    async def create_organization(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        check_tree_right(principal, Action.CHANGE_ORGANIZATION, None)
        name = call.body.root.get("name")
        if not isinstance(name, str) or not is_organization_name(name):
            raise FieldsRefused({"name": [_NAME_RULE]})
        if name == DEFAULT_ORGANIZATION or await self._organizations.find_organization(OrganizationId(name)):
            raise FieldsRefused({"name": ["an organization with this name already exists"]})
        made = await self._save_organization(principal, OrganizationDocument(id=OrganizationId(name)), call.body.root)
        shown = await self._show_organization(made)
        answer = answer_json(shown, code=201)
        answer.headers["Location"] = shown["url"]
        return answer

    async def change_organization(self, call: Call) -> Response:
        principal, found = await self._load_organization(call)
        check_tree_right(principal, Action.CHANGE_ORGANIZATION, None)
        if call.body.root.get("name", found.id) != found.id:
            raise FieldsRefused({"name": ["the name of an organization never changes; create another one"]})
        changed = await self._save_organization(principal, found, call.body.root)
        return answer_json(await self._show_organization(changed))

    async def delete_organization(self, call: Call) -> Response:
        """Delete an organization in which nothing is left."""
        principal, found = await self._load_organization(call)
        check_tree_right(principal, Action.CHANGE_ORGANIZATION, None)
        query = {"organization": found.id}
        if await self._jobs.find_ids(principal, query, limit=1):
            raise Conflict(f"organization {found.id!r} still has jobs", hint="delete these first")
        await self._organizations.remove_organization(found.id, by=principal.subject)
        return answer_nothing()

    async def _load_organization(self, call: Call) -> tuple[Principal, OrganizationDocument]:
        principal = await self._requests.find_principal(call)
        name = await self._numbers.find_name(read_id(call))
        seen = await self._organizations.list_organizations(principal)
        found = next((each for each in seen if each.id == name), None)
        if found is None:
            raise NotFound("Not found.")
        return principal, found

    async def _save_organization(
        self, principal: Principal, before: OrganizationDocument, raw: Mapping[str, Any]
    ) -> OrganizationDocument:
        title = raw.get("description", before.title)
        if not isinstance(title, str) or len(title) > 5000:
            raise FieldsRefused({"description": ["must be a text of at most 5000 characters"]})
        return await self._organizations.save_organization(
            before.id, title=title, customer_ids=before.customer_ids, by=principal.subject
        )

    async def _show_organization(self, found: OrganizationDocument) -> dict[str, Any]:
        number = await self._numbers.number(found.id)
        url = make_url("organizations", number)
        return {
            "id": number,
            "type": "organization",
            "url": url,
            "related": {
                **{name: f"{url}{name}/" for name in ("object_roles", "access_list", "notification_templates")},
                **relate_lists(url, has_approvals=True),
            },
            "summary_fields": {
                "object_roles": summarize_roles(list_keys(RoleTarget.ORGANIZATION, number), "organization")
            },
            "created": show_time(found.changed_at),
            "modified": show_time(found.changed_at),
            "name": found.id,
            "description": found.title,
        }
