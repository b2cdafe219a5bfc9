"""Tell what a change of a notification template, or of a list of such, changed. (core)

A configuration may be secret, so a row says only that it changed.
"""

from collections.abc import Iterable
from dataclasses import replace

from schemas.automation.notifications import NotificationList, NotificationTemplateDocument
from wms.audit.audit_facts import AuditFacts, compare_fields

_PLAIN = ("name", "description", "organization", "notification_type")
_HIDDEN = ("configuration", "messages")


def describe_change(
    before: NotificationTemplateDocument | None, after: NotificationTemplateDocument | None
) -> list[AuditFacts]:
    """Return the rows about a notification template that was made (`before` is None), changed, or deleted (`after` is
    None).
    """
    template = after or before
    if template is None:
        return []
    operation = "create" if before is None else "delete" if after is None else "update"
    is_change = before is not None and after is not None
    changes = compare_fields(before, after, shown=_PLAIN, hidden=_HIDDEN) if is_change else {}
    if is_change and not changes:
        return []
    return [
        AuditFacts(
            operation=operation,
            kind="notification_template",
            object_id=template.id,
            name=template.name,
            organization=template.organization,
            changes=changes,
        )
    ]


def describe_joins(
    about: AuditFacts, operation: str, lists: Iterable[NotificationList], *, name: str
) -> list[AuditFacts]:
    """Return the rows about a notification template called `name` that was put into `lists` of an object, or taken out.

    `about` describes the object.
    """
    return [
        replace(about, operation=operation, changes={f"notification_templates_{each.value}": name}) for each in lists
    ]
