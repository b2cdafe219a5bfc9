"""Find and check the template that a node wraps: that it is there, may be launched, and does not lead back."""

from typing import Any

from schemas.automation.trees import TemplateDocument, TemplateKind, TemplateNode
from schemas.ids import TemplateId
from wms.encryption import SecretKeys
from wms.tenancy.rights import Action, Principal
from wms.tenancy.tree_rights import check_tree_right
from wms.trees.inputs.launch_values import check_saved_values, restore_passwords, spell_prompts
from wms.trees.object_ids import MAX_ID, is_like_id, read_object_id
from wms.trees.template_errors import FieldsRefused
from wms.trees.templates.template_store import TemplateStore


class Wrapping:
    """The templates that nodes can wrap."""

    def __init__(self, templates: TemplateStore, keys: SecretKeys) -> None:
        self._templates = templates
        self._keys = keys

    async def settle(
        self, principal: Principal, template: TemplateDocument, node: TemplateNode, changed: TemplateNode
    ) -> TemplateNode:
        """Return `changed`, which `node` shall become, with its passwords, if it may wrap what it wraps."""
        wrapped = await self._load_wrapped(principal, changed)
        before = None if node.template is None else await self._templates.find_template(node.template)
        changed = self.keep_passwords(node, changed, before=before, wrapped=wrapped)
        await self._check_node(template, changed, wrapped)
        return changed

    def keep_passwords(
        self,
        node: TemplateNode,
        changed: TemplateNode,
        *,
        before: TemplateDocument | None,
        wrapped: TemplateDocument | None,
    ) -> TemplateNode:
        """Return `changed`, which `node` shall become, with the passwords that it may have, encrypted.

        `node` wraps `before`, and `changed` wraps `wrapped`.
        """
        extra_data, masked = restore_passwords(
            node.extra_data,
            changed.extra_data,
            masked=node.masked,
            before=before,
            wrapped=wrapped,
            seal=self._keys.seal,
        )
        return changed.model_copy(update={"extra_data": extra_data, "masked": masked})

    async def read(self, principal: Principal, template: TemplateDocument, raw: Any) -> TemplateId | None:
        """Return the id of the template that a node shall wrap. `raw` is its id, its unique name, or empty for none.

        This does not check that a template with the id exists.

        Raises:
            FieldsRefused: no template has the name, or several have it.
        """
        if raw is None or raw == "":
            return None
        if is_like_id(raw):
            number = read_object_id(raw)
            if number is None:
                raise FieldsRefused({"unified_job_template": [f"an id is a whole number from 1 to {MAX_ID}"]})
            return TemplateId(number)
        if not isinstance(raw, str):
            raise FieldsRefused({"unified_job_template": ["must be the id or the name of a template"]})
        found = await self._templates.find_named(raw, template.organization)
        if len(found) != 1:
            n = "several templates are" if found else "no template is"
            raise FieldsRefused({"unified_job_template": [f"{n} called {raw!r}; give an id"]})
        return found[0].id

    async def _load_wrapped(self, principal: Principal, node: TemplateNode) -> TemplateDocument | None:
        """Return the template that `node` wraps, if the principal may let it do so; None: it wraps none."""
        if node.template is None:
            return None
        wrapped = await self._templates.find_template(node.template)
        if wrapped is None:
            raise FieldsRefused({"unified_job_template": [f'Invalid pk "{node.template}" - object does not exist.']})
        if wrapped.kind is TemplateKind.APPROVAL:
            if wrapped.owned_by != node.id:
                raise FieldsRefused({"unified_job_template": ["this approval belongs to another node"]})
            return wrapped
        check_tree_right(principal, Action.LAUNCH_TREE, wrapped.organization, [wrapped.id])
        return wrapped

    async def _check_node(
        self, template: TemplateDocument, node: TemplateNode, wrapped: TemplateDocument | None
    ) -> None:
        if wrapped is None or wrapped.kind is TemplateKind.APPROVAL:
            return
        check_saved_values(wrapped, extra_data=node.extra_data, prompts=spell_prompts(node.answers))
        await self._templates.refuse_recursion(template.id, [wrapped.id])
