"""Refuse a template that would run within itself, also if two edits at once make it so.

Each of the two edits leaves the template of the other as it is, so no `rev` guards them. So an edit that lets a
template wrap another one takes its turn: it changes one document in its transaction, and MongoDB lets only one such
transaction pass at a time. The other one runs again, and finds what the first has stored.
"""

from collections.abc import Collection

from runtime.kernel.database import Reader
from runtime.kernel.decision import Update
from schemas.automation.trees import TEMPLATES, TemplateDocument, TemplateKind
from schemas.engine.run_documents import COUNTERS
from schemas.ids import TemplateId
from wms.trees.graphs.graph_rules import TreeRefused
from wms.trees.graphs.recursion import find_recursion

#: The counter of the turns, and the document that a turn changes.
TURNS = "template_turns"


def list_wrapped(template: TemplateDocument) -> frozenset[TemplateId]:
    """Return the ids of the templates that the nodes of a template wrap."""
    return frozenset(node.template for node in template.nodes if node.template is not None)


def take_turn(number: int) -> Update:
    """Return the change that lets no other edit of this kind pass at the same time. `number` is that of the turn."""
    return Update(COUNTERS, TURNS, set={"taken": number})


async def refuse_recursion(reader: Reader, template: TemplateId, wrapped: Collection[TemplateId]) -> bool:
    """Check that no template of `wrapped` leads back to `template`. Return whether one of them is a workflow template,
    which another edit could lead back.

    Raises:
        TreeRefused: one leads back; the error names the way.
    """
    wraps = await _map_wrapped(reader, wrapped)
    for each in sorted(wrapped):
        if way := find_recursion(template, wraps, each):
            found = await reader.find(TEMPLATES, {"_id": {"$in": sorted(set(way))}}, projection={"name": 1})
            names = {document["_id"]: document["name"] for document in found}
            shown = " > ".join(f"template #{one} {names.get(one, '')!r}" for one in way)
            raise TreeRefused(
                f"the template would run within itself: {shown} (the rule 'recursion')",
                rule="recursion",
                hint="wrap another template; no topology allows recursion",
            )
    return bool(wraps)


async def _map_wrapped(reader: Reader, start: Collection[TemplateId]) -> dict[TemplateId, tuple[TemplateId, ...]]:
    """Return the ids of the templates that each workflow template wraps, by its id: for `start`, and for all that it
    leads to.
    """
    wraps: dict[TemplateId, tuple[TemplateId, ...]] = {}
    frontier = set(start)
    while frontier:
        query = {"_id": {"$in": sorted(frontier)}, "kind": TemplateKind.WORKFLOW.value}
        for each in await reader.find(TEMPLATES, query, projection={"nodes.template": 1}):
            named = (node.get("template") for node in each.get("nodes", ()))
            wraps[TemplateId(each["_id"])] = tuple(dict.fromkeys(TemplateId(one) for one in named if one))
        frontier = {child for here in frontier for child in wraps.get(here, ())} - wraps.keys()
    return wraps
