"""Which hosts the broker has refused, and which are in doubt."""

from typing import Any

import pytest

from runtime.amqp import AccessRefused, ConnectionLost, NotDeclared, QueueFull, Unroutable
from schemas.automation.jobs import HostState
from schemas.errors import EWMSError, Unavailable
from schemas.ids import EventId, Mqid
from wms.jobs.plans.work_progress import make_refusal_result
from wms.jobs.work.work_feed import FedUnit, publish_units

UNITS = [FedUnit(EventId(name), name, b"{}", (name,)) for name in ("h1", "h2", "h3")]


class Broker:
    """A connection that refuses the event h2."""

    def __init__(self, error: EWMSError) -> None:
        self.error = error
        self.published: list[str] = []

    async def publish(self, *_: Any, message_id: str, **__: Any) -> None:
        """Publish one event."""
        if message_id == "h2":
            raise self.error
        self.published.append(message_id)


@pytest.mark.parametrize("error", [Unroutable, QueueFull, NotDeclared, AccessRefused])
async def test_a_refused_event_is_a_sure_error_and_the_others_are_published(error: type[EWMSError]) -> None:
    broker = Broker(error("no room"))
    assert await publish_units(broker, Mqid("q"), UNITS, may_repeat=False) == [(UNITS[1], "no room")]
    assert broker.published == ["h1", "h3"]
    result = make_refusal_result("no room")
    assert (result.state, result.is_doubtful) == (HostState.ERROR, False)


@pytest.mark.parametrize("error", [ConnectionLost("lost"), Unavailable("no confirm came")])
async def test_an_event_without_a_confirm_is_in_doubt_if_it_may_not_run_twice(error: EWMSError) -> None:
    broker = Broker(error)
    assert await publish_units(broker, Mqid("q"), UNITS, may_repeat=False) == []
    assert broker.published == ["h1", "h3"]


async def test_events_that_may_repeat_are_tried_again() -> None:
    broker = Broker(QueueFull("no room"))
    with pytest.raises(QueueFull):
        await publish_units(broker, Mqid("q"), UNITS, may_repeat=True)
    assert broker.published == ["h1", "h3"]
