"""Tell for a job whose delegated roles count for an act of a person, and describe the act. (core)"""

from typing import Any

from schemas.engine.run_documents import RunDocument
from schemas.ids import OrganizationId, TemplateId
from wms.audit.audit_facts import AuditFacts
from wms.tenancy.rights import Action
from wms.trees.graphs.tree_definitions import find_template_id
from wms.trees.jobs.job_statuses import find_job_type


def list_job_templates(run: RunDocument, action: Action) -> list[TemplateId]:
    """Return the ids of the templates whose delegated roles count for `action` on a job.

    They are its own and those of the trees above it. To launch it again, only its own one counts.
    """
    names = [run.definition] if action is Action.LAUNCH_TREE else [run.definition, *run.ancestors]
    return [each for each in map(find_template_id, names) if each is not None]


def describe_act(run: RunDocument, operation: str, **changes: Any) -> AuditFacts:
    """Return the row of the audit log about what a person did to a job."""
    return AuditFacts(
        operation=operation,
        kind=find_job_type(run),
        object_id=run.id,
        name=run.title,
        organization=OrganizationId(run.organization) if run.organization else None,
        templates=tuple(list_job_templates(run, Action.SEE_TREE)),
        changes=changes,
    )
