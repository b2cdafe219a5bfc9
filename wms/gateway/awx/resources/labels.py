"""The routes of labels: as objects, and on templates, jobs, and the nodes of both."""

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.automation.trees import LabelDocument, TemplateKind
from schemas.errors import NotFound
from schemas.ids import LabelId, RunId, TemplateId, TemplateNodeId
from wms.gateway.awx.kinds.others import LABEL_FIELDS, LABEL_ROW_FIELDS
from wms.gateway.awx.requests import (
    AwxParts,
    Requests,
    answer_page,
    answer_rows,
    read_body_id,
    read_id,
    route_list,
    route_object,
)
from wms.gateway.awx.resources.jobs import load_job_node
from wms.gateway.awx.shapes.object_paths import make_url
from wms.gateway.awx.shapes.template_shapes import PATHS, show_time
from wms.trees.jobs.job_statuses import JOB_PATHS, find_job_type
from wms.trees.template_errors import BadAssociation, FieldsRefused

_LABELED_TEMPLATES = (TemplateKind.WORKFLOW, TemplateKind.JOB)
_LABELED_JOBS = ("workflow_job", "job")


class LabelRoutes:
    """Handlers of /labels, and of the labels of templates, jobs, and the nodes of both."""

    def __init__(self, parts: AwxParts, requests: Requests) -> None:
        self._parts = parts
        self._requests = requests
        self._labels = parts.trees.labels

    def routes(self) -> list[Route]:
        """Return the routes. No label is deleted: it goes with its last use."""
        fields = list(LABEL_FIELDS)
        shown = [
            route_list("/labels", self.list_labels, "List labels", fields),
            route_object("POST", "/labels", self.create_label, "Create a label", codes=(201,)),
            route_object("GET", "/labels/{id}", self.get_label, "Get a label"),
            route_object("PUT", "/labels/{id}", self.change_label, "Rename a label"),
            route_object("PATCH", "/labels/{id}", self.change_label, "Rename a label, or nothing"),
        ]
        for kind in _LABELED_TEMPLATES:
            path, words = f"/{PATHS[kind]}/{{id}}/labels", kind.value.replace("_", " ")
            shown += [
                route_list(path, partial(self.list_of_template, kind), f"List the labels of a {words}", fields),
                route_object(
                    "POST",
                    path,
                    partial(self.join_to_template, kind),
                    f"Give a {words} a label, or take it",
                    codes=(201, 204),
                ),
            ]
        path = "/workflow_job_template_nodes/{id}/labels"
        shown += [
            route_list(path, self.list_of_node, "List the labels that a node gives to its job", fields),
            route_object("POST", path, self.join_to_node, "Give a node a label, or take it", codes=(201, 204)),
        ]
        path = "/workflow_job_nodes/{id}/labels"
        shown.append(route_list(path, self.list_of_job_node, "List the labels that a job's node gives", fields))
        for kind_of_job in _LABELED_JOBS:
            path, words = f"/{JOB_PATHS[kind_of_job]}/{{id}}/labels", kind_of_job.replace("_", " ")
            shown.append(route_list(path, partial(self.list_of_job, kind_of_job), f"List a {words}'s labels", fields))
        return shown

    async def _show_label(self, label: LabelDocument) -> dict[str, Any]:
        return show_label(label, organization=await self._parts.numbers.number(label.organization))

    async def list_labels(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        pairs, wish = await self._requests.read_list(call, LABEL_FIELDS)
        found, count = await self._labels.list_labels(
            principal, wish.query, sort=wish.sort, skip=wish.skip, limit=wish.page_size
        )
        return answer_page(call, pairs, wish, [await self._show_label(each) for each in found], count)

    async def create_label(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        raw, name = await self._requests.read_organization(principal, call)
        label = await self._labels.create_label(principal, name, raw.get("name", ""), once=call.once)
        return await self._answer_made(label)

    async def _answer_made(self, label: LabelDocument) -> Response:
        shown = await self._show_label(label)
        answer = answer_json(shown, code=201)
        answer.headers["Location"] = shown["url"]
        return answer

    async def get_label(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        return answer_json(await self._show_label(await self._labels.get_label(principal, LabelId(read_id(call)))))

    async def change_label(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        label = await self._labels.get_label(principal, LabelId(read_id(call)))
        raw = await self._requests.spell_organization(call.body.root)
        if raw.get("organization", label.organization) != label.organization:
            raise FieldsRefused({"organization": ["a label stays in its organization"]})
        changed = await self._labels.rename_label(principal, label.id, raw.get("name", label.name))
        return answer_json(await self._show_label(changed))

    async def list_of_template(self, kind: TemplateKind, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        template = await self._parts.trees.templates.get_template(principal, TemplateId(read_id(call)), kind)
        return await self._answer_labels(call, template.organization, template.labels)

    async def _answer_labels(self, call: Call, organization: str | None, names: Collection[str]) -> Response:
        found = await self._labels.find_labels(organization, names)
        return answer_rows(call, [await self._show_label(each) for each in found], LABEL_ROW_FIELDS)

    async def list_of_node(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        template, node = await self._parts.trees.nodes.get_node(principal, TemplateNodeId(read_id(call)))
        return await self._answer_labels(call, template.organization, node.labels)

    async def list_of_job_node(self, call: Call) -> Response:
        run, place = await load_job_node(self._parts, self._requests, call)
        return await self._answer_labels(call, run.organization, run.graph.nodes[place].labels)

    async def list_of_job(self, kind: str, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        run = await self._parts.trees.runs.find_job(principal, RunId(read_id(call)))
        if find_job_type(run) != kind:
            raise NotFound("Not found.")
        return await self._answer_labels(call, run.organization, run.labels)

    async def join_to_template(self, kind: TemplateKind, call: Call) -> Response:
        principal, template_id = await self._requests.find_principal(call), TemplateId(read_id(call))
        template = await self._parts.trees.templates.get_template(principal, template_id, kind)
        attach = partial(self._labels.attach_label, principal, template_id, kind)
        detach = partial(self._labels.detach_label, principal, template_id, kind)
        return await self._join(call, template.organization, attach, detach)

    async def join_to_node(self, call: Call) -> Response:
        principal, node_id = await self._requests.find_principal(call), TemplateNodeId(read_id(call))
        template, _ = await self._parts.trees.nodes.get_node(principal, node_id)
        attach = partial(self._parts.trees.node_labels.attach_label, principal, node_id)
        detach = partial(self._parts.trees.node_labels.detach_label, principal, node_id)
        return await self._join(call, template.organization, attach, detach)

    async def _join(
        self,
        call: Call,
        organization: str | None,
        attach: Callable[[str], Awaitable[tuple[LabelDocument, bool]]],
        detach: Callable[[LabelId], Awaitable[None]],
    ) -> Response:
        """Give an object of an organization a label by its id, or by its name: 201 if that makes the label. Or take
        it.
        """
        body: dict[str, Any] = call.body.root
        if body.get("disassociate"):
            if "id" not in body:
                raise BadAssociation('"id" is required to disassociate')
            await detach(LabelId(read_body_id(body)))
            return answer_nothing()
        name = body.get("name", "")
        if "id" in body:
            [name] = await self._labels.name_labels(organization, [read_body_id(body)])
        elif "organization" in body:
            given = (await self._requests.spell_organization(body))["organization"]
            if given != organization:
                raise FieldsRefused({"organization": ["a label of a template is of the template's organization"]})
        label, is_new = await attach(name)
        return await self._answer_made(label) if is_new else answer_nothing()


def show_label(label: LabelDocument, *, organization: int) -> dict[str, Any]:
    """Return a label of the organization with this number."""
    return {
        "id": label.id,
        "type": "label",
        "url": make_url("labels", label.id),
        "related": {"organization": make_url("organizations", organization)},
        "summary_fields": {
            "organization": {"id": organization, "name": label.organization},
            "created_by": {"username": label.created_by},
        },
        "created": show_time(label.created),
        "modified": show_time(label.modified),
        "name": label.name,
        "organization": organization,
    }
