"""Events to infiles, outfiles to events."""

import pytest

from pilot.events.payloads import build_infile, choose_output_type, encode_for_legacy
from pilot.failures.failure import Failure
from pilot.stream.lines import build_request, parse_answer
from schemas.broker.topology import MAX_EVENT_BYTES
from schemas.ids import EventId
from schemas.payloads.data_events import BINARY, JSON, TEXT, DataEvent, DeadReason
from schemas.payloads.legacy_wire import MAGIC, LegacyEvent, decode_legacy, encode_legacy


def event(body: bytes, content_type: str) -> DataEvent:
    return DataEvent(body, EventId("e"), content_type)


@pytest.mark.parametrize(
    ("body", "content_type", "extension"),
    [
        (b"text as it is\n", TEXT, "in"),
        (b"\xff\x00binary", BINARY, "in"),
        (b'{"a":  1}', JSON, "json"),
        (b'{"a":  1}', JSON, "in"),
        (b"text is not JSON", TEXT, "json"),
        (b"", BINARY, "in"),
    ],
)
def test_an_infile_has_the_payloads_own_bytes(body: bytes, content_type: str, extension: str) -> None:
    assert build_infile(event(body, content_type), extension) == body


#: What Python's reader takes for JSON beside JSON itself.
NO_JSON = [b"NaN", b'{"a": [-Infinity]}', b"\xef\xbb\xbf{}", "{}".encode("utf-16"), "{}".encode("utf-16-le")]


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, *NO_JSON])
def test_a_json_infile_that_no_parser_takes_is_given_up_at_once(body: bytes) -> None:
    failure = build_infile(event(body, JSON), "json")
    assert isinstance(failure, Failure)
    assert failure.type == "InvalidDataForInfile"
    assert failure.final
    assert failure.reason is DeadReason.UNREADABLE


def test_an_event_over_the_limit_is_given_up_before_it_is_written() -> None:
    failure = build_infile(event(b"x" * (MAX_EVENT_BYTES + 1), BINARY), "in")
    assert isinstance(failure, Failure)
    assert failure.final


@pytest.mark.parametrize(
    ("body", "extension", "content_type"),
    [
        (b"text", "out", TEXT),
        ("é".encode(), "out", TEXT),
        (b"\xff\xfe", "out", BINARY),
        (b'{"a": 1}', "out", TEXT),
        (b'{"a": 1}', "json", JSON),
        (b"3", "json", JSON),
        (b"", "out", TEXT),
    ],
)
def test_an_output_says_what_it_is(body: bytes, extension: str, content_type: str) -> None:
    assert choose_output_type(body, extension) == content_type


@pytest.mark.parametrize("body", NO_JSON)
def test_json_means_the_same_to_both_task_modes(body: bytes) -> None:
    assert isinstance(build_request(event(body, JSON), 1), Failure)
    assert isinstance(parse_answer(b'{"id":"e","data":' + body + b"}", "e"), Failure)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, *NO_JSON])
def test_a_json_outfile_that_is_none_fails_the_task_and_is_tried_again(body: bytes) -> None:
    failure = choose_output_type(body, "json")
    assert isinstance(failure, Failure)
    assert not failure.final


def legacy(data: object) -> DataEvent:
    return DataEvent(encode_legacy(data), EventId(""), "")


@pytest.mark.parametrize(
    ("data", "extension", "expected"),
    [
        ("text as it is\n", "in", b"text as it is\n"),
        ('{"a":  1}', "json", b'{"a":  1}'),
        ("text", "json", b"text"),
        ({"a": [1, None]}, "json", b'{"a": [1, null]}'),
        (["\ud800"], "json", b'["\\ud800"]'),
    ],
)
def test_what_an_existing_client_sent_becomes_the_infile(data: object, extension: str, expected: bytes) -> None:
    assert build_infile(legacy(data), extension) == expected


@pytest.mark.parametrize(
    ("event", "extension"),
    [
        (legacy({"a": 1}), "in"),
        (legacy("\ud800"), "in"),
        (legacy("\ud800"), "json"),
        (legacy(float("nan")), "json"),
        (DataEvent(MAGIC + b"nonsense", EventId(""), ""), "in"),
        (DataEvent(MAGIC + b"nonsense", EventId(""), ""), "json"),
    ],
)
def test_what_an_existing_client_sent_and_no_infile_can_hold_is_given_up_at_once(
    event: DataEvent, extension: str
) -> None:
    failure = build_infile(event, extension)
    assert isinstance(failure, Failure)
    assert (failure.type, failure.final, failure.reason) == ("InvalidDataForInfile", True, DeadReason.UNREADABLE)


def test_a_file_that_happens_to_be_zstd_is_a_payload_like_any_other() -> None:
    body = encode_legacy("x")
    assert build_infile(DataEvent(body, EventId("e"), BINARY), "in") == body


def test_outputs_for_existing_clients_carry_the_outfile_and_the_trace() -> None:
    packed = encode_for_legacy(b'{"a":  1}', JSON, {"traceparent": "00-1", "x-ewms-parent": "p"})
    assert packed is not None
    assert decode_legacy(packed) == LegacyEvent({"a": 1}, {"traceparent": "00-1"})
    packed = encode_for_legacy(b"text\n", TEXT, {})
    assert packed is not None
    assert decode_legacy(packed) == LegacyEvent("text\n")


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"\xff", BINARY), (b"0" * MAX_EVENT_BYTES, TEXT), (b"[" * 100_000, JSON)]
)
def test_what_existing_clients_could_not_read_is_no_output_for_them(body: bytes, content_type: str) -> None:
    assert encode_for_legacy(body, content_type, {}) is None
