"""A custom message that would never end, or fill the memory, is given up, and WMS goes on."""

import pytest

from schemas.automation.notifications import CustomMessage, NotificationType
from wms.notifications.messages.message_rendering import render_message

_ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        # On a busy machine the limit of the clock comes before that of the processor's time.
        (_ENDLESS, ("too much time", "took longer than")),
        ("{{ ('x' * 2000000000) | length }}", ("too much memory",)),
        ("{{ job.x }}", ("Undefined",)),
    ],
)
async def test_a_custom_message_has_a_limit_of_time_and_of_memory(text: str, faults: tuple[str, ...]) -> None:
    custom = CustomMessage(message="{{ job.name }}", body=text)
    rendered = await render_message(custom, {"job": {"name": "release"}}, NotificationType.EMAIL)
    assert (rendered.body, any(fault in rendered.fault for fault in faults)) == ("", True), rendered
