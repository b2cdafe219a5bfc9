"""Find the trees in which the nodes of a list can be: the list of all nodes loads no others. (core)"""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.ids import RunId, TemplateId
from wms.gateway.awx.lists import ListWish
from wms.trees.graphs.tree_definitions import name_definition
from wms.trees.jobs.explain import NODE_STRIDE


def narrow_trees(query: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `query`, which is about nodes, into a MongoDB query about trees. The result {} finds all trees.

    The query finds all trees with a matching node, and perhaps others.
    """
    narrowed = [
        found for condition in query.get("$and", ()) for key in condition for found in _narrow(key, condition[key])
    ]
    return {"$and": narrowed} if narrowed else {}


def _narrow(key: str, condition: Any) -> Iterable[dict[str, Any]]:
    values = condition.get("$in") if isinstance(condition, Mapping) else [condition]
    if values is None or None in values:
        return
    match key:
        case "workflow_job":
            yield {"_id": {"$in": values}}
        case "_id":
            yield {"_id": {"$in": sorted({value // NODE_STRIDE for value in values})}}
        case "identifier":
            yield {"graph.nodes.key": {"$in": values}}
        case "job":
            yield {"nodes.child_run": {"$in": values}}
        case "unified_job_template":
            yield {"graph.nodes.definition": {"$in": [name_definition(TemplateId(value)) for value in values]}}


def is_about_trees_alone(wish: ListWish) -> bool:
    """Return whether a list has all nodes of its trees, in the order of their numbers."""
    keys = {key for condition in wish.query.get("$and", ()) for key in condition}
    return keys <= {"workflow_job"} and wish.sort == (("_id", 1),)


def slice_nodes(sizes: Mapping[RunId, int], skip: int, limit: int) -> dict[RunId, range]:
    """Return the places of the nodes on a page, by tree. `sizes` has how many nodes each tree has, in order."""
    found = {}
    for run_id, n_nodes in sizes.items():
        places = range(min(skip, n_nodes), min(skip + limit, n_nodes))
        if places:
            found[run_id] = places
        skip = max(0, skip - n_nodes)
        limit -= len(places)
        if limit <= 0:
            break
    return found
