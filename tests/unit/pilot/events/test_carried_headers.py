"""Which headers of an event go on to what is made of it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import encode

from pilot.events.carried_headers import MAX_HEADERS_BYTES, has_bad_trace, read_trace, split_headers

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_goes_on_as_it_came() -> None:
    assert read_trace({"traceparent": TRACE}) == TRACE
    assert not has_bad_trace({"traceparent": TRACE})


def test_an_event_without_a_trace_has_no_bad_one() -> None:
    assert read_trace({}) == ""
    assert not has_bad_trace({})


@pytest.mark.parametrize(
    "value",
    [
        "",
        "no trace",
        TRACE.upper(),
        TRACE + "\n",
        TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        TRACE.replace("b7ad6b7169203331", "0" * 16),
        TRACE.encode(),
        None,
        7,
        ["00"],
        {"a": 1},
        datetime(2026, 11, 28, tzinfo=UTC),
    ],
)
def test_a_trace_that_is_none_is_left_out(value: Any) -> None:
    assert read_trace({"traceparent": value}) == ""
    assert has_bad_trace({"traceparent": value})


@pytest.mark.parametrize("value", [b"\xff", Decimal("1.5"), None, {"a": 1}, 2**63, "\ud800", [1], bytearray(b"x")])
def test_a_header_that_cannot_be_sent_again_is_left_out_by_name(value: Any) -> None:
    assert split_headers([("good", 7), ("bad", value), ("last", "x")]) == ({"good": 7, "last": "x"}, ["bad"])


def test_headers_leave_room_for_our_own_in_their_frame() -> None:
    kept, dropped = split_headers([("large", "x" * MAX_HEADERS_BYTES), ("small", "x")])
    assert kept == {"small": "x"}
    assert dropped == ["large"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(width=32) | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text(max_size=20), anything, max_size=5))
def test_what_is_kept_can_be_sent(headers: dict[str, Any]) -> None:
    kept, dropped = split_headers(headers.items())
    encode.field_table(kept)  # type: ignore[arg-type] # that is what this asks
    assert len(kept) + len(dropped) == len(headers)
