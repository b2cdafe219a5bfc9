from datetime import UTC, datetime

from runtime.kernel.decision import Change, Delete, Insert, Update, batch_changes, change_filter, update_operators

AT = datetime(2026, 11, 21, tzinfo=UTC)


def test_a_compare_and_set_finds_only_the_revision_it_saw_and_counts_it_up() -> None:
    update = Update("c", 1, set={"a": 2}, rev=7)
    assert change_filter(update) == {"_id": 1, "rev": 7}
    assert update_operators(update) == {"$set": {"a": 2}, "$inc": {"rev": 1}}


def test_without_a_revision_nothing_is_compared() -> None:
    update = Update("c", 1, unset=("wake_at",))
    assert change_filter(update) == {"_id": 1}
    assert update_operators(update) == {"$unset": {"wake_at": ""}}


def test_a_pushed_list_appends_its_members_and_anything_else_itself() -> None:
    operators = update_operators(Update("c", 1, push={"log": [{"n": 1}, {"n": 2}], "names": "x"}))
    assert operators == {"$push": {"log": {"$each": [{"n": 1}, {"n": 2}]}, "names": "x"}}


def test_neighbours_share_a_round_trip_and_the_order_is_kept() -> None:
    changes: list[Change] = [
        Insert("a", {"_id": 1}),
        Insert("a", {"_id": 2}),
        Update("a", 1, set={"x": 1}),
        Delete("a", 3),
        Insert("b", {"_id": 1}),
        Insert("a", {"_id": 4}),
    ]
    found = list(batch_changes(changes))
    assert [(name, inserts, len(batch)) for name, inserts, batch in found] == [
        ("a", True, 2),
        ("a", False, 2),
        ("b", True, 1),
        ("a", True, 1),
    ]
    assert [change for _, _, batch in found for change in batch] == changes


def test_every_kind_of_change_tells_the_timers_when_it_wants_to_be_woken() -> None:
    assert Insert("c", {"_id": 1, "wake_at": AT}).wake_at == AT
    assert Update("c", 1, set={"wake_at": AT}).wake_at == AT
    assert Update("c", 1, set={"x": 1}).wake_at is None
    assert Delete("c", 1).wake_at is None
