import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rules.sizes import MAX_BYTES, parse_bytes


@pytest.mark.parametrize(
    ("size", "n_bytes"),
    [
        ("512M", 512 * 2**20),
        ("512 MB", 512 * 2**20),
        ("1.5G", 3 * 2**29),
        ("2GiB", 2**31),
        (" 1 tb ", 2**40),
        ("1024", 1024),
        ("10B", 10),
        (536870912, 536870912),
        (1, 1),
    ],
)
def test_a_size_in_bytes(size: str | int, n_bytes: int) -> None:
    assert parse_bytes(size) == n_bytes


@pytest.mark.parametrize(
    "size",
    ["", "M", "-1G", "1 X", "1e9", "0", "0G", "$ENV(HOME)", "1G\nexecutable=/bin/sh", "NaN", "9" * 40, "9999P", "1٣M"],
)
def test_what_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_bytes(size)


@pytest.mark.parametrize("size", [0, -1, MAX_BYTES + 1])
def test_an_integer_must_be_a_positive_exact_one(size: int) -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        parse_bytes(size)


@given(st.text(max_size=30))
def test_any_text_is_a_size_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert 0 < parse_bytes(text) <= MAX_BYTES
