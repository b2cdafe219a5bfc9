"""Whose queues are full: owners over their share, until they are well below it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqs.broker.owner_shares import MOST_PATTERN, OwnerShare, find_owners_over, full_patterns
from schemas.ids import Mqid, mqid


@pytest.mark.parametrize(
    ("n_bytes", "was_over", "is_over"),
    [(0, False, False), (99, False, False), (100, False, True), (95, True, True), (90, True, False), (0, True, False)],
)
def test_an_owner_is_over_its_share_until_it_is_well_below(n_bytes: int, was_over: bool, is_over: bool) -> None:
    held = {"eve": OwnerShare(n_bytes, ()), "ada": OwnerShare(50, ())}
    over = find_owners_over(held, {"eve"} if was_over else set(), max_bytes=100)
    assert over == ({"eve"} if is_over else set())


def test_who_has_nothing_any_more_is_not_over() -> None:
    assert find_owners_over({}, {"eve"}, max_bytes=100) == frozenset()


@given(st.sets(st.integers(0, 2**80 - 1).map(mqid), max_size=200))
def test_policies_name_just_these_queues_and_fit(mqids: set[Mqid]) -> None:
    patterns = full_patterns(mqids)
    assert patterns == full_patterns(sorted(mqids, reverse=True))
    assert all(len(pattern) <= MOST_PATTERN for pattern in patterns.values())
    for each in mqids:
        assert sum(bool(re.match(pattern, each)) for pattern in patterns.values()) == 1
    assert not any(re.match(pattern, "a" + "0" * 21) for pattern in patterns.values())
