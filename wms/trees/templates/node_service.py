"""Create, change, join and delete the nodes of templates, one by one or as a whole graph, for principals.

Each change is checked against the rules of the topology before it is stored, and stored in one write.
"""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from runtime.clock import stored_now
from runtime.once import Once
from schemas.automation.trees import TemplateDocument, TemplateKind, TemplateNode, Topology
from schemas.engine.graph import EdgeKind
from schemas.errors import Forbidden, NotFound, Rejected
from schemas.ids import TemplateId, TemplateNodeId
from wms.encryption import SecretKeys
from wms.located_text import LocatedDocument
from wms.tenancy.rights import Action, Principal
from wms.tenancy.tree_rights import check_tree_right
from wms.trees.graphs.graph_rules import add_edge, check_room, find_node, remove_edge, remove_node
from wms.trees.graphs.whole_graph import NodeDraft, build_nodes, check_graph, read_graph
from wms.trees.template_errors import FieldsRefused
from wms.trees.templates.label_service import LabelService
from wms.trees.templates.template_fields import read_children, read_node_fields, read_template_fields
from wms.trees.templates.template_store import TemplateStore
from wms.trees.templates.wrapping import Wrapping


class NodeService:
    """The nodes of workflow job templates."""

    def __init__(self, templates: TemplateStore, labels: LabelService, keys: SecretKeys) -> None:
        self._templates = templates
        self._labels = labels
        self._wrapping = Wrapping(templates, keys)

    async def get_node(
        self, principal: Principal, node_id: TemplateNodeId, action: Action = Action.SEE_TREE
    ) -> tuple[TemplateDocument, TemplateNode]:
        """Return a node, and the template that has it.

        Raises:
            NotFound: there is no such node.
            Forbidden: the principal may not do `action` to the template.
        """
        template, node = await self._templates.load_template_of(node_id)
        check_tree_right(principal, action, template.organization, [template.id])
        return template, node

    async def create_node(
        self, principal: Principal, template_id: TemplateId, raw: Mapping[str, Any], *, once: Once | None = None
    ) -> tuple[TemplateDocument, TemplateNode]:
        """Add a node, which leads to the nodes that `raw` names. Return template and node. A repetition adds none.

        Raises:
            FieldsRefused: fields are wrong, or the identifier is taken.
        """
        template = await self._load_workflow(principal, template_id)
        if (earlier := await self._templates.find_earlier(once)) is not None:
            return await self.get_node(principal, TemplateNodeId(earlier))
        node = await self._make_node(principal, template, raw)
        nodes = await self._add_children(template, (*template.nodes, node), node.id, raw)
        saved = await self._save_nodes(principal, template, nodes, once=once, answer=node.id)
        return await self._return_made(principal, saved, find_node(nodes, node.id), once)

    async def _make_node(
        self, principal: Principal, template: TemplateDocument, raw: Mapping[str, Any]
    ) -> TemplateNode:
        check_room(template)
        [node_id] = await self._templates.take_node_ids(1)
        now = stored_now()
        node = TemplateNode(id=node_id, identifier=str(uuid.uuid4()), created=now, modified=now)
        return await self._read_node(principal, template, node, raw)

    async def _return_made(
        self, principal: Principal, saved: TemplateDocument, node: TemplateNode, once: Once | None
    ) -> tuple[TemplateDocument, TemplateNode]:
        """Return a new node, or the one that an earlier request made in the same moment."""
        if saved.find_node(node.id) is None and (earlier := await self._templates.find_earlier(once)) is not None:
            return await self.get_node(principal, TemplateNodeId(earlier))
        return saved, node

    async def change_node(
        self, principal: Principal, node_id: TemplateNodeId, raw: Mapping[str, Any]
    ) -> tuple[TemplateDocument, TemplateNode]:
        """Set the fields that `raw` gives, and add the edges that it names. Return the template and the node. If the
        node ran an approval before, and no node of the template runs it now, delete the approval.
        """
        template, node = await self.get_node(principal, node_id, Action.CHANGE_TREE)
        changed = await self._read_node(principal, template, node, raw)
        changed = changed.model_copy(update={"modified": stored_now()})
        nodes = tuple(changed if each.id == node_id else each for each in template.nodes)
        nodes = await self._add_children(template, nodes, node_id, raw)
        gone = [node.template] if node.template != changed.template else []
        return await self._save_nodes(principal, template, nodes, left=gone), find_node(nodes, node_id)

    async def _add_children(
        self,
        template: TemplateDocument,
        nodes: tuple[TemplateNode, ...],
        node_id: TemplateNodeId,
        raw: Mapping[str, Any],
    ) -> tuple[TemplateNode, ...]:
        """Return `nodes` with edges to the children that `raw` names: `{"add_success_nodes": [8, 9]}`."""
        for kind in EdgeKind:
            for child in read_children(raw, kind):
                await self._find_child(template, child)
                nodes = add_edge(template.topology, nodes, node_id, kind, child)
        return nodes

    async def _read_node(
        self, principal: Principal, template: TemplateDocument, node: TemplateNode, raw: Mapping[str, Any]
    ) -> TemplateNode:
        fields = await asyncio.to_thread(read_node_fields, raw, node)
        if "unified_job_template" in raw:
            fields["template"] = await self._wrapping.read(principal, template, raw["unified_job_template"])
        changed = node.model_copy(update=fields)
        if any(each.identifier == changed.identifier and each.id != node.id for each in template.nodes):
            text = f"a node of this template with the identifier {changed.identifier!r} already exists"
            raise FieldsRefused({"__all__": [text]})
        return await self._wrapping.settle(principal, template, node, changed)

    async def delete_node(self, principal: Principal, node_id: TemplateNodeId) -> None:
        """Delete a node with its edges and its approval. The nodes below it become roots."""
        template, node = await self.get_node(principal, node_id, Action.CHANGE_TREE)
        await self._save_nodes(principal, template, remove_node(template.nodes, node_id), left=[node.template])

    async def associate(
        self, principal: Principal, parent_id: TemplateNodeId, kind: EdgeKind, child_id: TemplateNodeId
    ) -> TemplateDocument:
        """Join two nodes of one template, and return the template.

        Raises:
            TreeRefused: the edge breaks a rule.
            Forbidden: they are of different templates.
        """
        template, _ = await self.get_node(principal, parent_id, Action.CHANGE_TREE)
        await self._find_child(template, child_id)
        return await self._save_nodes(
            principal, template, add_edge(template.topology, template.nodes, parent_id, kind, child_id)
        )

    async def disassociate(
        self, principal: Principal, parent_id: TemplateNodeId, kind: EdgeKind, child_id: TemplateNodeId
    ) -> TemplateDocument:
        """Remove an edge, and return the template. If there is no such edge, nothing changes."""
        template, _ = await self.get_node(principal, parent_id, Action.CHANGE_TREE)
        await self._find_child(template, child_id)
        return await self._save_nodes(principal, template, remove_edge(template.nodes, parent_id, kind, child_id))

    async def _find_child(self, template: TemplateDocument, child_id: TemplateNodeId) -> None:
        if template.find_node(child_id) is not None:
            return
        try:
            await self._templates.load_template_of(child_id)
        except NotFound as error:
            raise Rejected(f"there is no node #{child_id}") from error
        raise Forbidden(f"node #{child_id} is of another template; edges join nodes of one template")

    async def create_child(
        self,
        principal: Principal,
        parent_id: TemplateNodeId,
        kind: EdgeKind,
        raw: Mapping[str, Any],
        *,
        once: Once | None = None,
    ) -> tuple[TemplateDocument, TemplateNode]:
        """Create a node, join it to its parent, and return template and node. If the edge breaks a rule, do nothing."""
        template, _ = await self.get_node(principal, parent_id, Action.CHANGE_TREE)
        if (earlier := await self._templates.find_earlier(once)) is not None:
            return await self.get_node(principal, TemplateNodeId(earlier))
        node = await self._make_node(principal, template, raw)
        nodes = add_edge(template.topology, (*template.nodes, node), parent_id, kind, node.id)
        saved = await self._save_nodes(principal, template, nodes, once=once, answer=node.id)
        return await self._return_made(principal, saved, node, once)

    async def create_approval(
        self, principal: Principal, node_id: TemplateNodeId, raw: Mapping[str, Any], *, once: Once | None = None
    ) -> TemplateDocument:
        """Let a node wrap an approval, instead of what it wraps now. Return the approval. If the node has one already,
        that one changes: launched trees wait for it, or will.

        Raises:
            FieldsRefused: the name is blank, or another field is wrong.
        """
        template, node = await self.get_node(principal, node_id, Action.CHANGE_TREE)
        if (earlier := await self._templates.find_earlier(once)) is not None:
            return await self._templates.load_template(TemplateId(earlier))
        before = None if node.template is None else await self._templates.find_template(node.template)
        known = before if before is not None and before.owned_by == node_id else None
        approval = await self._make_approval(principal, template, node_id, raw, known)
        changed = self._wrapping.keep_passwords(node, node, before=before, wrapped=approval)
        changed = changed.model_copy(update={"template": approval.id})
        nodes = tuple(changed if each.id == node_id else each for each in template.nodes)
        await self._save_nodes(
            principal,
            template,
            nodes,
            left=[node.template],
            made=[] if known else [approval],
            kept=[approval] if known else [],
            once=once,
            answer=approval.id,
        )
        earlier = await self._templates.find_earlier(once)
        return approval if earlier is None else await self._templates.load_template(TemplateId(earlier))

    async def _make_approval(
        self,
        principal: Principal,
        template: TemplateDocument,
        node_id: TemplateNodeId,
        raw: Mapping[str, Any],
        known: TemplateDocument | None,
    ) -> TemplateDocument:
        """Return the approval that `raw` describes: a new one, or the `known` one of this node as it is from now on."""
        fields = read_template_fields(TemplateKind.APPROVAL, raw, None, is_partial=False)
        now = stored_now()
        if known is not None:
            changed = known.model_copy(update={"description": "", **fields})
            if changed == known:
                return known
            return changed.model_copy(update={"modified": now, "modified_by": principal.subject})
        return TemplateDocument(
            id=await self._templates.take_template_id(),
            kind=TemplateKind.APPROVAL,
            organization=template.organization,
            owned_by=node_id,
            created=now,
            modified=now,
            created_by=principal.subject,
            modified_by=principal.subject,
            **fields,
        )

    async def replace_graph(
        self, principal: Principal, template_id: TemplateId, document: LocatedDocument
    ) -> TemplateDocument:
        """Replace all nodes and edges of a template, and return it. A refused graph changes nothing.

        Raises:
            GraphRefused: the document has faults; the error tells all of them.
        """
        template = await self._load_workflow(principal, template_id)
        draft = read_graph(document)
        known = {node.identifier: node for node in template.nodes}
        faults: list[str] = []
        settled: list[TemplateNode] = []
        for node, place in zip(draft.nodes, draft.places, strict=True):
            try:
                settled.append(await self._settle_draft(principal, template, node, known.get(node.identifier)))
            except Rejected as fault:
                remedy = f"; {fault.hint}" if fault.hint else ""
                faults.append(f"{place}: {node.identifier!r}: {fault.reason}{remedy}")
        topology = draft.topology or template.topology
        check_graph(draft, topology=topology, known=template.nodes, more=faults)
        new_ids = await self._templates.take_node_ids(sum(node.identifier not in known for node in draft.nodes))
        nodes = list(build_nodes(draft, known=template.nodes, new_ids=new_ids, settled=settled))
        made: list[TemplateDocument] = []
        kept: list[TemplateDocument] = []
        approvals = await self._find_approvals(template)
        for number, node in enumerate(draft.nodes):
            if node.approval is not None:
                node_id, wanted = nodes[number].id, node.approval.model_dump()
                before = approvals.get(node_id)
                approval = await self._make_approval(principal, template, node_id, wanted, before)
                if approval != before:
                    (made if before is None else kept).append(approval)
                nodes[number] = nodes[number].model_copy(update={"template": approval.id})
        left = [node.template for node in template.nodes]
        return await self._save_nodes(
            principal, template, tuple(nodes), topology=topology, left=left, made=made, kept=kept
        )

    async def _find_approvals(self, template: TemplateDocument) -> dict[TemplateNodeId, TemplateDocument]:
        """Return the approvals that the nodes of a template wrap, by node."""
        wrapping = {node.template: node.id for node in template.nodes if node.template is not None}
        query = {"_id": {"$in": sorted(wrapping)}, "kind": TemplateKind.APPROVAL.value}
        return {wrapping[each.id]: each for each in await self._templates.list_templates(query)} if wrapping else {}

    async def _settle_draft(
        self, principal: Principal, template: TemplateDocument, draft: NodeDraft, known: TemplateNode | None
    ) -> TemplateNode:
        """Return a node with what the draft lets it wrap, and with the variables, prompts and labels for that."""
        node = known or TemplateNode(id=TemplateNodeId(0), identifier=draft.identifier)
        named = None if draft.template is None else await self._wrapping.read(principal, template, draft.template)
        if draft.labels and template.organization is None:
            raise Rejected("nodes of a template without an organization have no labels")
        given = {"extra_data": draft.extra_data, "prompts": draft.prompts, "labels": draft.labels}
        changed = node.model_copy(update={"template": named, **given})
        return await self._wrapping.settle(principal, template, node, changed)

    async def _load_workflow(self, principal: Principal, template_id: TemplateId) -> TemplateDocument:
        template = await self._templates.load_template(template_id, TemplateKind.WORKFLOW)
        check_tree_right(principal, Action.CHANGE_TREE, template.organization, [template.id])
        return template

    async def _save_nodes(
        self,
        principal: Principal,
        template: TemplateDocument,
        nodes: tuple[TemplateNode, ...],
        *,
        topology: Topology | None = None,
        left: list[TemplateId | None] | None = None,
        made: list[TemplateDocument] | None = None,
        kept: list[TemplateDocument] | None = None,
        once: Once | None = None,
        answer: int | None = None,
    ) -> TemplateDocument:
        """Store the nodes of a template, with new approvals (`made`) and changed ones (`kept`). Approvals among the
        templates in `left` that no node wraps any more go.

        Return the template as it is now, for a repeated request, too.
        """
        topology = topology or template.topology
        if (nodes, topology) == (template.nodes, template.topology) and not made and not kept and once is None:
            return template
        still = {node.template for node in nodes}
        gone = [each for each in left or () if each is not None and each not in still]
        owned = (
            await self._templates.list_templates({"_id": {"$in": gone}, "kind": TemplateKind.APPROVAL.value})
            if gone
            else []
        )
        changed = template.model_copy(
            update={"nodes": nodes, "topology": topology, "modified": stored_now(), "modified_by": principal.subject}
        )
        gone = [each.id for each in owned]
        earlier = await self._templates.save(
            made=made or (),
            changed=[changed, *(kept or ())],
            deleted=gone,
            once=once,
            answer=answer,
            by=principal.subject,
        )
        if earlier is not None:
            return await self._templates.load_template(template.id)
        await self._labels.settle_labels(template, changed, by=principal.subject)
        return changed.model_copy(update={"rev": changed.rev + 1})
