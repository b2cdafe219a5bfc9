"""Merged variables, and where they come from."""

from typing import Any

import pytest
from hypothesis import given

from tests.unit.wms.inventory.inventory_samples import contents
from wms.inventory.content.inventory_content import Group, Host, InventoryContent, make_content
from wms.inventory.content.merging import PRIORITY, LevelKind, ValueSource, VariableMerger

HOST = Host("h", (), ("near", "other"), {"e": "host"})


def make_levels(**priorities: Any) -> InventoryContent:
    """Return an inventory where `far` has `near`, and each level sets a variable that the next ones override."""

    def own(name: str, **variables: Any) -> dict[str, Any]:
        return {**variables, **({PRIORITY: priorities[name]} if name in priorities else {})}

    groups = [
        Group("far", ("near",), own("far", b=["far"], c="far", d="far", e="far")),
        Group("near", (), own("near", c="near", d="near", e="near")),
        Group("other", (), own("other", d="other", b={"of": "other"})),
    ]
    return make_content(dict.fromkeys("abcde", "inventory"), groups, [HOST])


@pytest.mark.parametrize(
    ("priorities", "values"),
    [
        # `other` is as deep as `far`, and its name is the last; `near` is deeper than both.
        ({}, {"a": "inventory", "b": {"of": "other"}, "c": "near", "d": "near", "e": "host"}),
        ({"far": 2}, {"a": "inventory", "b": ["far"], "c": "near", "d": "near", "e": "host"}),
        ({"far": "3", "other": 2}, {"a": "inventory", "b": ["far"], "c": "near", "d": "near", "e": "host"}),
        # A priority orders groups of one depth only.
        ({"other": 99}, {"a": "inventory", "b": {"of": "other"}, "c": "near", "d": "near", "e": "host"}),
    ],
)
def test_the_nearest_level_wins_with_its_whole_value(priorities: dict[str, Any], values: dict[str, Any]) -> None:
    assert VariableMerger(make_levels(**priorities)).merge_variables(HOST) == values


def test_blame_names_each_level_from_far_to_near() -> None:
    traced = VariableMerger(make_levels()).trace_variables(HOST)
    assert traced["e"] == [
        ValueSource(LevelKind.INVENTORY, "", "inventory"),
        ValueSource(LevelKind.GROUP, "far", "far"),
        ValueSource(LevelKind.GROUP, "near", "near"),
        ValueSource(LevelKind.HOST, "h", "host"),
    ]
    assert [each.name for each in traced["d"]] == ["", "far", "other", "near"]


@given(contents())
def test_the_last_source_of_a_variable_gives_its_value(content: InventoryContent) -> None:
    merger = VariableMerger(content)
    for host in content.hosts.values():
        traced = merger.trace_variables(host)
        assert {name: sources[-1].value for name, sources in traced.items()} == merger.merge_variables(host)
        for name, value in host.variables.items():
            assert traced[name][-1] == ValueSource(LevelKind.HOST, host.name, value)


@given(contents())
def test_a_group_overrides_the_groups_above_it(content: InventoryContent) -> None:
    merger = VariableMerger(content)
    for host in content.hosts.values():
        order = merger.list_groups(host)
        for group in order:
            for child in content.groups[group].children:
                assert child not in order or order.index(group) < order.index(child)
