"""Give labels to nodes of templates, and take them away. A node gives its labels to the job that it starts.

The template that the node wraps must ask for labels, as for each other prompt.
"""

from schemas.automation.trees import MAX_LABELS, LabelDocument, Prompt, TemplateDocument, TemplateNode
from schemas.errors import Rejected
from schemas.ids import LabelId, TemplateNodeId
from wms.tenancy.rights import Action, Principal
from wms.tenancy.tree_rights import check_tree_right
from wms.trees.inputs.launch_values import check_saved_values
from wms.trees.templates.label_documents import read_label_name
from wms.trees.templates.label_service import LabelService
from wms.trees.templates.template_store import TemplateStore


class NodeLabels:
    """The labels of the nodes of templates."""

    def __init__(self, templates: TemplateStore, labels: LabelService) -> None:
        self._templates = templates
        self._labels = labels

    async def attach_label(
        self, principal: Principal, node_id: TemplateNodeId, name: str
    ) -> tuple[LabelDocument, bool]:
        """Give a node a label of its template's organization. Return the label, and whether it is new.

        Raises:
            Rejected: the template is in no organization, or the node has too many labels.
            NotAsked: what the node wraps does not ask for labels.
        """
        template, node = await self._load_node(principal, node_id)
        if template.organization is None:
            raise Rejected("nodes of a template without an organization have no labels", hint="set its organization")
        name = read_label_name(name)
        if name not in node.labels:
            if len(node.labels) >= MAX_LABELS:
                raise Rejected(f"a node has at most {MAX_LABELS} labels", hint="take one away first")
            await self._check_asks(node)
            await self._save_labels(principal, template, node, (*node.labels, name))
        return await self._labels.find_or_make(template.organization, name, by=principal.subject)

    async def detach_label(self, principal: Principal, node_id: TemplateNodeId, label_id: LabelId) -> None:
        """Take a label from a node. If the node does not have it, nothing changes. The label goes with its last use."""
        template, node = await self._load_node(principal, node_id)
        for label in await self._labels.find_numbered([label_id]):
            if label.organization == template.organization and label.name in node.labels:
                kept = tuple(each for each in node.labels if each != label.name)
                await self._save_labels(principal, template, node, kept)
                await self._labels.release_labels(label.organization, [label.name])

    async def _load_node(self, principal: Principal, node_id: TemplateNodeId) -> tuple[TemplateDocument, TemplateNode]:
        template, node = await self._templates.load_template_of(node_id)
        check_tree_right(principal, Action.CHANGE_TREE, template.organization, [template.id])
        return template, node

    async def _check_asks(self, node: TemplateNode) -> None:
        wrapped = None if node.template is None else await self._templates.find_template(node.template)
        if wrapped is None:
            raise Rejected("the node runs no template, so nothing gets its labels", hint="set unified_job_template")
        check_saved_values(wrapped, extra_data={}, prompts={Prompt.LABELS.value: ["any"]})

    async def _save_labels(
        self, principal: Principal, template: TemplateDocument, node: TemplateNode, labels: tuple[str, ...]
    ) -> None:
        changed = node.model_copy(update={"labels": labels})
        nodes = tuple(changed if each.id == node.id else each for each in template.nodes)
        await self._templates.save(changed=[template.model_copy(update={"nodes": nodes})], by=principal.subject)
