import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.broker.queue_format import Wire
from schemas.broker.topology import MAX_EVENT_BYTES
from schemas.errors import TooLarge
from schemas.ids import EventId
from schemas.payloads.data_events import BINARY, JSON, TEXT, Header
from schemas.payloads.legacy_wire import Unwritable
from schemas.payloads.legacy_wire import decode_legacy as unpack
from schemas.payloads.payload_codec import decode_body, encode_payload, event_id, prepare_event

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(json_values | st.text() | st.binary())
def test_what_is_sent_is_what_is_got(payload: object) -> None:
    assert decode_body(*encode_payload(payload)) == payload


def test_the_content_type_tells_the_three_kinds_apart() -> None:
    assert encode_payload("x") == (b"x", TEXT)
    assert encode_payload(b"x") == (b"x", BINARY)
    assert encode_payload({"x": 1}) == (b'{"x":1}', JSON)
    assert encode_payload(b"{}", "application/json") == (b"{}", "application/json")


@pytest.mark.parametrize("payload", [float("nan"), {"a": float("inf")}])
def test_numbers_that_json_does_not_know_are_refused_before_they_poison_a_queue(payload: object) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_payload(payload)


@pytest.mark.parametrize("payload", [b"NaN", "NaN", b"\xef\xbb\xbf1", "1".encode("utf-16"), "text"])
def test_what_is_called_json_and_is_none_is_refused_before_each_task_has_to(payload: bytes | str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the JSON reader's
        encode_payload(payload, "application/json; charset=utf-8")


def test_half_of_a_surrogate_pair_is_spelled_out_in_json_and_is_no_text() -> None:
    assert encode_payload(["\ud800"]) == (b'["\\ud800"]', JSON)
    assert decode_body(b'["\\ud800"]', JSON) == ["\ud800"]
    with pytest.raises(ValueError, match="surrogates"):
        encode_payload("\ud800")


def test_bytes_that_are_not_what_they_claim_come_as_bytes() -> None:
    assert decode_body(b"{broken", JSON) == b"{broken"
    assert decode_body(b"[NaN]", JSON) == b"[NaN]"
    assert decode_body(b"\xff\xfe", "text/plain; charset=utf-8") == b"\xff\xfe"
    assert decode_body(b"{}", "application/geo+json") == {}


def test_a_key_names_one_event_in_one_queue_and_no_key_names_none() -> None:
    assert event_id("a1", "x") == event_id("a1", "x")
    assert event_id("a1", "x") != event_id("a2", "x")
    assert event_id("a1", 1) != event_id("a1", "1")
    assert event_id("a1", None) is None
    assert uuid.UUID(event_id("a1", "x"))


@given(json_values | st.text() | st.binary())
def test_what_is_sent_onto_a_queue_of_existing_clients_is_what_is_got(payload: object) -> None:
    assert decode_body(*encode_payload(payload, wire=Wire.LEGACY)) == payload


def test_existing_clients_get_text_and_json_in_their_format_and_bytes_cannot_be_for_them() -> None:
    body, content_type = encode_payload({"x": 1}, "application/json", Wire.LEGACY)
    assert (unpack(body).data, content_type) == ({"x": 1}, "")
    assert encode_payload(b"x", wire=Wire.LEGACY) == (b"x", BINARY)


@pytest.mark.parametrize(("payload", "error"), [(float("nan"), ValueError), ("0" * MAX_EVENT_BYTES, Unwritable)])
def test_what_existing_clients_could_not_read_is_refused(payload: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        encode_payload(payload, wire=Wire.LEGACY)


def test_a_prepared_event_has_its_key_as_a_header_where_the_format_has_headers() -> None:
    event = prepare_event({"x": 1}, EventId("e"), key=7)
    assert (event.id, event.body, event.content_type, event.headers) == ("e", b'{"x":1}', JSON, {Header.KEY: "7"})
    assert prepare_event("x", EventId("e"), key="k", wire=Wire.LEGACY).headers == {}
    with pytest.raises(TooLarge, match="the limit is"):
        prepare_event(b"0" * (MAX_EVENT_BYTES + 1), EventId("e"))
