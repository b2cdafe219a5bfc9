"""Changes of an inventory's content."""

import pytest
from hypothesis import given

from schemas.errors import Conflict, NotFound
from schemas.ids import HostId
from tests.unit.wms.inventory.inventory_samples import contents
from wms.inventory.content import content_edits as edits
from wms.inventory.content.content_rules import check_content
from wms.inventory.content.inventory_content import Group, Host, InventoryContent, make_content
from wms.inventory.content.merging import LevelKind

LAB = make_content(
    {"a": 1},
    [Group("web", (), {"a": 2}), Group("prod", ("web",))],
    [Host("w1", ("x",), ("web",), {"a": 3}, HostId(1)), Host("d1", (), (), {}, HostId(2))],
)


def test_a_host_is_added_renamed_and_removed_at_its_place() -> None:
    grown = edits.add_host(Host("n1", ("b", "a", "b")))(LAB)
    assert grown.hosts["n1"].labels == ("a", "b")
    assert list(edits.rename_host("w1", "w9")(grown).hosts) == ["w9", "d1", "n1"]
    assert edits.rename_host("w1", "w9")(grown).hosts["w9"].id == 1
    assert edits.rename_host("w1", "w1")(LAB) == LAB
    assert list(edits.remove_host("w1")(grown).hosts) == ["d1", "n1"]
    with pytest.raises(Conflict, match="has a host 'w1' already"):
        edits.add_host(Host("w1"))(LAB)
    with pytest.raises(Conflict, match="has a host 'd1' already"):
        edits.rename_host("w1", "d1")(LAB)
    with pytest.raises(NotFound, match="no host 'zz'"):
        edits.remove_host("zz")(LAB)


def test_labels_and_groups_are_given_and_taken() -> None:
    assert edits.change_labels("w1", add=["c", "b"], remove=["x", "none"])(LAB).hosts["w1"].labels == ("b", "c")
    assert edits.change_memberships("d1", add=["web", "prod"])(LAB).hosts["d1"].groups == ("prod", "web")
    assert edits.change_memberships("w1", remove=["web"])(LAB).hosts["w1"].groups == ()
    with pytest.raises(NotFound, match="no group 'db'"):
        edits.change_memberships("w1", add=["db"])(LAB)


def test_groups_are_added_nested_and_removed_and_their_hosts_stay() -> None:
    grown = edits.change_children("prod", add=["db"])(edits.add_group(Group("db"))(LAB))
    assert grown.groups["prod"].children == ("web", "db")
    assert edits.change_children("prod", remove=["web"])(grown).groups["prod"].children == ("db",)
    without = edits.remove_group("web")(grown)
    assert (without.groups["prod"].children, without.hosts["w1"].groups) == (("db",), ())
    with pytest.raises(Conflict, match="has a group 'web' already"):
        edits.add_group(Group("web"))(LAB)
    with pytest.raises(NotFound, match="no group 'zz'"):
        edits.remove_group("zz")(LAB)


@pytest.mark.parametrize(
    ("kind", "name"), [(LevelKind.INVENTORY, ""), (LevelKind.GROUP, "web"), (LevelKind.HOST, "w1")]
)
def test_variables_of_each_level_are_set_and_removed(kind: LevelKind, name: str) -> None:
    def own(content: InventoryContent) -> object:
        levels = {
            LevelKind.INVENTORY: content.variables,
            LevelKind.GROUP: content.groups["web"].variables,
            LevelKind.HOST: content.hosts["w1"].variables,
        }
        return levels[kind]

    changed = edits.change_variables(kind, name, add={"b": 2})(LAB)
    assert own(changed) == {**own(LAB), "b": 2}  # type: ignore[dict-item]
    assert own(edits.change_variables(kind, name, add={}, remove=["a"])(changed)) == {"b": 2}
    with pytest.raises(NotFound, match="has no variable 'z' of its own"):
        edits.change_variables(kind, name, add={}, remove=["z"])(LAB)


def test_a_merge_adds_and_overrides_and_takes_nothing() -> None:
    given_content = make_content(
        {"b": 1}, [Group("web", (), {"a": 9}), Group("db")], [Host("w1", ("y",), ("db",), {"b": 4}), Host("n1")]
    )
    merged = edits.merge_all(given_content)(LAB)
    assert merged.variables == {"a": 1, "b": 1}
    assert merged.groups["web"].variables == {"a": 9}
    assert merged.groups["prod"].children == ("web",)
    assert merged.hosts["w1"] == Host("w1", ("x", "y"), ("db", "web"), {"a": 3, "b": 4}, HostId(1))
    assert list(merged.hosts) == ["w1", "d1", "n1"]


@given(contents(), contents())
def test_replacing_gives_the_new_content_and_merging_with_itself_changes_nothing(
    before: InventoryContent, after: InventoryContent
) -> None:
    assert edits.replace_all(after)(before) == after
    assert edits.merge_all(before)(before) == before
    check_content(edits.replace_all(after)(before))


def test_hosts_that_changed_are_found_by_their_ids() -> None:
    wanted = make_content({}, [Group("web")], [Host("n1"), Host("w1", ("x",), ("web",), {"a": 4})])
    after = edits.replace_all(wanted)(LAB)
    made, changed, gone = edits.list_changed_hosts(LAB.hosts, after.hosts)
    assert [[each.name for each in listed] for listed in (made, changed, gone)] == [["n1"], ["w1"], ["d1"]]
    assert edits.list_changed_hosts(LAB.hosts, LAB.hosts) == ([], [], [])
