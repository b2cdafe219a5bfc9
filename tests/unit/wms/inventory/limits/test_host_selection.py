"""Hosts that a limit chooses, with their merged variables."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.wms.inventory.inventory_samples import contents, load_sample, make_farm, read_sample
from wms.inventory.content.inventory_content import Group, Host, InventoryContent, make_content
from wms.inventory.content.merging import VariableMerger
from wms.inventory.forms.form_reading import read_inventory
from wms.inventory.limits.host_selection import match_limit, select_hosts
from wms.inventory.limits.limit_text import LimitRefused

SHOP = read_inventory(read_sample("shop.ini"))


@pytest.mark.parametrize("limit", load_sample("shop.ini.limits.json"))
def test_a_limit_chooses_the_hosts_that_ansible_chooses(limit: str) -> None:
    chosen = [each.host.name for each in select_hosts(SHOP, limit)]
    assert sorted(chosen) == sorted(load_sample("shop.ini.limits.json")[limit])
    assert chosen == [name for name in SHOP.hosts if name in chosen]


def test_hosts_have_the_merged_variables_that_ansible_gives_them() -> None:
    merged = load_sample("shop.ini.merged.json")["_meta"]["hostvars"]
    assert {each.host.name: each.variables for each in select_hosts(SHOP)} == merged


LABELED = make_content(
    {},
    [Group("web"), Group("prod", ("web",))],
    [
        Host("w1", ("rack-1", "new"), ("web",)),
        Host("w2", ("rack-2",), ("web",)),
        Host("d1", ("rack-1",)),
        Host("rack-1x", ()),
    ],
)


@pytest.mark.parametrize(
    ("limit", "names"),
    [
        ("label=rack-1", "w1 d1"),
        ("label=rack-*", "w1 w2 d1"),
        ("prod:&label=rack-1", "w1"),
        ("!label=rack-1", "w2 rack-1x"),
        ("d1:label=new", "w1 d1"),
        ("label=rack-1[1]", "d1"),
        ("rack-*", "rack-1x"),
        ("web:&label=none*:d1", ""),
    ],
)
def test_labels_choose_hosts_and_only_with_their_prefix(limit: str, names: str) -> None:
    assert [each.name for each in match_limit(LABELED, limit, VariableMerger(LABELED))] == names.split()


@pytest.mark.parametrize(
    ("limit", "reason", "hint"),
    [
        ("w3", "no host or group called 'w3'", "did you mean"),
        ("web:!d9", "no host or group called 'd9'", "did you mean 'd1'"),
        ("label=rack1", "no label called 'rack1'", "did you mean 'rack-1'"),
        ("label=zzz", "no label called 'zzz'", ""),
        ("web[2]", "'web' names 2 hosts", ""),
        ("x*", "chooses no host", ""),
        ("w1:&d1", "chooses no host", ""),
    ],
)
def test_a_limit_that_names_nothing_is_refused(limit: str, reason: str, hint: str) -> None:
    with pytest.raises(LimitRefused, match=reason) as caught:
        select_hosts(LABELED, limit)
    assert hint in caught.value.hint


def test_an_inventory_without_hosts_is_refused() -> None:
    with pytest.raises(LimitRefused, match="the inventory has no hosts"):
        select_hosts(InventoryContent())


@given(contents(), st.lists(st.sampled_from(["ga", "gb", "h0", "h1", "h*", "g?", "label=rack-*", "ungrouped", "all"])))
def test_terms_are_sets_and_their_order_changes_nothing(content: InventoryContent, names: list[str]) -> None:
    known = {*content.groups, *content.hosts}
    names = [name for name in names if name in known or name[-1] in "*?dl"]
    merger = VariableMerger(content)

    def choose(*terms: str) -> list[str]:
        return [each.name for each in match_limit(content, ":".join(terms), merger)]

    everything = list(content.hosts)
    alone = [set(choose(name)) for name in names]
    assert (
        choose(*names)
        == choose(*reversed(names))
        == [each for each in everything if not names or any(each in one for one in alone)]
    )
    assert choose(*(f"&{name}" for name in names)) == [each for each in everything if all(each in one for one in alone)]
    assert choose(*(f"!{name}" for name in names)) == [
        each for each in everything if not any(each in one for one in alone)
    ]


@given(contents())
def test_each_group_has_its_hosts_and_those_of_the_groups_in_it(content: InventoryContent) -> None:
    merger = VariableMerger(content)

    def list_below(name: str) -> set[str]:
        return {name}.union(*(list_below(child) for child in content.groups[name].children))

    for name in content.groups:
        expected = [each.name for each in content.hosts.values() if list_below(name) & set(each.groups)]
        assert [each.name for each in match_limit(content, name, merger)] == expected


def test_patterns_that_are_slow_in_other_readers_are_quick_here() -> None:
    hosts = [Host("a" * 250 + str(n)) for n in range(500)]
    content = make_content({}, [], hosts)
    began_at = time.process_time()
    assert match_limit(content, "*a" * 100 + "b", VariableMerger(content)) == []
    assert time.process_time() - began_at < 5


def test_two_thousand_hosts_are_chosen_and_merged_quickly() -> None:
    content = make_farm(2000)
    began_at = time.process_time()
    chosen = select_hosts(content, "host*:&label=even:!rack7")
    assert len(chosen) == 1000
    # It takes some 20 ms; the bound only finds work that grows with the square of the hosts.
    assert time.process_time() - began_at < 2
