"""Existing clients' events: what they carry comes back, and no stranger's bytes make us unpack without bound."""

import json
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from schemas.broker.topology import MAX_EVENT_BYTES
from schemas.payloads.legacy_wire import (
    MAX_RATIO,
    MAX_UNPACKED_BYTES,
    LegacyEvent,
    Undecodable,
    Unwritable,
    decode_legacy,
    encode_legacy,
    is_legacy,
)

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def packed(text: bytes, **options: Any) -> bytes:
    return zstandard.ZstdCompressor(level=3, **options).compress(text)


def of_unknown_size(text: bytes) -> bytes:
    return packed(text, write_content_size=False)


@given(_json, st.dictionaries(st.text(), st.text(), max_size=2))
def test_what_is_written_is_read_again(data: Any, headers: dict[str, str]) -> None:
    assert decode_legacy(encode_legacy(data, headers)) == LegacyEvent(data, headers)


def test_what_we_write_is_what_existing_clients_unpack() -> None:
    body = encode_legacy({"pixel": [1, 2]})
    assert json.loads(zstandard.decompress(body)) == {"headers": {}, "data": {"pixel": [1, 2]}}


def test_an_event_without_headers_is_taken() -> None:
    assert decode_legacy(packed(b'{"data": 7}')) == LegacyEvent(7)
    assert decode_legacy(packed(b'{"headers": null, "data": 7}')) == LegacyEvent(7)


def test_only_an_event_without_content_type_is_taken_for_an_existing_clients() -> None:
    body = encode_legacy("x")
    assert is_legacy(body, "")
    assert not is_legacy(body, "application/octet-stream"), "somebody sends zstd files through our client"
    assert not is_legacy(b'{"headers": {}, "data": 1}', "")
    assert not is_legacy(b"", "")


@pytest.mark.parametrize(
    "body",
    [
        b"\x28\xb5\x2f\xfd",
        b"\x28\xb5\x2f\xfdnonsense",
        encode_legacy("cut off")[:-6],
        packed(b"no json"),
        packed(b'"no object"'),
        packed(b'{"headers": {}}'),
        packed(b'{"data": "\xff"}'),
        packed(b'{"data": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
        packed(b'{"data": ' + b"9" * 10_000 + b"}"),
    ],
)
def test_what_is_no_event_is_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable):
        decode_legacy(body)


@pytest.mark.parametrize("pack", [packed, of_unknown_size])
@pytest.mark.parametrize("n_bytes", [MAX_UNPACKED_BYTES + 1, 256 * 1024 * 1024])
def test_a_bomb_is_refused_before_it_takes_memory(pack: Any, n_bytes: int) -> None:
    bomb = pack(b'{"data": "' + b"0" * n_bytes + b'"}')
    tracemalloc.start()
    try:
        with pytest.raises(Undecodable):
            decode_legacy(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_UNPACKED_BYTES
    finally:
        tracemalloc.stop()


def test_a_frame_that_states_a_smaller_size_than_it_has_is_refused() -> None:
    honest = of_unknown_size(b'{"data": "' + b"0" * (2 * MAX_UNPACKED_BYTES) + b'"}')
    with pytest.raises(Undecodable):
        decode_legacy(honest[:4] + b"\x20\x05" + honest[6:])


def test_a_window_that_would_take_more_memory_than_an_event_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(Undecodable):
        decode_legacy(frame.compress(b'{"data": 1}') + frame.flush())


def test_a_row_of_zeros_is_an_honest_event_up_to_what_an_event_may_hold_unpacked() -> None:
    zeros = [0] * 500_000
    body = encode_legacy(zeros)
    assert len(body) * MAX_RATIO < 2 * len(zeros)
    assert decode_legacy(body).data == zeros


def test_beyond_that_the_ratio_counts() -> None:
    text = b'{"data": "' + b"0" * MAX_EVENT_BYTES + b'"}'
    with pytest.raises(Undecodable, match="at most"):
        decode_legacy(packed(text))


@pytest.mark.parametrize("data", ["0" * MAX_EVENT_BYTES, "\0" * 3 * 1024 * 1024])
def test_nothing_is_written_that_would_not_be_read_again(data: str) -> None:
    with pytest.raises(Unwritable):
        encode_legacy(data)


@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 255))
def test_mutated_bytes_are_read_or_refused_and_nothing_else(tail: bytes, at: int, byte: int) -> None:
    body = bytearray(encode_legacy({"a": [1, 2.5, "x"]}) + tail)
    body[at % len(body)] = byte
    with suppress(Undecodable):
        decode_legacy(bytes(body))
