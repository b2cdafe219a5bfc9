"""Events to infiles, outfiles to events."""

import pytest

from pilot.errors import Failure
from pilot.payloads import infile, output_type
from schemas.dataevents import BINARY, JSON, TEXT, DataEvent, DeadReason
from schemas.ids import EventId
from schemas.topology import MAX_EVENT_BYTES


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
    assert infile(event(body, content_type), extension) == body


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_a_json_infile_that_no_parser_takes_is_given_up_at_once(body: bytes) -> None:
    failure = infile(event(body, JSON), "json")
    assert isinstance(failure, Failure)
    assert failure.type == "InvalidDataForInfile"
    assert failure.final
    assert failure.reason is DeadReason.UNREADABLE


def test_an_event_over_the_limit_is_given_up_before_it_is_written() -> None:
    failure = infile(event(b"x" * (MAX_EVENT_BYTES + 1), BINARY), "in")
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
    assert output_type(body, extension) == content_type


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_json_outfile_that_is_none_fails_the_task_and_is_tried_again(body: bytes) -> None:
    failure = output_type(body, "json")
    assert isinstance(failure, Failure)
    assert not failure.final
