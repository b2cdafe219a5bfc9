"""What a caller hears when the broker does not take all events, and how many events a look gives."""

from datetime import UTC, datetime

import pytest

from runtime.amqp import AccessRefused, ConnectionLost, QueueFull, Unroutable
from schemas.api.queues.events import EventsShown
from schemas.attempts.trace_sampling import N_FIRST
from schemas.broker.queue_format import Wire
from schemas.errors import Broken, EWMSError, Unavailable, Unprocessable
from schemas.fleet.documents import QueuePlan
from schemas.ids import Alias, EventId, Mqid
from schemas.payloads.data_events import BINARY, JSON, DataEvent, Header
from schemas.payloads.payload_codec import PreparedEvent
from wms.gateway.ewms.queues.event_desk import cut_events, describe_failure, mark_events
from wms.gateway.ewms.queues.event_routes import write_shown


@pytest.mark.parametrize(
    ("error", "kind", "says", "hint"),
    [
        (Unroutable("no queue"), Unprocessable, "its inputs are closed or the workflow is over", "request a new"),
        (QueueFull("full"), Unavailable, "the queue is full", "wait until workers have taken some events; then send"),
        (ConnectionLost("gone"), Unavailable, "did not confirm the others: gone", "send the request again with"),
        (Broken("odd"), Broken, "odd", ""),
    ],
)
def test_an_error_says_how_many_events_the_broker_has_and_what_to_do(
    error: EWMSError, kind: type[EWMSError], says: str, hint: str
) -> None:
    told = describe_failure(error, "photons", 3, 5)
    assert type(told) is kind
    assert isinstance(told, EWMSError)
    assert told.reason.startswith("3 of 5 event(s) published onto 'photons': ")
    assert says in told.reason
    assert told.hint.startswith(hint)


def test_a_refused_connection_is_no_lack_of_rights() -> None:
    told = describe_failure(AccessRefused("too many connections"), "photons", 0, 5)
    assert isinstance(told, Unavailable)
    assert "too many connections" in told.reason


def test_the_first_events_of_a_request_are_traced_but_not_on_a_queue_of_existing_clients() -> None:
    now = datetime(2026, 11, 30, 8, tzinfo=UTC)
    events = [PreparedEvent(EventId(f"e-{n}"), b"{}", JSON, {Header.KEY.value: "k"}) for n in range(N_FIRST + 5)]
    marked = mark_events(events, Wire.EWMS, now)
    assert [event.headers.get(Header.ROOT) for event in marked] == [f"e-{n}" for n in range(N_FIRST)] + [None] * 5
    assert (marked[0].headers[Header.KEY], marked[0].headers[Header.SENT_AT]) == ("k", 1_796_025_600_000)
    assert mark_events(events, Wire.LEGACY, now) == events
    carried = mark_events(events, Wire.EWMS, now, trace="00-1")
    assert {event.headers[Header.TRACE] for event in carried} == {"00-1"}, "all carry the trace of the request"


def test_a_look_ends_at_its_limit_of_bytes_and_gives_one_event_at_least() -> None:
    events = [DataEvent(b"x" * n, EventId(str(n))) for n in (5, 3, 2)]
    assert cut_events(events, 10) == (events, False)
    assert cut_events(events, 9) == (events[:2], True)
    assert cut_events(events, 1) == (events[:1], True)
    assert cut_events([], 1) == ([], False)


def test_the_answer_of_a_look_is_as_its_model_says_whatever_the_events_hold() -> None:
    plan = QueuePlan(mqid=Mqid("b1"), alias=Alias("results"), is_public=True, is_input=False, is_output=True)
    events = [
        DataEvent(b'{"x":\n1}', EventId("e1"), JSON, {Header.DELIVERY_COUNT: 2, "odd": b"\xff", "nan": float("nan")}),
        DataEvent(b"\xff\x00", EventId(""), BINARY),
        DataEvent(b"{broken", EventId("e3"), JSON),
    ]
    shown = EventsShown.model_validate_json(write_shown("WF-1", plan, events, is_cut=True))
    assert (shown.workflow_id, shown.mqid, shown.alias, shown.is_cut) == ("WF-1", "b1", "results", True)
    assert [event.body for event in shown.events] == [{"x": 1}, "\\xff\x00", "{broken"]
    assert (shown.events[0].attempt, shown.events[0].n_bytes) == (3, 8)
    assert shown.events[0].headers == {"x-delivery-count": 2, "odd": "base64:/w==", "nan": "nan"}
