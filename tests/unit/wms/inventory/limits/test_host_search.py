"""The search of an inventory's hosts."""

from typing import Any

import pytest

from schemas.errors import NotFound, Rejected
from wms.inventory.content.inventory_content import Group, Host, make_content
from wms.inventory.limits.host_search import HostWish, find_hosts, read_wanted_variables

LAB = make_content(
    {"os": "debian"},
    [Group("web", (), {"port": 80}), Group("prod", ("web",))],
    [
        Host("w1", ("new", "x"), ("web",), {"os": "ubuntu"}),
        Host("w2", ("x",), ("web",), {"port": "80"}),
        Host("d1", (), (), {"port": None, "ready": True}),
    ],
)


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        ({}, "w1 w2 d1"),
        ({"name": "w2"}, "w2"),
        ({"labels": ("x",)}, "w1 w2"),
        ({"labels": ("x", "new")}, "w1"),
        ({"group": "prod"}, "w1 w2"),
        ({"variables": {"os": "debian"}}, "w2 d1"),
        # A text means itself, and the value that it is as JSON.
        ({"variables": {"port": "80"}}, "w1 w2"),
        ({"variables": {"port": "null"}}, "d1"),
        ({"variables": {"ready": "true", "os": "debian"}}, "d1"),
        ({"variables": {"none": "1"}}, ""),
        ({"limit": "w*", "labels": ("new",), "group": "web", "variables": {"os": "ubuntu"}}, "w1"),
    ],
)
def test_all_parts_of_a_wish_count(wish: dict[str, Any], names: str) -> None:
    assert [each.name for each in find_hosts(LAB, HostWish(**wish))] == names.split()


def test_a_group_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound, match="no group 'db'"):
        find_hosts(LAB, HostWish(group="db"))


def test_wanted_variables_are_read() -> None:
    assert read_wanted_variables("os:ubuntu,url:http://x,") == {"os": "ubuntu", "url": "http://x"}
    assert read_wanted_variables("") == {}
    for text in ("os", ":x", "a:b,c"):
        with pytest.raises(Rejected, match="vars=NAME:VALUE"):
            read_wanted_variables(text)


def test_the_part_that_needs_an_inventory_is_named() -> None:
    assert HostWish(name="a", labels=("b",)).needs_content == ""
    assert HostWish(group="a").needs_content == "group"
    assert HostWish(variables={"a": "b"}).needs_content == "vars"
    assert HostWish(limit="a", group="b").needs_content == "match"
