"""Render the custom messages of notification templates. A message that fails gives way to our own words."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from schemas.automation.notifications import CustomMessage, NotificationType
from wms.notifications.child_processes import ChildFailed, ask_child

_CHILD = "wms.notifications.messages.rendering_child"
_TIMEOUT_S = 10.0
#: How many processes render at once in this process, for requests and for runs. The sender limits its own processes.
_AT_ONCE = 4
#: A semaphore belongs to one event loop.
_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered custom message. If a text is empty, WMS sends its own words instead."""

    message: str = ""
    body: str = ""
    #: Why a text was not used.
    fault: str = ""


async def render_message(
    custom: CustomMessage, context: Mapping[str, Any], notification_type: NotificationType
) -> Rendered:
    """Return the texts of `custom`, rendered with the variables `context`. A text that cannot be rendered is empty."""
    texts = {name: text for name, text in (("message", custom.message), ("body", custom.body)) if text}
    if not texts:
        return Rendered()
    found = await render_texts(texts, context)
    faults = [f"{name}: {each['fault']}" for name, each in found.items() if "fault" in each]
    body = found.get("body", {}).get("text", "")
    if notification_type is NotificationType.WEBHOOK and body and (fault := find_body_fault(body)):
        faults.append(f"body: {fault}")
        body = ""
    return Rendered(found.get("message", {}).get("text", ""), body, "; ".join(faults))


async def render_texts(texts: Mapping[str, str], context: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return for each text's name {"text": the rendered text}, or {"fault": why it cannot be rendered}."""
    slots = _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE))
    try:
        async with slots:
            return await ask_child(_CHILD, {"texts": texts, "context": context}, timeout_s=_TIMEOUT_S)
    except ChildFailed as error:
        return {name: {"fault": error.reason} for name in texts}


def find_body_fault(body: str) -> str:
    """Return why a webhook cannot send the rendered `body`: it must be a JSON object. Return "" if it is one."""
    try:
        value = json.loads(body)
    except ValueError as error:
        return f"a webhook sends JSON, and this is none: {error}"
    return "" if isinstance(value, dict) else "a webhook sends a JSON object, and this is another value"
