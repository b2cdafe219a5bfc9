"""Every event of a publisher is accounted for."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewms.errors import PublishFailed
from ewms.loop_thread import LoopThread
from ewms.queue_client import Publisher
from ewms.queues.publisher import AsyncPublisher, PreparedEvent
from runtime.amqp import QueueFull
from runtime.tracing import continue_trace
from schemas.attempts.trace_sampling import N_FIRST
from schemas.broker.queue_format import Wire
from schemas.ids import EventId, WorkflowId

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
OTHER = f"00-{'c' * 32}-{'d' * 16}-01"


class Unable:
    """A way to the broker on which no event can be written."""

    mqid = "q"
    wire = Wire.EWMS

    def post_event_and_call(self, on_settled: Callable[[BaseException | None], None], *_: Any, **__: Any) -> None:
        on_settled(TypeError("string exceeds maximum length of 255 bytes"))


class Slow:
    """A way to the broker whose confirms come when the test says so."""

    mqid = "q"
    wire = Wire.EWMS

    def __init__(self) -> None:
        self.calls: list[Callable[[BaseException | None], None]] = []

    def post_event_and_call(self, on_settled: Callable[[BaseException | None], None], *_: Any, **__: Any) -> None:
        self.calls.append(on_settled)


async def test_an_event_that_amqp_cannot_hold_is_told_as_a_failure() -> None:
    publisher = AsyncPublisher(cast(Any, None), WorkflowId("WF-1"), "photons")
    publisher._access = publisher._publisher = cast(Any, Unable())
    publisher.start_sending(PreparedEvent(EventId("e1"), b"{}", "x" * 300), lambda: None)
    with pytest.raises(PublishFailed) as failed:
        await publisher.flush()
    assert [event for event, _ in failed.value.failures] == ["e1"]
    assert publisher.n_confirmed == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=30))
def test_a_flush_returns_after_every_confirm_in_any_order_and_each_event_ends_once(
    steps: list[tuple[bool, int]],
) -> None:
    """Each step sends an event, or lets the broker confirm or refuse one of those on their way."""

    async def run_story() -> None:
        publisher, broker = AsyncPublisher(cast(Any, None), WorkflowId("WF-1"), "photons"), Slow()
        publisher._access = publisher._publisher = cast(Any, broker)
        n_sent, ended, refused = 0, [0], 0

        def count_end() -> None:
            ended[0] += 1

        for is_send, number in steps:
            if is_send or not broker.calls:
                publisher.start_sending(PreparedEvent(EventId(str(n_sent)), b"{}", ""), count_end)
                n_sent += 1
                continue
            is_refusal = number % 2 == 1
            refused += is_refusal
            broker.calls.pop(number % len(broker.calls))(QueueFull("no") if is_refusal else None)
        flush = asyncio.create_task(publisher.flush())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert flush.done() == (not broker.calls)
        while broker.calls:
            broker.calls.pop()(None)
        if refused:
            with pytest.raises(PublishFailed) as failed:
                await flush
            assert len(failed.value.failures) == refused
        else:
            await flush
        assert (ended[0], publisher.n_confirmed) == (n_sent, n_sent - refused)

    asyncio.run(run_story())


class Noting:
    """A way to the broker that notes the headers of each event."""

    mqid = "q"

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.headers: list[dict[str, Any]] = []

    def post_event_and_call(
        self,
        on_settled: Callable[[BaseException | None], None],
        _: str,
        __: str,
        ___: bytes,
        properties: Any,
        **____: Any,
    ) -> None:
        self.headers.append(properties.headers)
        on_settled(None)


@pytest.mark.parametrize(
    ("wire", "trace_one_in", "n_marked"),
    [(Wire.EWMS, 1000, N_FIRST), (Wire.EWMS, 1, 30), (Wire.EWMS, 0, 0), (Wire.LEGACY, 1, 0)],
)
def test_a_publisher_marks_its_first_events_for_a_trace_and_of_the_others_a_sample(
    wire: Wire, trace_one_in: int, n_marked: int
) -> None:
    publisher = AsyncPublisher(cast(Any, None), WorkflowId("WF-1"), "photons", trace_one_in=trace_one_in)
    broker = Noting(wire)
    publisher._access = publisher._publisher = cast(Any, broker)
    for n in range(30):
        publisher.start_sending(PreparedEvent(EventId(f"e-{n}"), b"{}", "", {"x-ewms-key": "k"}), lambda: None)
    marked = [headers for headers in broker.headers if "x-ewms-root" in headers]
    assert [headers["x-ewms-root"] for headers in marked] == [f"e-{n}" for n in range(n_marked)]
    assert all(headers["x-ewms-key"] == "k" for headers in broker.headers)


@pytest.mark.parametrize(("wire", "carried"), [(Wire.EWMS, [TRACE, OTHER, None]), (Wire.LEGACY, [None, None, None])])
def test_an_event_carries_the_trace_that_is_current_where_it_is_sent(
    wire: Wire, carried: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop has a thread of its own, which knows no trace of the caller."""
    monkeypatch.delenv("TRACEPARENT", raising=False)
    inner, broker, portal = AsyncPublisher(cast(Any, None), WorkflowId("WF-1"), "photons"), Noting(wire), LoopThread()
    inner._access = inner._publisher = cast(Any, broker)
    publisher = Publisher(portal, inner, window=10)
    for trace in (TRACE, OTHER, None):
        with continue_trace(trace):
            publisher.send({"id": 7}, key=7)
    publisher.flush()
    portal.close()
    assert [headers.get("traceparent") for headers in broker.headers] == carried
    assert all(("x-ewms-key" in headers) == (wire is Wire.EWMS) for headers in broker.headers)


async def test_a_faulty_trace_costs_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    publisher, broker = AsyncPublisher(cast(Any, None), WorkflowId("WF-1"), "photons"), Noting(Wire.EWMS)
    publisher._access = publisher._publisher = cast(Any, broker)
    for text in ("", "00-zz", "x" * 100_000, TRACE):
        monkeypatch.setenv("TRACEPARENT", text)
        await publisher.send("event")
    await publisher.flush()
    assert [headers.get("traceparent") for headers in broker.headers] == [None, None, None, TRACE]


def test_a_sample_cannot_be_less_than_none() -> None:
    with pytest.raises(ValueError, match="trace_one_in must be 0 or more"):
        AsyncPublisher(cast(Any, None), WorkflowId("WF-1"), "photons", trace_one_in=-1)
