"""Give the engine the definitions of templates, as they are when a run begins. A run keeps its own copy."""

from schemas.engine.graph import Definition
from schemas.ids import DefinitionHash
from wms.trees.graphs.tree_definitions import find_template_id, make_definition
from wms.trees.templates.template_store import TemplateStore


class TemplateSource:
    """Definitions with names such as `template/17`."""

    def __init__(self, templates: TemplateStore) -> None:
        self._templates = templates

    async def find_definition(self, name: str) -> tuple[DefinitionHash, Definition] | None:
        """Return the definition of the template that `name` names; None: it names none that exists."""
        template_id = find_template_id(name)
        template = None if template_id is None else await self._templates.find_template(template_id)
        if template is None:
            return None
        names = await self._templates.name_templates(node.template for node in template.nodes if node.template)
        definition = make_definition(template, names)
        return definition.hash, definition
