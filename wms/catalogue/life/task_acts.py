"""Describe what a person did to a catalogue task, for the audit log. (core)"""

from typing import Any

from schemas.automation.catalogue import CatalogueTask, TaskVersion
from wms.audit.audit_facts import NOT_SHOWN, AuditFacts, compare_fields

_SHOWN = ("name", "description", "visibility", "is_disabled")


def describe_task_change(before: CatalogueTask | None, after: CatalogueTask) -> AuditFacts:
    """Return the row of a change of a task. `before` is None if the task is new."""
    if before is None:
        return describe_task(after, "create", visibility=after.visibility.value)
    changes = compare_fields(before, after, shown=_SHOWN)
    if before.roles != after.roles:
        changes["roles"] = [", ".join(before.roles), ", ".join(after.roles)]
    if before.n_webhook_keys != after.n_webhook_keys:
        changes["webhook_key"] = [NOT_SHOWN, NOT_SHOWN]
    if before.n_versions != after.n_versions:
        changes["version"] = [before.n_versions, after.n_versions]
    elif before.look != after.look:
        changes["rebuild"] = True
    known = {version.number: version for version in before.versions}
    for version in after.versions:
        if version.number in known and version.decided_at != known[version.number].decided_at:
            changes[f"version_{version.number}"] = _describe_decision(version)
    if after.change_reason and after.change_reason != before.change_reason:
        changes["reason"] = after.change_reason
    return describe_task(after, "update", **changes)


def _describe_decision(version: TaskVersion) -> str:
    return f"approved, commit {version.commit}" if version.is_approved else "rejected"


def describe_task(task: CatalogueTask, operation: str, **changes: Any) -> AuditFacts:
    """Return a row about `task`."""
    return AuditFacts(
        operation=operation,
        kind="catalogue_task",
        object_id=task.id,
        name=task.name,
        organization=task.organization,
        changes=changes,
    )
