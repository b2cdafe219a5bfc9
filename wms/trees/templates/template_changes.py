"""Tell what a change of a template changed: its fields, nodes, edges, labels, roles. (core)

Variables, surveys and what nodes give to their jobs may hold secrets, so a row says that they changed, not how.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from schemas.automation.trees import TemplateDocument, TemplateNode
from schemas.engine.graph import EdgeKind
from schemas.ids import TemplateNodeId
from wms.audit.audit_facts import AuditFacts, compare_fields

_PLAIN = ("name", "description", "organization", "topology", "survey_enabled", "allow_simultaneous")
_HIDDEN = ("extra_vars", "variables", "survey", "asks", "prompts", "work")
_OF_NODE = ("identifier", "template", "all_parents_must_converge", "timeout_s")
_HIDDEN_OF_NODE = ("extra_data", "prompts")
#: If a change touches more nodes, one row tells how many there are.
_MAX_NODE_ROWS = 20


def describe_change(before: TemplateDocument | None, after: TemplateDocument | None) -> list[AuditFacts]:
    """Return the rows about a template that was made (`before` is None), changed, or deleted (`after` is None)."""
    if before is None or after is None:
        template = after or before
        if template is None:
            return []
        n_nodes = {"nodes": [0, len(template.nodes)]} if template.nodes and before is None else {}
        return [_describe(template, "create" if before is None else "delete", n_nodes)]
    rows: list[AuditFacts] = []
    if fields := compare_fields(before, after, shown=_PLAIN, hidden=_HIDDEN):
        rows.append(_describe(after, "update", fields))
    rows += _describe_joins(after, "label", before.labels, after.labels)
    given = [[f"{grant.role} {grant.holder}" for grant in each.grants] for each in (before, after)]
    rows += _describe_joins(after, "role", *given)
    nodes = list(_describe_nodes(before, after))
    if len(nodes) > _MAX_NODE_ROWS:
        nodes = [_describe(after, "update", {"nodes": [len(before.nodes), len(after.nodes)]})]
    return [*rows, *nodes]


def _describe(template: TemplateDocument, operation: str, changes: dict[str, Any]) -> AuditFacts:
    return AuditFacts(
        operation=operation,
        kind=template.kind.value,
        object_id=template.id,
        name=template.name,
        organization=template.organization,
        templates=(template.id,),
        changes=changes,
    )


def _describe_joins(
    template: TemplateDocument, what: str, before: Iterable[str], after: Iterable[str]
) -> list[AuditFacts]:
    old, new = set(before), set(after)
    return [
        *(_describe(template, "associate", {what: each}) for each in sorted(new - old)),
        *(_describe(template, "disassociate", {what: each}) for each in sorted(old - new)),
    ]


def _describe_nodes(before: TemplateDocument, after: TemplateDocument) -> Iterable[AuditFacts]:
    old = {node.id: node for node in before.nodes}
    new = {node.id: node for node in after.nodes}
    names = {each.id: each.identifier for each in (*before.nodes, *after.nodes)}
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        node = now or was
        if was == now or node is None:
            continue
        about = replace(
            _describe(after, "update", {}), kind="workflow_job_template_node", object_id=node.id, name=node.identifier
        )
        if was is None or now is None:
            yield replace(about, operation="create" if was is None else "delete")
        elif fields := compare_fields(was, now, shown=_OF_NODE, hidden=_HIDDEN_OF_NODE):
            yield replace(about, changes=fields)
        for operation, edges in (
            ("associate", _list_edges(now) - _list_edges(was)),
            ("disassociate", _list_edges(was) - _list_edges(now) if now is not None else set()),
        ):
            for kind, child in sorted(edges):
                yield replace(about, operation=operation, changes={f"{kind}_nodes": names[child]})
        if now is not None:
            joins = _describe_joins(after, "label", () if was is None else was.labels, now.labels)
            yield from (replace(about, operation=each.operation, changes=each.changes) for each in joins)


def _list_edges(node: TemplateNode | None) -> set[tuple[EdgeKind, TemplateNodeId]]:
    return set() if node is None else {(kind, child) for kind, children in node.edges.items() for child in children}
