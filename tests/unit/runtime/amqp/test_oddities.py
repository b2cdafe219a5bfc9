"""Properties that are not what they should be cost no connection."""

import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from pamqp import commands, decode, encode, header

from runtime.amqp.oddities import accept_odd_properties, read_short_str, read_timestamp


def sent_and_read(monkeypatch: pytest.MonkeyPatch, properties: commands.Basic.Properties) -> Any:
    """Return `properties` as they come out of a frame that a careless publisher has written."""
    monkeypatch.setitem(encode.METHODS, "shortstr", lambda text: bytes([len(text)]) + text)
    monkeypatch.setitem(encode.METHODS, "timestamp", lambda number: struct.pack(">Q", number))
    data = header.ContentHeader(body_size=1, properties=properties).marshal()
    monkeypatch.undo()
    accept_odd_properties()
    read = header.ContentHeader()
    read.unmarshal(data)
    return read.properties


def test_an_event_with_odd_properties_is_read_and_the_others_of_it_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = commands.Basic.Properties()
    odd.message_id, odd.timestamp, odd.content_type = b"\xffid", 1_795_000_000_000_000, b"text/plain"  # type: ignore[assignment]
    read = sent_and_read(monkeypatch, odd)
    assert (read.message_id, read.timestamp, read.content_type) == ("\\xffid", None, "text/plain")


def test_a_header_with_an_odd_name_or_time_is_read() -> None:
    accept_odd_properties()
    name, time = b"\x02\xffn", b"T" + struct.pack(">Q", 2**63)
    table = name + time + b"\x04good" + b"S" + struct.pack(">I", 1) + b"x"
    data = struct.pack(">I", len(table)) + table
    assert decode.by_type(data + b"more", "table") == (len(data), {"\\xffn": None, "good": "x"})


def test_what_is_right_is_read_as_before() -> None:
    assert read_short_str(b"\x03abcd") == (4, "abc")
    assert read_timestamp(struct.pack(">Q", 0)) == (8, datetime(1970, 1, 1, tzinfo=UTC))


def test_what_is_cut_off_is_an_error_as_before() -> None:
    with pytest.raises(ValueError, match="timestamp"):
        read_timestamp(b"\0")
