"""Notification templates and notifications as the dialect shows them. (core)"""

from collections.abc import Iterable
from typing import Any

from schemas.automation.notifications import NotificationDocument, NotificationTemplateDocument
from wms.gateway.awx.shapes.object_paths import make_url
from wms.gateway.awx.shapes.template_shapes import show_time
from wms.notifications.templates.configurations import mask_configuration
from wms.notifications.templates.notification_fields import show_messages

TEMPLATES = "notification_templates"


def show_notification_template(
    template: NotificationTemplateDocument,
    *,
    organization: int,
    recent: Iterable[NotificationDocument] = (),
    may_change: bool = False,
) -> dict[str, Any]:
    """Return a notification template without its secrets. `recent` are its latest notifications."""
    url = make_url(TEMPLATES, template.id)
    return {
        "id": template.id,
        "type": "notification_template",
        "url": url,
        "related": {
            **{name: f"{url}{name}/" for name in ("test", "notifications", "copy")},
            "organization": make_url("organizations", organization),
        },
        "summary_fields": {
            "organization": {"id": organization, "name": template.organization},
            "created_by": {"username": template.created_by},
            "modified_by": {"username": template.modified_by},
            "user_capabilities": {"edit": may_change, "delete": may_change, "copy": may_change},
            "recent_notifications": [
                {
                    "id": each.number,
                    "status": each.status.value,
                    "created": show_time(each.created),
                    "error": each.error,
                }
                for each in recent
            ],
        },
        "created": show_time(template.created),
        "modified": show_time(template.modified),
        "name": template.name,
        "description": template.description,
        "organization": organization,
        "notification_type": template.notification_type.value,
        "notification_configuration": mask_configuration(template.notification_type, template.configuration),
        "messages": show_messages(template.messages),
    }


def show_notification(notification: NotificationDocument, template_name: str | None) -> dict[str, Any]:
    """Return a notification. `template_name`: None if its template is gone."""
    related, summary = dict[str, str](), dict[str, Any]()
    if template_name is not None:
        related["notification_template"] = make_url(TEMPLATES, notification.template)
        summary["notification_template"] = {"id": notification.template, "name": template_name}
    return {
        "id": notification.number,
        "type": "notification",
        "url": make_url("notifications", notification.number),
        "related": related,
        "summary_fields": summary,
        "created": show_time(notification.created),
        "modified": show_time(notification.ended_at or notification.created),
        "notification_template": None if template_name is None else notification.template,
        "notification_type": notification.notification_type.value,
        "status": notification.status.value,
        "error": notification.error,
        "notifications_sent": int(notification.status == "successful"),
        "recipients": notification.recipients,
        "subject": notification.subject,
        "body": notification.body,
        "job": notification.run,
        "attempts": notification.n_attempts,
        "message_fault": notification.message_fault,
        "receiver_id": notification.id,
    }
