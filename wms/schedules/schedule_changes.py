"""Tell what a change of a schedule changed. What it gives to its jobs may be secret: a row tells only that. (core)"""

from schemas.automation.schedules import ScheduleDocument
from wms.audit.audit_facts import AuditFacts, compare_fields

_PLAIN = ("name", "description", "template", "rrule", "enabled", "start_deadline_s", "skip_if_running")
_HIDDEN = ("extra_data", "prompts")


def describe_change(before: ScheduleDocument | None, after: ScheduleDocument | None) -> list[AuditFacts]:
    """Return the rows about a schedule that was made (`before` is None), changed, or deleted (`after` is None)."""
    schedule = after or before
    if schedule is None:
        return []
    operation = "create" if before is None else "delete" if after is None else "update"
    is_change = before is not None and after is not None
    changes = compare_fields(before, after, shown=_PLAIN, hidden=_HIDDEN) if is_change else {}
    if before is not None and after is not None and before.owner.subject != after.owner.subject:
        changes["owner"] = [before.owner.subject, after.owner.subject]
    if is_change and not changes:
        return []
    return [
        AuditFacts(
            operation=operation,
            kind="schedule",
            object_id=schedule.id,
            name=schedule.name,
            organization=schedule.organization,
            templates=(schedule.template,),
            changes=changes,
        )
    ]
