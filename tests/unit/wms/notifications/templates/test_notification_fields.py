"""The fields of notification templates, as requests give them."""

from typing import Any

import pytest

from schemas.automation.notifications import CustomMessage
from wms.notifications.templates.notification_fields import read_messages, read_notification_fields, show_messages
from wms.trees.template_errors import FieldsRefused

HOOK: dict[str, Any] = {
    "name": "ops",
    "notification_type": "webhook",
    "notification_configuration": {"url": "https://example.org/"},
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 513}, "name"),
        ({"description": 1}, "description"),
        ({"notification_type": "slack"}, "notification_type"),
        ({"notification_configuration": None}, "notification_configuration"),
        ({"messages": {"started": {"subject": "x"}}}, "messages"),
        ({"messages": {"began": {"message": "x"}}}, "messages"),
        ({"messages": {"started": {"message": "a\nb"}}}, "messages"),
        ({"messages": {"started": {"body": "x" * 20_000}}}, "messages"),
        ({"messages": {"workflow_approval": {"started": {"body": "x"}}}}, "messages"),
        ({"messages": []}, "messages"),
    ],
)
def test_a_wrong_field_is_refused_by_name(change: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldsRefused) as caught:
        read_notification_fields({**HOOK, **change}, None, None)
    assert list(caught.value.fields) == [field]


def test_a_type_that_apprise_carries_is_refused_with_a_hint() -> None:
    with pytest.raises(FieldsRefused, match="apprise reaches other services"):
        read_notification_fields({**HOOK, "notification_type": "slack"}, None, None)


def test_all_missing_fields_are_named_together() -> None:
    with pytest.raises(FieldsRefused) as caught:
        read_notification_fields({}, None, None)
    assert set(caught.value.fields) == {"name", "notification_type"}


def test_messages_are_shown_as_they_can_be_given_again() -> None:
    raw = {"started": {"message": "m"}, "error": None, "workflow_approval": {"denied": {"body": "b"}, "running": None}}
    found = read_messages(raw)
    assert found == {"started": CustomMessage(message="m"), "denied": CustomMessage(body="b")}
    assert read_messages(show_messages(found)) == found
    assert read_messages(None) == read_messages(show_messages({})) == {}
