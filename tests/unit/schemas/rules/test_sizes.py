import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rules.sizes import MAX_BYTES, parse_bytes, print_condor_size, print_setting, print_size


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


@pytest.mark.parametrize(
    ("n_bytes", "smallest", "printed"),
    [
        (536870912, "MB", "512 MB"),
        (2**30, "MB", "1 GB"),
        (1, "MB", "1 MB"),
        (2**30 + 1, "MB", "1025 MB"),
        (3 * 2**40, "KB", "3 TB"),
        (1025, "KB", "2 KB"),
    ],
)
def test_sizes_are_printed_as_htcondor_reads_them(n_bytes: int, smallest: str, printed: str) -> None:
    assert print_condor_size(n_bytes, smallest) == printed


@given(st.integers(1, 2**53), st.sampled_from(["MB", "KB"]))
def test_a_print_condor_size_is_never_too_small_and_rounds_by_less_than_its_unit(n_bytes: int, smallest: str) -> None:
    again = parse_bytes(print_condor_size(n_bytes, smallest))
    assert 0 <= again - n_bytes < {"MB": 2**20, "KB": 2**10}[smallest]


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 bytes"),
        (999, "999 bytes"),
        (1000, "0.977 KB"),
        (1024, "1 KB"),
        (512 * 2**20, "512 MB"),
        (999.7 * 2**20, "0.976 GB"),
        (1536 * 2**20, "1.5 GB"),
        (16 * 2**30, "16 GB"),
        (15.63 * 2**30, "15.6 GB"),
        (2**50, "1 PB"),
        (2**53, "8 PB"),
    ],
)
def test_a_size_is_printed_for_people(n_bytes: float, text: str) -> None:
    assert print_size(n_bytes) == text


@given(st.integers(1, 2**53))
def test_a_size_for_people_is_read_back_within_half_a_percent(n_bytes: int) -> None:
    if not (text := print_size(n_bytes)).endswith("bytes"):
        assert abs(parse_bytes(text) - n_bytes) <= n_bytes * 0.006


@given(st.integers(2**20, 2**53))
def test_a_size_to_ask_for_is_never_more_than_there_is(n_bytes: int) -> None:
    assert n_bytes - 2**20 < parse_bytes(print_setting(n_bytes)) <= n_bytes
