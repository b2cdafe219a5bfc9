"""Give the engine the definitions of templates, as they are when a run begins. A run keeps its own copy."""

from schemas.engine.graph import Definition
from schemas.errors import NotFound
from schemas.ids import DefinitionHash
from wms.trees.graphs.tree_definitions import find_template_id, make_definition
from wms.trees.templates.template_store import TemplateStore


class TemplateSource:
    """Definitions with names such as `template/17`."""

    def __init__(self, templates: TemplateStore) -> None:
        self._templates = templates

    async def find_definition(self, name: str) -> tuple[DefinitionHash, Definition] | None:
        """Return the definition of the template that `name` names; None: it is no name of a template.

        Raises:
            NotFound: there is no such template any more.
        """
        template_id = find_template_id(name)
        if template_id is None:
            return None
        template = await self._templates.find_template(template_id)
        if template is None:
            raise NotFound(f"template #{template_id} has been deleted", hint="launch the tree again as it is now")
        names = await self._templates.name_templates(node.template for node in template.nodes if node.template)
        definition = make_definition(template, names)
        return definition.hash, definition
