"""Every event of a publisher is accounted for."""

import asyncio
from typing import Any, cast

import pytest

from ewms.errors import PublishFailed
from ewms.queues.publisher import AsyncPublisher, PreparedEvent
from schemas.ids import EventId, WorkflowId


class Unable:
    """A way to the broker on which no event can be written."""

    mqid = "q"

    def post_event(self, *_: Any, **__: Any) -> "asyncio.Future[None]":
        confirm = asyncio.get_running_loop().create_future()
        confirm.set_exception(TypeError("string exceeds maximum length of 255 bytes"))
        return confirm


async def test_an_event_that_amqp_cannot_hold_is_told_as_a_failure() -> None:
    publisher = AsyncPublisher(cast(Any, None), WorkflowId("WF-1"), "photons")
    publisher._access = publisher._publisher = cast(Any, Unable())
    publisher.start_sending(PreparedEvent(EventId("e1"), b"{}", "x" * 300), lambda: None)
    with pytest.raises(PublishFailed) as failed:
        await publisher.flush()
    assert [event for event, _ in failed.value.failures] == ["e1"]
    assert publisher.n_confirmed == 0
