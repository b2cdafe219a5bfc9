"""How many processes render messages at once."""

import asyncio
from typing import Any

import pytest

from wms.notifications.messages import message_rendering


async def test_few_processes_render_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0

    async def ask(*_: Any, **__: Any) -> dict[str, Any]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return {}

    monkeypatch.setattr(message_rendering, "ask_child", ask)
    await asyncio.gather(*(message_rendering.render_texts({"body": "x"}, {}) for _ in range(50)))
    assert most == 4
