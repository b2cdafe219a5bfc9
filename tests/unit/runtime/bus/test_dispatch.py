"""The dispatch table: an event reaches every handler of its type, and one that has none is not taken."""

import pytest

from runtime.bus.dispatch import DispatchTable
from schemas.errors import Conflict, EWMSError, Rejected, Unavailable
from schemas.events import ControlEvent, Payload, QueuesActivated, UnknownType, WorkflowOver
from tests.integration.runtime.events import ACTIVATED, OVER, event


class Handler:
    """Notes what it was given, and fails with `error`."""

    def __init__(self, error: EWMSError | None = None) -> None:
        self.payloads: list[Payload] = []
        self.error = error

    async def __call__(self, payload: Payload, _: ControlEvent) -> None:
        self.payloads.append(payload)
        if self.error is not None:
            raise self.error


def table_of(*handlers: Handler) -> DispatchTable:
    table = DispatchTable()
    for handler in handlers:
        table.add_handler(WorkflowOver, handler)
    return table


async def test_an_event_reaches_the_handlers_of_its_type_alone() -> None:
    over, activated = Handler(), Handler()
    table = DispatchTable()
    table.add_handler(WorkflowOver, over)
    table.add_handler(QueuesActivated, activated)
    await table.handle_event(event(OVER, "1"))
    assert over.payloads == [OVER]
    assert activated.payloads == []
    await table.handle_event(event(ACTIVATED, "2"))
    assert activated.payloads == [ACTIVATED]


async def test_an_event_without_a_handler_is_not_taken() -> None:
    table = table_of(Handler())
    assert table.has_handler(event(OVER, "1"))
    assert not table.has_handler(event(ACTIVATED, "1"))
    with pytest.raises(UnknownType, match=r"ewms\.queues\.activated"):
        await table.handle_event(event(ACTIVATED, "1"))


async def test_one_handler_alone_takes_everything() -> None:
    taken: list[ControlEvent] = []

    async def note(each: ControlEvent) -> None:
        taken.append(each)

    table = DispatchTable.with_one_handler(note)
    for each in (event(OVER, "1"), event(ACTIVATED, "2")):
        assert table.has_handler(each)
        await table.handle_event(each)
    assert [each.id for each in taken] == ["1", "2"]


@pytest.mark.parametrize("error", [Rejected("no"), Conflict("gone")])
async def test_a_handler_that_refuses_an_event_does_not_keep_it_from_the_others(error: EWMSError) -> None:
    last = Handler()
    table = table_of(Handler(error), last)
    if isinstance(error, Rejected):
        with pytest.raises(Rejected, match="no"):
            await table.handle_event(event(OVER, "1"))
    else:
        await table.handle_event(event(OVER, "1"))
    assert last.payloads == [OVER]


async def test_an_event_that_changes_nothing_for_any_handler_is_a_conflict() -> None:
    with pytest.raises(Conflict):
        await table_of(Handler(Conflict("gone")), Handler(Conflict("gone too"))).handle_event(event(OVER, "1"))


async def test_an_event_that_must_come_again_goes_no_further() -> None:
    last = Handler()
    with pytest.raises(Unavailable):
        await table_of(Handler(Unavailable("away")), last).handle_event(event(OVER, "1"))
    assert last.payloads == []
