"""Notifications: what WMS tells receivers about jobs of templates, by webhooks, mails, and the services of apprise.

    notification template   where to send, how, and with which words
    link                    says for which list of a template, or of an organization, a notification template is used
    notification            one thing to tell one receiver, or told already

A notification's id is its run, what happened, and its template. So the same event never becomes a second notification.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, NewType

from pydantic import ConfigDict, Field

from schemas.ids import OrganizationId, RunId, TemplateId
from schemas.lazy_model import LazyModel
from schemas.registry import register_collection
from schemas.stored_enum import StoredEnum

#: Notification templates have a space of integers of their own.
NotificationTemplateId = NewType("NotificationTemplateId", int)


class NotificationType(StoredEnum):
    """The ways in which WMS can send a notification."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    APPRISE = "apprise"


class NotificationList(StoredEnum):
    """A list of notification templates, for a template or an organization. Each list is for one kind of event."""

    STARTED = "started"
    SUCCESS = "success"
    #: The job has failed, ended in an error, or was canceled.
    ERROR = "error"
    #: An approval waits, or is decided.
    APPROVALS = "approvals"


class NotificationStatus(StoredEnum):
    """The status of a notification: whether WMS has sent it."""

    PENDING = "pending"
    SUCCESSFUL = "successful"
    FAILED = "failed"


class NotificationRecord(LazyModel):
    """The base class of the stored documents of notifications. Readers ignore fields of a later version."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class CustomMessage(NotificationRecord):
    """The words about one kind of event, as jinja2 templates. If they are empty, EWMS's own words are used."""

    message: str = ""
    body: str = ""


class NotificationTemplateDocument(NotificationRecord):
    """A notification template as it is stored."""

    id: NotificationTemplateId
    name: Annotated[str, Field(min_length=1, max_length=512)]
    description: str = ""
    organization: OrganizationId
    notification_type: NotificationType
    #: The fields of the notification type. Secret fields are encrypted.
    configuration: Mapping[str, Any] = Field(default_factory=dict)
    #: `started`, `success`, `error`, and for approvals `running`, `approved`, `denied`, `timed_out` -> the words.
    messages: Mapping[str, CustomMessage] = Field(default_factory=dict)
    rev: int = 0
    created: datetime
    modified: datetime
    created_by: str = ""
    modified_by: str = ""


NOTIFICATION_TEMPLATES = register_collection("notification_templates", NotificationTemplateDocument)


class NotificationLink(NotificationRecord):
    """One entry of a list: `_id` is target/list/template."""

    id: str
    #: `template/7`, or `organization/north`.
    target: str
    list: NotificationList
    template: NotificationTemplateId


NOTIFICATION_LINKS = register_collection("notification_links", NotificationLink)


def name_template(template: TemplateId) -> str:
    """Return the name of a template as the target of links."""
    return f"template/{template}"


def find_target_template(target: str) -> TemplateId | None:
    """Return the id of the template that is the target `target` of links. Return None if the target is an
    organization.
    """
    kind, _, number = target.partition("/")
    return TemplateId(int(number)) if kind == "template" else None


def name_organization(organization: str) -> str:
    """Return the name of an organization as the target of links."""
    return f"organization/{organization}"


class NotificationDocument(NotificationRecord):
    """A notification as it is stored. Receivers also get `id`, which is the same in each attempt."""

    id: str
    #: The integer by which the dialect names the notification.
    number: int
    template: NotificationTemplateId
    organization: OrganizationId
    notification_type: NotificationType
    #: The run that the notification is about; None if a person tested the notification template.
    run: RunId | None = None
    subject: str = ""
    body: str = ""
    #: Whether `body` is a rendered custom text. If so, a webhook gets `body` unchanged, else `payload`.
    is_custom: bool = False
    payload: Mapping[str, Any] = Field(default_factory=dict)
    #: Why the words of the template were not used; empty if they were used, or if there are none.
    message_fault: str = ""
    #: The receivers, in words for people.
    recipients: str = ""
    status: NotificationStatus = NotificationStatus.PENDING
    #: Why the latest attempt failed.
    error: str = ""
    #: Which addresses of its template have it already, by their places from 1, and the template's `rev` then.
    done: tuple[int, ...] = ()
    done_rev: int = 0
    n_attempts: int = 0
    max_attempts: int = 1
    wake_at: datetime | None = None
    created: datetime
    ended_at: datetime | None = None


NOTIFICATIONS = register_collection("notifications", NotificationDocument)
