"""The routes of notification templates, of the lists that name them, and of notifications."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.automation.notifications import (
    NotificationDocument,
    NotificationTemplateDocument,
    NotificationTemplateId,
    name_organization,
    name_template,
)
from schemas.automation.trees import TemplateKind
from schemas.errors import NotFound
from schemas.ids import OrganizationId, RunId, TemplateId
from wms.audit.audit_facts import AuditFacts
from wms.gateway.awx.kinds.notifications import LIST_NAMES, NOTIFICATION_FIELDS, NOTIFICATION_TEMPLATE_FIELDS
from wms.gateway.awx.requests import AwxParts, Requests, answer_page, read_body_id, read_id, route_list, route_object
from wms.gateway.awx.shapes.notification_shapes import TEMPLATES, show_notification, show_notification_template
from wms.gateway.awx.shapes.template_shapes import PATHS
from wms.tenancy.rights import Action, Principal
from wms.tenancy.tree_rights import check_tree_right, may_on_tree
from wms.trees.jobs.job_statuses import JOB_PATHS, find_job_type
from wms.trees.template_errors import BadAssociation, FieldsRefused

_ONE = f"/{TEMPLATES}/{{id}}"
_TARGETS: Mapping[str, TemplateKind | None] = {
    "organizations": None,
    PATHS[TemplateKind.WORKFLOW]: TemplateKind.WORKFLOW,
    PATHS[TemplateKind.JOB]: TemplateKind.JOB,
}


class NotificationRoutes:
    """Handlers of notifications."""

    def __init__(self, parts: AwxParts, requests: Requests) -> None:
        self._parts = parts
        self._requests = requests
        self._service = parts.notifications

    def routes(self) -> list[Route]:
        """Return the routes."""
        what = "notification template"
        return [
            route_list(f"/{TEMPLATES}", self.list_templates, f"List {what}s", list(NOTIFICATION_TEMPLATE_FIELDS)),
            route_object("POST", f"/{TEMPLATES}", self.create_template, f"Create a {what}", codes=(201,)),
            route_object("GET", _ONE, self.get_template, f"Get a {what}; its secrets are masked"),
            route_object("PUT", _ONE, self.change_template, f"Change a {what}"),
            route_object("PATCH", _ONE, self.change_template, f"Change fields of a {what}"),
            route_object("DELETE", _ONE, self.delete_template, f"Delete a {what}", codes=(204,)),
            route_object("POST", f"{_ONE}/test", self.test_template, f"Send a test by a {what}", codes=(202,)),
            route_object("GET", f"{_ONE}/copy", self.describe_copy, f"See whether one may copy a {what}"),
            route_object("POST", f"{_ONE}/copy", self.copy_template, f"Copy a {what}", codes=(201,)),
            route_list(
                f"{_ONE}/notifications", self.list_own, f"List what a {what} has sent", list(NOTIFICATION_FIELDS)
            ),
            route_list("/notifications", self.list_notifications, "List notifications", list(NOTIFICATION_FIELDS)),
            route_object("GET", "/notifications/{id}", self.get_notification, "Get a notification"),
            *self._list_job_routes(),
            *(route for target in _TARGETS for route in self._list_target_routes(target)),
        ]

    def _list_job_routes(self) -> list[Route]:
        return [
            route_list(
                f"/{path}/{{id}}/notifications",
                partial(self.list_of_job, kind),
                f"List the notifications about a {kind.replace('_', ' ')}",
                list(NOTIFICATION_FIELDS),
            )
            for kind, path in JOB_PATHS.items()
        ]

    def _list_target_routes(self, target: str) -> list[Route]:
        what = "an organization" if _TARGETS[target] is None else f"a {target[:-1].replace('_', ' ')}"
        routes = []
        for name in LIST_NAMES:
            if name == "approvals" and _TARGETS[target] is TemplateKind.JOB:
                continue
            path, when = f"/{target}/{{id}}/{TEMPLATES}_{name}", f"of {what} for {name}"
            listing, join = partial(self.list_linked, target, name), partial(self.join, target, name)
            routes += [
                route_list(
                    path, listing, f"List the notification templates {when}", list(NOTIFICATION_TEMPLATE_FIELDS)
                ),
                route_object("POST", path, join, f"Join or part notification templates {when}", codes=(201, 204)),
            ]
        if _TARGETS[target] is None:
            path = f"/{target}/{{id}}/{TEMPLATES}"
            routes += [
                route_list(
                    path,
                    self.list_of_organization,
                    "List its notification templates",
                    list(NOTIFICATION_TEMPLATE_FIELDS),
                ),
                route_object("POST", path, self.create_in_organization, "Create one in it", codes=(201,)),
            ]
        return routes

    async def _show(
        self, principal: Principal, templates: Sequence[NotificationTemplateDocument]
    ) -> list[dict[str, Any]]:
        recent = await self._service.list_recent([each.id for each in templates])
        return [
            show_notification_template(
                each,
                organization=await self._parts.numbers.number(each.organization),
                recent=recent.get(each.id, ()),
                may_change=may_on_tree(principal, Action.CHANGE_TREE, each.organization),
            )
            for each in templates
        ]

    async def _answer(
        self, principal: Principal, template: NotificationTemplateDocument, *, code: int = 200
    ) -> Response:
        [shown] = await self._show(principal, [template])
        answer = answer_json(shown, code=code)
        if code == 201:
            answer.headers["Location"] = shown["url"]
        return answer

    async def _list(self, call: Call, query: Mapping[str, Any]) -> Response:
        principal = await self._requests.find_principal(call)
        pairs, wish = await self._requests.read_list(call, NOTIFICATION_TEMPLATE_FIELDS)
        found, count = await self._service.list_templates(
            principal, {"$and": [wish.query, query]}, sort=wish.sort, skip=wish.skip, limit=wish.page_size
        )
        return answer_page(call, pairs, wish, await self._show(principal, found), count)

    async def list_templates(self, call: Call) -> Response:
        return await self._list(call, {})

    async def create_template(self, call: Call) -> Response:
        return await self._create(call, call.body.root)

    async def _create(self, call: Call, body: Mapping[str, Any]) -> Response:
        principal = await self._requests.find_principal(call)
        raw = await self._requests.spell_organization(body)
        made = await self._service.create_template(principal, raw, once=call.once)
        return await self._answer(principal, made, code=201)

    async def get_template(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        return await self._answer(principal, await self._service.get_template(principal, _read_template(call)))

    async def change_template(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        raw = await self._requests.spell_organization(call.body.root)
        return await self._answer(principal, await self._service.change_template(principal, _read_template(call), raw))

    async def delete_template(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        await self._service.delete_template(principal, _read_template(call))
        return answer_nothing()

    async def test_template(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        made = await self._service.test_template(principal, _read_template(call))
        template = await self._service.get_template(principal, made.template)
        return answer_json({"notification": made.number, **show_notification(made, template.name)}, code=202)

    async def describe_copy(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        template = await self._service.get_template(principal, _read_template(call))
        may = may_on_tree(principal, Action.CHANGE_TREE, template.organization)
        unable: dict[str, list[Any]] = {
            f"{what}_unable_to_copy": [] for what in ("templates", "credentials", "inventories")
        }
        return answer_json({"can_copy": may, "can_copy_without_user_input": may, **unable})

    async def copy_template(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        name = call.body.root.get("name") or ""
        if not isinstance(name, str) or len(name) > 512:
            raise FieldsRefused({"name": ["must be a text of at most 512 characters"]})
        copied = await self._service.copy_template(principal, _read_template(call), name, once=call.once)
        return await self._answer(principal, copied, code=201)

    async def list_notifications(self, call: Call) -> Response:
        return await self._list_notifications(call, {})

    async def _list_notifications(self, call: Call, query: Mapping[str, Any], *, sees_job: bool = False) -> Response:
        principal = await self._requests.find_principal(call)
        pairs, wish = await self._requests.read_list(call, NOTIFICATION_FIELDS, searched=("subject",))
        found, count = await self._service.list_notifications(
            principal,
            {"$and": [wish.query, query]},
            sort=wish.sort,
            skip=wish.skip,
            limit=wish.page_size,
            sees_job=sees_job,
        )
        return answer_page(call, pairs, wish, await self._show_notifications(found), count)

    async def _show_notifications(self, found: Sequence[NotificationDocument]) -> list[dict[str, Any]]:
        names = await self._service.find_names(each.template for each in found)
        return [show_notification(each, names.get(each.template)) for each in found]

    async def get_notification(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        found = await self._service.find_notification(read_id(call))
        if found.run is None or may_on_tree(principal, Action.SEE_TREE, found.organization):
            check_tree_right(principal, Action.SEE_TREE, found.organization)
        else:
            # Who sees the job, for example by a delegated role, sees what was sent about it.
            await self._parts.trees.runs.find_job(principal, found.run)
        [shown] = await self._show_notifications([found])
        return answer_json(shown)

    async def list_own(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        template = await self._service.get_template(principal, _read_template(call))
        return await self._list_notifications(call, {"template": template.id})

    async def list_of_job(self, kind: str, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        run = await self._parts.trees.runs.find_job(principal, RunId(read_id(call)))
        if find_job_type(run) != kind:
            raise NotFound("Not found.")
        return await self._list_notifications(call, {"run": run.id}, sees_job=True)

    async def _find_target(self, target: str, call: Call, action: Action) -> tuple[Principal, str, AuditFacts]:
        """Return the caller, who may do `action` to the object of a list, its name in links, and the facts about it."""
        principal = await self._requests.find_principal(call)
        kind = _TARGETS[target]
        if kind is None:
            organization = await self._find_organization(principal, call)
            check_tree_right(principal, action, organization)
            about = AuditFacts(
                operation="",
                kind="organization",
                object_id=read_id(call),
                name=organization,
                organization=organization,
            )
            return principal, name_organization(organization), about
        template = await self._parts.trees.templates.get_template(principal, TemplateId(read_id(call)), kind)
        check_tree_right(principal, action, template.organization, [template.id])
        about = AuditFacts(
            operation="",
            kind=template.kind.value,
            object_id=template.id,
            name=template.name,
            organization=template.organization,
            templates=(template.id,),
        )
        return principal, name_template(template.id), about

    async def _find_organization(self, principal: Principal, call: Call) -> OrganizationId:
        name = await self._parts.numbers.find_name(read_id(call))
        seen = await self._parts.organizations.list_organizations(principal)
        if name is None or all(each.id != name for each in seen):
            raise NotFound("Not found.")
        return name

    async def list_linked(self, target: str, name: str, call: Call) -> Response:
        _, named, _ = await self._find_target(target, call, Action.SEE_TREE)
        return await self._list(call, {"_id": {"$in": await self._service.find_linked(named, LIST_NAMES[name])}})

    async def join(self, target: str, name: str, call: Call) -> Response:
        """Put a notification template into a list, take it out, or create one and put it in."""
        principal, named, about = await self._find_target(target, call, Action.CHANGE_TREE)
        body, lists = call.body.root, LIST_NAMES[name]
        if "id" in body:
            template_id = NotificationTemplateId(read_body_id(body))
            if body.get("disassociate"):
                await self._service.unlink(principal, named, lists, template_id, about=about)
            else:
                await self._service.link(principal, named, about.organization, lists, template_id, about=about)
            return answer_nothing()
        if body.get("disassociate"):
            raise BadAssociation('"id" is required to disassociate')
        raw = await self._requests.spell_organization(body)
        made = await self._service.create_template(principal, raw, once=call.once)
        await self._service.link(principal, named, about.organization, lists, made.id, about=about)
        return await self._answer(principal, made, code=201)

    async def list_of_organization(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        return await self._list(call, {"organization": await self._find_organization(principal, call)})

    async def create_in_organization(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        organization = await self._find_organization(principal, call)
        return await self._create(call, {**call.body.root, "organization": organization})


def _read_template(call: Call) -> NotificationTemplateId:
    return NotificationTemplateId(read_id(call))
