"""The rules of an inventory's content."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given

from schemas.automation.inventories import MAX_HOST_LABELS, MAX_HOSTS, MAX_INVENTORY_BYTES
from tests.unit.wms.inventory.inventory_samples import contents
from wms.inventory.content.content_rules import check_content, count_bytes, find_size_faults
from wms.inventory.content.group_graph import find_circle
from wms.inventory.content.inventory_content import Group, Host, InventoryContent, InventoryRefused, make_content


def make_nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def one_host(host: Host) -> InventoryContent:
    return make_content({}, [Group("web")], [host])


FAULTS: list[tuple[InventoryContent, str]] = [
    (one_host(Host("web 1")), "host 'web 1': a name has letters"),
    (one_host(Host("::1")), "ansible_host"),
    (one_host(Host("-x")), "begins with a letter"),
    (one_host(Host("h" * 254)), "at most 253 characters"),
    (one_host(Host("all")), "the name of a group that each inventory has"),
    (one_host(Host("web")), "a host has this name, too"),
    (one_host(Host("h", groups=("db",))), "host 'h': 'db' is no group"),
    (one_host(Host("h", labels=("a b",))), "label 'a b'"),
    (one_host(Host("h", labels=tuple(f"l{n}" for n in range(MAX_HOST_LABELS + 1)))), "at most 100 labels"),
    (one_host(Host("h", variables={"1a": 1})), "variable '1a': a name has letters"),
    (one_host(Host("h", variables={"a": 2**63})), "variable 'a': a whole number must fit into 64 bits"),
    (one_host(Host("h", variables={"a": float("nan")})), "must be finite"),
    (one_host(Host("h", variables={"a": {"b": "x\0"}})), "must be Unicode without NUL"),
    (one_host(Host("h", variables={"a": {1: 2}})), "a key must be a text"),
    (one_host(Host("h", variables={"a": {1, 2}})), "a value is what JSON has"),
    (one_host(Host("h", variables={"a": make_nested(40)})), "nested at most 32 deep"),
    (one_host(Host("h", variables={"a": "x" * 40_000, "b": "y" * 50_000})), "the largest is 'b'"),
    (make_content({"a-b": 1}, [], []), "the inventory: variable 'a-b'"),
    (make_content({}, [Group("all")], []), "its variables are those of the inventory"),
    (make_content({}, [Group("ungrouped")], []), "make a group of your own"),
    (make_content({}, [Group("a", ("b",))], []), "group 'a': its child 'b' is no group"),
    (make_content({}, [Group("a", (), {"ansible_group_priority": "high"})], []), "must be a whole number"),
    (make_content({}, [Group("a", ("b",)), Group("b", ("c",)), Group("c", ("a",))], []), "groups contain each other: "),
    (make_content({}, [Group("a", ("a",))], []), "groups contain each other: a > a"),
    (make_content({}, [Group(f"g{n}") for n in range(1001)], []), "at most 1000 groups, and this one has 1001"),
]


@pytest.mark.parametrize(("content", "reason"), FAULTS, ids=[reason[:40] for _, reason in FAULTS])
def test_a_fault_is_told_with_what_it_is_about(content: InventoryContent, reason: str) -> None:
    with pytest.raises(InventoryRefused) as caught:
        check_content(content)
    assert reason in caught.value.reason


def test_all_faults_come_at_once_with_their_places_and_many_are_cut() -> None:
    content = make_content({}, [], [Host(f"bad name {n}") for n in range(30)])
    with pytest.raises(InventoryRefused) as caught:
        check_content(content, name_place=lambda subject: f"line {subject[1].split()[-1]}")
    assert len(caught.value.faults) == 30
    assert "line 7: host 'bad name 7'" in caught.value.reason
    assert caught.value.reason.endswith("and 10 more")


@given(contents())
def test_an_inventory_that_obeys_the_rules_has_no_fault(content: InventoryContent) -> None:
    check_content(content)


def test_sizes_are_limited() -> None:
    assert list(find_size_faults(MAX_HOSTS, MAX_INVENTORY_BYTES)) == []
    assert len(list(find_size_faults(MAX_HOSTS + 1, MAX_INVENTORY_BYTES + 1))) == 2
    assert (count_bytes({}), count_bytes({"ä": 1})) == (0, len('{"ä":1}'.encode()))


def test_a_circle_is_told_as_a_way() -> None:
    groups = {name: Group(name, (child,)) for name, child in ("ab", "bc", "ca")}
    way = find_circle(groups)
    assert way[0] == way[-1]
    assert all(groups[upper].children == (lower,) for upper, lower in pairwise(way))
