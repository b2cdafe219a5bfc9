import json
from datetime import UTC, datetime

from schemas.ids import EventId
from schemas.payloads.data_events import JSON, TEXT, DataEvent
from schemas.payloads.legacy_wire import encode_legacy
from schemas.payloads.shown_events import plain_headers, write_event


def test_the_body_alone_is_one_line_of_json() -> None:
    assert write_event(DataEvent(b'{"a": [1,\n2]}', EventId("e"), JSON), whole=False) == b'{"a":[1,2]}'
    assert write_event(DataEvent(b"a\nb", EventId("e"), TEXT), whole=False) == rb'"a\nb"'
    assert write_event(DataEvent(b"\xff", EventId("e")), whole=False) == rb'"\\xff"'
    deep = b"[" * 500 + b"]" * 500
    assert json.loads(write_event(DataEvent(deep, EventId("e"), JSON), whole=False)) == json.loads(deep)


def test_an_event_of_an_existing_client_is_unpacked() -> None:
    assert write_event(DataEvent(encode_legacy({"x": 1}), EventId(""), ""), whole=False) == b'{"x":1}'


def test_headers_are_values_that_json_can_hold() -> None:
    at = datetime(2026, 11, 30, tzinfo=UTC)
    assert plain_headers({"at": at, "list": [b"x", {"y": None}], "long": "x" * 5000, "other": {1, 2}.__class__}) == {
        "at": "2026-11-30T00:00:00+00:00",
        "list": ["x", {"y": None}],
        "long": "x" * 4000,
        "other": "<class 'set'>",
    }
