"""1.3 of the contract of step lists and 1.6 of that of decision trees: what is merged over what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.engine.runs import MAX_STATE_BYTES
from schemas.errors import TooLarge
from wms.engine.life.variables import (
    MASK,
    check_size,
    collect_artifacts,
    find_variables,
    inherit_artifacts,
    mask_values,
    merge_deeply,
    merge_delta,
    unmask_values,
)

VALUES = st.dictionaries(st.sampled_from("abcd"), st.integers(), max_size=4)


def test_o16_a_delta_is_merged_key_by_key() -> None:
    state = {"subscription": {"a": 1, "b": 2}, "x": 1}
    assert merge_delta(state, {"subscription": {"a": 3}}) == {"subscription": {"a": 3}, "x": 1}
    assert merge_delta(state, {"y": 2}, ("x", "none such")) == {"subscription": {"a": 1, "b": 2}, "y": 2}
    assert state["x"] == 1


def test_1_3_input_is_merged_deeply_and_lists_override() -> None:
    state = {"a": {"b": [1, 2], "c": {"d": 1}}, "e": 1}
    given = {"a": {"b": [3], "c": {"f": 2}}, "e": {"g": 1}}
    assert merge_deeply(state, given) == {"a": {"b": [3], "c": {"d": 1, "f": 2}}, "e": {"g": 1}}


def test_1_6_what_the_run_was_launched_with_wins_over_artifacts_and_those_over_the_nodes_own() -> None:
    assert find_variables({"a": 1, "b": 1, "c": 1}, {"b": 2, "c": 2}, {"c": 3}) == {"a": 1, "b": 2, "c": 3}


def test_1_6_the_nearest_ancestor_wins() -> None:
    grandparent = {"v": "far", "g": 1}
    assert inherit_artifacts([(grandparent, {"v": "near"})]) == {"v": "near", "g": 1}
    # What one parent left beats what only reached the other.
    assert inherit_artifacts([({}, {"v": "near"}), (grandparent, {})]) == {"v": "near", "g": 1}


def test_1_6_a_node_without_artifacts_does_not_break_the_chain_and_copies_nothing() -> None:
    reached = {"v": 1}
    assert inherit_artifacts([(reached, {})]) is reached


@given(st.lists(VALUES))
def test_1_6_a_nested_run_leaves_the_latest_of_each(left: list[dict[str, int]]) -> None:
    merged = collect_artifacts(left)
    for key, value in merged.items():
        assert value == [values[key] for values in left if key in values][-1]
    assert set(merged) == {key for values in left for key in values}


def test_1_6_the_mask_stands_for_the_value_that_is_kept() -> None:
    kept = {"password": "secret", "n": 1}
    shown = mask_values(kept, {"password"})
    assert shown == {"password": MASK, "n": 1}
    assert unmask_values({**shown, "n": 2}, kept, {"password"}) == {"password": "secret", "n": 2}
    assert unmask_values({"n": MASK}, kept, {"password"}) == {"n": MASK}
    assert unmask_values({"password": MASK}, {}, {"password"}) == {"password": MASK}


def test_a_state_over_one_mebibyte_is_refused_by_the_name_of_its_largest_key() -> None:
    check_size("state", {"a": "x" * (MAX_STATE_BYTES - 8)})
    with pytest.raises(TooLarge, match="the key 'b' alone takes"):
        check_size("state", {"a": "x", "b": "x" * MAX_STATE_BYTES})
