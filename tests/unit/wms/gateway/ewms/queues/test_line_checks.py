"""JSON lines become events, all or none, and each faulty line is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.api.queues.events import MAX_EVENTS_AT_ONCE
from schemas.broker.queue_format import Wire
from schemas.broker.topology import MAX_EVENT_BYTES
from schemas.errors import Rejected
from schemas.ids import EventId, Mqid
from schemas.payloads.data_events import Header
from schemas.payloads.json_text import dump_json
from schemas.payloads.payload_codec import PreparedEvent, decode_body, event_id
from wms.gateway.ewms.queues.line_checks import MAX_FAULTS, LineRules, prepare_events, split_lines

QUEUE = Mqid("a1")


def prepare(text: str, *, key: str | None = None, request: str = "", drawn: str = "drawn") -> list[PreparedEvent]:
    lines = split_lines(text)
    ids = [EventId(f"{drawn}{place}") for place in range(len(lines))]
    return prepare_events(lines, ids, LineRules(QUEUE, Wire.EWMS, key, request))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(json_values, min_size=1, max_size=8), st.sampled_from(["\n", "\r\n", "\n\n \n"]))
def test_each_line_becomes_the_event_with_its_value(values: list[object], between: str) -> None:
    text = between.join(dump_json(value).decode() for value in values)
    assert [decode_body(event.body, event.content_type) for event in prepare(text)] == values


def test_a_line_ends_only_at_a_line_feed_and_a_byte_order_mark_is_dropped() -> None:
    bodies = [event.body.decode() for event in prepare('\ufeff"a\u2028b"\n"c\x85d"')]
    assert bodies == ["a\u2028b", "c\x85d"]


def test_a_key_gives_the_id_that_the_client_would_give() -> None:
    first, second = prepare('{"id": 7}\n{"id": "7"}', key="id", request="http:ada:k")
    assert (first.id, second.id) == (event_id(QUEUE, 7), event_id(QUEUE, "7"))
    assert (first.headers, second.headers) == ({Header.KEY: "7"}, {Header.KEY: "7"})


def test_a_request_with_an_idempotency_key_gives_the_same_ids_again_and_another_gives_others() -> None:
    once = [event.id for event in prepare("1\n\n2", request="http:ada:k")]
    assert once == [event.id for event in prepare("1\n\n2", request="http:ada:k", drawn="other")]
    assert not set(once) & {event.id for event in prepare("1\n\n2", request="http:ada:l")}
    assert len(set(once)) == 2


def test_without_any_key_each_event_gets_a_drawn_id() -> None:
    assert [event.id for event in prepare("1\n1")] == ["drawn0", "drawn1"]


@pytest.mark.parametrize(
    ("text", "key", "says", "hint"),
    [
        ('1\n{"x": }', None, "1 of 2 line(s) cannot be events: line 2: not JSON (", "write a text in quotes"),
        ("plain", None, "line 1: not JSON (", "write a text in quotes"),
        ("1\n\nNaN", None, "line 3: not JSON that can be sent: JSON has no NaN", "write a text in quotes"),
        ("[7]", "id", "line 1: 'key' id needs an object on every line", "leave 'key' out"),
        ('{"name": 1}', "id", "line 1: the event has no field 'id' for its key", "its fields: name"),
        (f'["{"x" * MAX_EVENT_BYTES}"]', None, f"line 1: the event has {MAX_EVENT_BYTES + 4} bytes; the", "put the"),
    ],
)
def test_a_faulty_line_is_named_with_rule_and_remedy_and_nothing_is_published(
    text: str, key: str | None, says: str, hint: str
) -> None:
    with pytest.raises(Rejected) as caught:
        prepare(text, key=key)
    assert caught.value.reason.startswith("nothing is published, because ")
    assert says in caught.value.reason
    assert caught.value.hint.startswith(hint)


def test_an_error_describes_the_first_faulty_lines_and_counts_the_others() -> None:
    with pytest.raises(Rejected, match=rf"because {MAX_FAULTS + 2} of {MAX_FAULTS + 3} line") as caught:
        prepare("1\n" + "x\n" * (MAX_FAULTS + 2))
    assert f"line {MAX_FAULTS + 1}:" in caught.value.reason
    assert f"line {MAX_FAULTS + 2}:" not in caught.value.reason
    assert caught.value.reason.endswith("; 2 more line(s) have faults")


def test_a_request_has_at_least_one_event_and_a_limit_of_them() -> None:
    with pytest.raises(Rejected, match="must have at least one event"):
        split_lines(" \n\r\n")
    assert len(split_lines("1\n" * MAX_EVENTS_AT_ONCE)) == MAX_EVENTS_AT_ONCE
    with pytest.raises(Rejected, match=f"at most {MAX_EVENTS_AT_ONCE} events, not {MAX_EVENTS_AT_ONCE + 1}"):
        split_lines("1\n" * (MAX_EVENTS_AT_ONCE + 1))
