"""Read the fields of a notification template from a request. (core)"""

from collections.abc import Mapping
from typing import Any

from schemas.automation.notifications import CustomMessage, NotificationTemplateDocument, NotificationType
from wms.notifications.templates.configurations import Configuration, read_configuration
from wms.trees.template_errors import FieldsRefused

#: The kinds of events that have words of their own: those of jobs, and those of approvals.
JOB_WORDS = ("started", "success", "error")
APPROVAL_WORDS = ("running", "approved", "denied", "timed_out")
#: The key of the words of approvals in a request.
APPROVAL_KEY = "workflow_approval"
_MAX_NAME = 512
#: The most characters of one custom text.
MAX_MESSAGE = 16 * 1024


def read_notification_fields(
    raw: Mapping[str, Any], before: NotificationTemplateDocument | None, kept: Configuration | None
) -> dict[str, Any]:
    """Return the fields that the request `raw` sets in a notification template, by name. Secrets in them are not
    encrypted.

    `before` is the template as stored, and `kept` its configuration with decrypted secrets; both are None for a new
    template. The result leaves out `organization`.

    Raises:
        FieldsRefused: fields are missing or wrong.
    """
    fields: dict[str, Any] = {}
    faults: dict[str, list[str]] = {}
    if "name" in raw or before is None:
        name = raw.get("name")
        if not isinstance(name, str) or not name.strip():
            faults["name"] = ["This field is required." if name is None else "This field may not be blank."]
        elif len(name) > _MAX_NAME:
            faults["name"] = [f"must have at most {_MAX_NAME} characters"]
        else:
            fields["name"] = name.strip()
    if isinstance(description := raw.get("description", ""), str | None):
        fields |= {"description": description or ""} if "description" in raw else {}
    else:
        faults["description"] = ["must be a text"]
    kind = _read_kind(raw, before, faults)
    if kind is not None and ("notification_configuration" in raw or kind != (before and before.notification_type)):
        # Another type shares no secrets with this one.
        is_same = before is not None and before.notification_type is kind
        try:
            given = raw.get("notification_configuration", {})
            fields["configuration"] = read_configuration(kind, given, kept if is_same else None)
            fields["notification_type"] = kind
        except FieldsRefused as refused:
            faults |= {name: list(texts) for name, texts in refused.fields.items()}
    if "messages" in raw:
        try:
            fields["messages"] = read_messages(raw["messages"])
        except FieldsRefused as refused:
            faults |= {name: list(texts) for name, texts in refused.fields.items()}
    if faults:
        raise FieldsRefused(faults)
    return fields


def _read_kind(
    raw: Mapping[str, Any], before: NotificationTemplateDocument | None, faults: dict[str, list[str]]
) -> NotificationType | None:
    if "notification_type" not in raw:
        if before is None:
            faults["notification_type"] = ["This field is required."]
        return None if before is None else before.notification_type
    kind = raw["notification_type"]
    if kind not in list(NotificationType):
        known = ", ".join(NotificationType)
        text = f"{kind!r} is none of {known}; apprise reaches other services, such as slack://token/channel"
        faults["notification_type"] = [text]
        return None
    return NotificationType(kind)


def read_messages(raw: Any) -> dict[str, CustomMessage]:
    """Return the custom messages in `raw`, by the word of their occasion, such as "started". Leave out empty messages.

    Raises:
        FieldsRefused: `raw` does not have the form of messages.
    """
    faults: list[str] = []
    found: dict[str, CustomMessage] = {}

    def read_level(level: Any, words: tuple[str, ...], where: str) -> None:
        if not isinstance(level, Mapping):
            faults.append(f"{where or 'messages'} must be an object")
            return
        for key, value in level.items():
            if key == APPROVAL_KEY and not where:
                if value is not None:
                    read_level(value, APPROVAL_WORDS, f"{APPROVAL_KEY}.")
            elif key not in words:
                faults.append(f"{where}{key}: there is no such event; there are {', '.join(words)}")
            elif value is not None and (custom := _read_custom(value, f"{where}{key}", faults)) is not None:
                found[key] = custom

    if raw is not None:
        read_level(raw, JOB_WORDS, "")
    if faults:
        raise FieldsRefused({"messages": faults})
    return found


def _read_custom(raw: Any, where: str, faults: list[str]) -> CustomMessage | None:
    if not isinstance(raw, Mapping) or not raw.keys() <= {"message", "body"}:
        faults.append(f"{where}: must be an object with message and body")
        return None
    texts = {name: raw.get(name) or "" for name in ("message", "body")}
    for name, text in texts.items():
        if not isinstance(text, str) or len(text) > MAX_MESSAGE:
            faults.append(f"{where}.{name}: must be a text of at most {MAX_MESSAGE} characters")
            return None
    if "\n" in texts["message"].strip():
        faults.append(f"{where}.message: must be one line")
        return None
    return CustomMessage(**texts) if any(texts.values()) else None


def show_messages(messages: Mapping[str, CustomMessage]) -> dict[str, Any]:
    """Return custom messages as requests write them. The value None means that WMS sends its own words."""

    def show(words: tuple[str, ...]) -> dict[str, Any]:
        return {key: messages[key].model_dump() if key in messages else None for key in words}

    return {**show(JOB_WORDS), APPROVAL_KEY: show(APPROVAL_WORDS)}
