"""The routes of the nodes of templates: one by one, their edges, and the whole graph."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json, answer_nothing
from schemas.automation.trees import ApprovalWork, TemplateDocument, TemplateKind, TemplateNode, name_edge_list
from schemas.engine.graph import EdgeKind
from schemas.errors import Rejected
from schemas.ids import TemplateId, TemplateNodeId
from wms.gateway.awx.requests import (
    AwxParts,
    Requests,
    read_body_id,
    read_id,
    route_list,
    route_object,
)
from wms.gateway.awx.resources.templates import answer_drawing, route_drawings
from wms.gateway.awx.shapes.job_words import NODE_FIELDS
from wms.gateway.awx.shapes.template_shapes import PATHS, show_node, show_template
from wms.located_text import LocatedDocument, read_located
from wms.tenancy.rights import Principal
from wms.trees.graphs.tree_definitions import make_definition
from wms.trees.graphs.whole_graph import write_graph
from wms.trees.jobs.drawing import draw_graph
from wms.trees.object_ids import read_object_id
from wms.trees.template_errors import BadAssociation, FieldsRefused

_NODES = "/workflow_job_template_nodes"
_TEMPLATE = f"/{PATHS[TemplateKind.WORKFLOW]}/{{id}}"
#: How many templates a list of nodes without a template looks through.
_MAX_TEMPLATES = 1000


class NodeRoutes:
    """Handlers of /workflow_job_template_nodes and of what belongs to a template's graph."""

    def __init__(self, parts: AwxParts, requests: Requests) -> None:
        self._parts = parts
        self._requests = requests
        self._nodes = parts.trees.nodes

    def routes(self) -> list[Route]:
        """Return the routes."""
        one = f"{_NODES}/{{id}}"
        edges = [
            route
            for kind in EdgeKind
            for route in (
                route_list(
                    f"{one}/{name_edge_list(kind)}",
                    partial(self.list_children, kind),
                    _describe_join("List", kind),
                    NODE_FIELDS,
                ),
                route_object(
                    "POST",
                    f"{one}/{name_edge_list(kind)}",
                    partial(self.join_child, kind),
                    _describe_join("Join", kind),
                    codes=(201, 204),
                ),
            )
        ]
        return [
            route_list(_NODES, self.list_nodes, "List the nodes of templates", NODE_FIELDS),
            route_object("POST", _NODES, self.create_node, "Create a node of a template", codes=(201,)),
            route_object("GET", one, self.get_node, "Get a node of a template"),
            route_object("PUT", one, self.change_node, "Change a node of a template"),
            route_object("PATCH", one, self.change_node, "Change fields of a node of a template"),
            route_object("DELETE", one, self.delete_node, "Delete a node of a template", codes=(204,)),
            route_object(
                "POST",
                f"{one}/create_approval_template",
                self.create_approval,
                "Let a node wait for an approval",
                codes=(201,),
            ),
            *edges,
            route_list(f"{_TEMPLATE}/workflow_nodes", self.list_own, "List the nodes of a template", NODE_FIELDS),
            route_object("POST", f"{_TEMPLATE}/workflow_nodes", self.create_own, "Add a node", codes=(201,)),
            *route_drawings(f"{_TEMPLATE}/graph", self.draw, "a template"),
            route_object("GET", f"{_TEMPLATE}/graph/source", self.get_source, "Get a graph as it can be put"),
            route_object("PUT", f"{_TEMPLATE}/graph", self.replace_graph, "Replace the whole graph of a template"),
        ]

    async def _show_nodes(self, template: TemplateDocument, nodes: Iterable[TemplateNode]) -> list[dict[str, Any]]:
        wrapped = await self._parts.trees.templates.load_wrapped(template)
        return [show_node(template, node, wrapped.get(node.template or TemplateId(0))) for node in nodes]

    async def _answer_node(self, template: TemplateDocument, node: TemplateNode, *, code: int = 200) -> Response:
        [shown] = await self._show_nodes(template, [node])
        answer = answer_json(shown, code=code)
        if code == 201:
            answer.headers["Location"] = shown["url"]
        return answer

    async def _load_template(self, call: Call) -> tuple[Principal, TemplateDocument]:
        principal = await self._requests.find_principal(call)
        template_id = TemplateId(read_id(call))
        return principal, await self._parts.trees.templates.get_template(principal, template_id, TemplateKind.WORKFLOW)

    async def list_nodes(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        query: dict[str, Any] = {"kind": TemplateKind.WORKFLOW.value}
        wanted = read_object_id(call.read_query("workflow_job_template") or "")
        if wanted is not None:
            query["_id"] = wanted
        found, _ = await self._parts.trees.templates.list_templates(
            principal, query, sort=[("_id", 1)], skip=0, limit=_MAX_TEMPLATES
        )
        return await self._requests.answer_nodes(
            call, [row for each in found for row in await self._show_nodes(each, each.nodes)]
        )

    async def list_own(self, call: Call) -> Response:
        _, template = await self._load_template(call)
        return await self._requests.answer_nodes(call, await self._show_nodes(template, template.nodes))

    async def create_node(self, call: Call) -> Response:
        raw = call.body.root.get("workflow_job_template")
        number = read_object_id(raw)
        if number is None:
            raise FieldsRefused({"workflow_job_template": ["This field is required: the id of a template."]})
        return await self._create_node(call, TemplateId(number))

    async def create_own(self, call: Call) -> Response:
        return await self._create_node(call, TemplateId(read_id(call)))

    async def _create_node(self, call: Call, template_id: TemplateId) -> Response:
        principal = await self._requests.find_principal(call)
        template, node = await self._nodes.create_node(principal, template_id, call.body.root, once=call.once)
        return await self._answer_node(template, node, code=201)

    async def get_node(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        return await self._answer_node(*await self._nodes.get_node(principal, TemplateNodeId(read_id(call))))

    async def change_node(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        node_id = TemplateNodeId(read_id(call))
        return await self._answer_node(*await self._nodes.change_node(principal, node_id, call.body.root))

    async def delete_node(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        await self._nodes.delete_node(principal, TemplateNodeId(read_id(call)))
        return answer_nothing()

    async def list_children(self, kind: EdgeKind, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        template, node = await self._nodes.get_node(principal, TemplateNodeId(read_id(call)))
        children = [each for each in template.nodes if each.id in node.edges[kind]]
        return await self._requests.answer_nodes(call, await self._show_nodes(template, children))

    async def join_child(self, kind: EdgeKind, call: Call) -> Response:
        """Join a node that is there, take an edge away, or create a node and join it."""
        principal = await self._requests.find_principal(call)
        parent, body = TemplateNodeId(read_id(call)), call.body.root
        if "id" in body:
            child = TemplateNodeId(read_body_id(body))
            change = self._nodes.disassociate if body.get("disassociate") else self._nodes.associate
            await change(principal, parent, kind, child)
            return answer_nothing()
        if body.get("disassociate"):
            raise BadAssociation('"id" is required to disassociate')
        made = await self._nodes.create_child(principal, parent, kind, body, once=call.once)
        return await self._answer_node(*made, code=201)

    async def create_approval(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        approval = await self._nodes.create_approval(
            principal, TemplateNodeId(read_id(call)), call.body.root, once=call.once
        )
        organization = await self._requests.number_organization(approval.organization)
        return answer_json(show_template(approval, organization=organization), code=201)

    async def draw(self, form: str, call: Call) -> Response:
        _, template = await self._load_template(call)
        wrapped = await self._parts.trees.templates.load_wrapped(template)
        definition = make_definition(template, {key: each.name for key, each in wrapped.items()})
        return answer_drawing(form, draw_graph(definition.graph, [node.id for node in template.nodes]))

    async def get_source(self, call: Call) -> Response:
        _, template = await self._load_template(call)
        wrapped = await self._parts.trees.templates.load_wrapped(template)
        return answer_json(write_graph(template.nodes, template.topology, _name_sources(wrapped), wrapped))

    async def replace_graph(self, call: Call) -> Response:
        principal = await self._requests.find_principal(call)
        body: dict[str, Any] = call.body.root
        text = body.get("yaml")
        if text is not None and (not isinstance(text, str) or len(body) > 1):
            raise Rejected("give the graph as an object, or its text alone in 'yaml'")
        document = LocatedDocument(body) if text is None else await asyncio.to_thread(read_located, text)
        changed = await self._nodes.replace_graph(principal, TemplateId(read_id(call)), document)
        wrapped = await self._parts.trees.templates.load_wrapped(changed)
        return answer_json(write_graph(changed.nodes, changed.topology, _name_sources(wrapped), wrapped))


def _name_sources(wrapped: Mapping[TemplateId, TemplateDocument]) -> dict[TemplateId, str | Mapping[str, Any]]:
    """Return how the document of a whole graph names templates: by name, and an approval as itself."""
    names: dict[TemplateId, str | Mapping[str, Any]] = {}
    for key, each in wrapped.items():
        if isinstance(each.work, ApprovalWork):
            shown = {"name": each.name, "description": each.description, "timeout": each.work.timeout}
            names[key] = shown | ({"bars_starter": True} if each.work.bars_starter else {})
        else:
            names[key] = each.name
    return names


def _describe_join(verb: str, kind: EdgeKind) -> str:
    when = "in any case" if kind is EdgeKind.ALWAYS else f"after {kind}"
    return f"{verb} the nodes that follow a node {when}"
