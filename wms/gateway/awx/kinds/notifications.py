"""The kinds of notifications, and the lists of them below other kinds. (core)"""

from collections.abc import Mapping
from datetime import datetime

from schemas.automation.notifications import NotificationList, NotificationType
from wms.gateway.awx.kinds.fields import (
    CopyBody,
    Data,
    EmptyBody,
    Key,
    KindModel,
    NamedModel,
    required,
    shown,
    writable,
)
from wms.gateway.awx.kinds.kind import Kind, Part
from wms.gateway.awx.lists import ListField
from wms.tenancy.rights import Action

#: The fields by which lists of notification templates are filtered.
NOTIFICATION_TEMPLATE_FIELDS: Mapping[str, ListField] = {
    "id": ListField("_id", int),
    "name": ListField("name"),
    "description": ListField("description"),
    "organization": ListField("organization"),
    "organization__name": ListField("organization"),
    "notification_type": ListField("notification_type"),
    "created": ListField("created", datetime),
    "modified": ListField("modified", datetime),
}
#: Those by which lists of notifications are filtered.
NOTIFICATION_FIELDS: Mapping[str, ListField] = {
    "id": ListField("number", int),
    "notification_template": ListField("template", int),
    "notification_type": ListField("notification_type"),
    "status": ListField("status"),
    "job": ListField("run", int),
    "subject": ListField("subject"),
    "created": ListField("created", datetime),
}

#: The name of a list in paths -> the lists that it stands for. `any` is what old clients call success and error.
LIST_NAMES: Mapping[str, tuple[NotificationList, ...]] = {
    **{each.value: (each,) for each in NotificationList},
    "any": (NotificationList.SUCCESS, NotificationList.ERROR),
}


class NotificationTemplateModel(NamedModel):
    """The fields of a notification template."""

    organization: Key = required("The organization that it belongs to.")
    notification_type: NotificationType = required("How it sends.")
    notification_configuration: Data = required("Where it sends; secrets are masked.")
    messages: Data = writable("Custom texts by event; without one, our own words.")


class NotificationModel(KindModel):
    """The fields of a notification."""

    notification_template: Key = shown("Its template.")
    notification_type: str = shown("How it is sent.")
    status: str = shown("pending, successful or failed.")
    error: str = shown("Why the latest attempt failed.")
    notifications_sent: int = shown("1 if it was sent.")
    recipients: str = shown("Where it goes.")
    subject: str = shown("Its subject.")
    body: str = shown("Its text.")
    job: Key = shown("The job that it is about.")
    attempts: int = shown("How often WMS has tried to send it.")
    message_fault: str = shown("Why a custom text was not used.")
    receiver_id: str = shown("The id that receivers get; the same with each attempt.")


def list_notification_parts(*, has_approvals: bool) -> Mapping[str, Part]:
    """Return the lists of notification templates below an object of another kind."""
    part = Part(kind="notification_templates", joins=True)
    return {f"notification_templates_{name}": part for name in LIST_NAMES if has_approvals or name != "approvals"}


NOTIFICATION_KINDS: tuple[Kind, ...] = (
    Kind(
        path="notification_templates",
        model=NotificationTemplateModel,
        change=Action.CHANGE_TREE,
        filters=NOTIFICATION_TEMPLATE_FIELDS,
        parts={"notifications": Part(kind="notifications")},
        actions={"test": EmptyBody, "copy": CopyBody},
    ),
    Kind(path="notifications", model=NotificationModel, filters=NOTIFICATION_FIELDS, searched=("subject",)),
)
