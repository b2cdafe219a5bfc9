"""How the log names an event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.events.log_excerpts import MAX_EXCERPT, describe_failure, excerpt_input, name_event
from pilot.failures.failure import Failure
from schemas.ids import EventId
from schemas.payloads import legacy_wire
from schemas.payloads.data_events import BINARY, JSON, TEXT, DataEvent

EVENT = DataEvent(b'{"pixel": 7}', EventId("5f0e"), JSON, {"x-ewms-key": "pixel-7", "x-ewms-parent": "aa11"})


def test_an_event_is_named_by_all_that_finds_it_again() -> None:
    assert name_event(EVENT, attempt=2, queue="a31c") == (
        "event 5f0e (key 'pixel-7', attempt 2, of queue a31c, made from event aa11)"
    )


def test_an_event_without_a_key_or_an_id_has_a_name() -> None:
    nameless = DataEvent(b"x", EventId(""), "")
    assert name_event(nameless, attempt=1, queue="a31c") == "event without an id (attempt 1, of queue a31c)"
    assert name_event(None, attempt=1, queue="") == "the task's run"


@pytest.mark.parametrize(
    ("event", "with_traceback", "lines"),
    [
        (
            EVENT,
            True,
            [
                "event 5f0e (key 'pixel-7', attempt 2, of queue a31c, made from event aa11) failed: TaskError('bad')",
                'its input: 12 bytes of application/json: {"pixel": 7}',
                "line 1",
                "line 2",
            ],
        ),
        (None, False, ["the task's run failed: TaskError('bad')"]),
    ],
)
def test_a_failure_is_logged_with_the_event_and_its_input(
    event: DataEvent | None, with_traceback: bool, lines: list[str]
) -> None:
    failure = Failure("TaskError", "bad", traceback="line 1\nline 2")
    described = describe_failure(failure, event, attempt=2, queue="a31c", with_traceback=with_traceback)
    assert described.split("\n") == lines


@pytest.mark.parametrize(
    ("event", "excerpt"),
    [
        (EVENT, '12 bytes of application/json: {"pixel": 7}'),
        (DataEvent(b"run\n7\x1b[31m", EventId("1"), TEXT), "10 bytes of text/plain: run 7 [31m"),
        (
            DataEvent(b"\xff\xfe" * 50, EventId("1"), BINARY),
            f"100 bytes of {BINARY}: " + " ".join(["fffefffefffefffe"] * 5),
        ),
        (DataEvent(b"", EventId("1"), ""), "0 bytes of no content type: "),
        (DataEvent(legacy_wire.MAGIC + b"x", EventId("1"), ""), "5 bytes of an existing client, unreadable"),
    ],
)
def test_an_input_is_shown_by_its_size_its_kind_and_its_beginning(event: DataEvent, excerpt: str) -> None:
    assert excerpt_input(event) == excerpt


def test_an_existing_clients_event_is_shown_as_what_it_carries() -> None:
    event = DataEvent(legacy_wire.encode_legacy({"pixel": 7}), EventId(""), "")
    assert excerpt_input(event).endswith("of an existing client: {'pixel': 7}")


@given(st.binary(max_size=5000), st.text(max_size=300), st.text(max_size=300), st.text(max_size=500))
def test_whatever_an_event_holds_becomes_a_short_line(body: bytes, kind: str, id_: str, key: str) -> None:
    event = DataEvent(body, EventId(id_), kind, {"x-ewms-key": key})
    for line in (excerpt_input(event), name_event(event, attempt=1, queue="a31c")):
        assert line.isprintable()
        assert len(line) < MAX_EXCERPT * 2 + 300
