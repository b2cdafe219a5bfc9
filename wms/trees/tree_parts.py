"""Build the parts of decision trees, once, and start what runs in the background."""

from dataclasses import dataclass

from runtime.kernel.store import Store
from wms.audit.audit_log import AuditLog
from wms.engine.engine import Engine
from wms.engine.run_records import RunRecords
from wms.tenancy.organizations import Organizations
from wms.trees.jobs.job_decisions import describe_decision
from wms.trees.jobs.orphaned_approvals import OrphanedApprovals
from wms.trees.jobs.tree_runs import TreeRuns
from wms.trees.jobs.tree_turns import TreeTurns
from wms.trees.templates.label_service import LabelService
from wms.trees.templates.node_labels import NodeLabels
from wms.trees.templates.node_service import NodeService
from wms.trees.templates.role_service import RoleService
from wms.trees.templates.template_service import TemplateService
from wms.trees.templates.template_source import TemplateSource
from wms.trees.templates.template_store import TemplateStore


@dataclass(frozen=True, slots=True)
class Trees:
    """Templates and their jobs."""

    templates: TemplateService
    nodes: NodeService
    node_labels: NodeLabels
    runs: TreeRuns
    turns: TreeTurns
    orphans: OrphanedApprovals
    roles: RoleService
    labels: LabelService
    audit: AuditLog


def build_trees(store: Store, engine: Engine, organizations: Organizations) -> Trees:
    """Return the parts, and let the engine find the definitions of templates."""
    templates = TemplateStore(store)
    labels, keys = LabelService(store, templates), engine.effects.keys
    engine.sources.append(TemplateSource(templates))
    audit = AuditLog(store)
    engine.records.append(RunRecords(audit, describe_decision).record_change)
    return Trees(
        templates=TemplateService(templates, organizations, labels, keys),
        nodes=NodeService(templates, labels, keys),
        node_labels=NodeLabels(templates, labels),
        runs=TreeRuns(engine, store, templates, labels),
        turns=TreeTurns(engine, store),
        orphans=OrphanedApprovals(engine, store, templates),
        roles=RoleService(store, templates),
        labels=labels,
        audit=audit,
    )
