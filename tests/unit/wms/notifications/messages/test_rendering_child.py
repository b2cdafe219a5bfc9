"""Custom messages are rendered in a sandbox: no message reaches our objects, or grows without end."""

import pytest

from wms.notifications.messages.rendering_child import MAX_TEXT, render_texts


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("{{ job.name }} is {{ job.status }}", "release is failed"),
        ("{{ job | tojson }}", '{"name": "release", "status": "failed"}'),
        ("{% for key in job %}{{ key }} {% endfor %}", "name status "),
    ],
)
def test_a_message_is_rendered(text: str, rendered: str) -> None:
    assert render_texts({"a": text}, {"job": {"name": "release", "status": "failed"}}) == {"a": {"text": rendered}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{ job.nothing }}", "UndefinedError"),
        ("{% for", "TemplateSyntaxError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ job.update({'a': 1}) }}", "SecurityError"),
        ("{{ range(10 ** 9) }}", "OverflowError"),
        ("{% include '/etc/passwd' %}", "TypeError"),
        ("{{ '" + "x" * (MAX_TEXT + 1) + "' }}", "it becomes longer than"),
        ("{{ 1 // 0 }}", "ZeroDivisionError"),
    ],
)
def test_a_bad_message_has_a_fault_and_no_text(text: str, fault: str) -> None:
    [answer] = render_texts({"a": text}, {"job": {"name": "release"}}).values()
    assert answer.keys() == {"fault"}
    assert fault in answer["fault"]
