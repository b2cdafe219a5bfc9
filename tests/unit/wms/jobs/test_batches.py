"""Batches: sizes in hosts and in percent, each host in exactly one."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Rejected
from wms.jobs.plans.batches import find_batches, split_hosts


@pytest.mark.parametrize(
    ("n_hosts", "serial", "batches"),
    [
        (10, (), (10,)),
        (10, (3,), (3, 3, 3, 1)),
        (10, ("3",), (3, 3, 3, 1)),
        (10, ("30%",), (3, 3, 3, 1)),
        (10, (1, "20%", 5), (1, 2, 5, 2)),
        (3, ("10%",), (1, 1, 1)),
        (3, (100,), (3,)),
        (3, ("100%",), (3,)),
    ],
)
def test_serial_splits_hosts_as_operators_expect(
    n_hosts: int, serial: Sequence[int | str], batches: tuple[int, ...]
) -> None:
    assert split_hosts(n_hosts, serial) == batches


@pytest.mark.parametrize("item", [0, -1, True, "0%", "101%", "x", "", "-3", "1.5%", "%", "٣", "9999999999"])
def test_what_is_no_size_is_refused(item: int | str) -> None:
    with pytest.raises(Rejected, match="'serial'"):
        split_hosts(10, (item,))


def test_too_many_sizes_are_refused() -> None:
    with pytest.raises(Rejected, match="101 items"):
        split_hosts(10, (1,) * 101)


_SIZES = st.one_of(st.integers(1, 50), st.integers(1, 100).map(lambda n: f"{n}%"))


@given(st.integers(1, 500), st.lists(_SIZES, max_size=5))
def test_every_host_is_in_one_batch_and_no_batch_is_empty(n_hosts: int, serial: list[int | str]) -> None:
    batches = split_hosts(n_hosts, serial)
    assert sum(batches) == n_hosts
    assert min(batches) >= 1
    numbers = find_batches(batches)
    assert len(numbers) == n_hosts
    assert numbers == sorted(numbers)
