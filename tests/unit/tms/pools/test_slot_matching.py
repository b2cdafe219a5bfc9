"""Why no slot takes a job, in words; and nothing where one would take it once it is empty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tms.pools.slot_matching import SlotResources, explain_requirements, explain_size, split_conjuncts

GB = 1024**3
POOL = [SlotResources(8, 16 * GB, 80 * GB), SlotResources(64, 4 * GB, 80 * GB)]


@pytest.mark.parametrize(
    ("need", "slots", "why"),
    [
        (SlotResources(1, GB, GB), POOL, ""),
        (SlotResources(8, 16 * GB, 80 * GB), POOL, ""),
        (
            SlotResources(1, 999 * GB, GB),
            POOL,
            "no slot offers 999 GB of memory; the largest has 16 GB; ask for worker_memory=16G or less",
        ),
        (SlotResources(65, GB, GB), POOL, "no slot offers 65 cores; the largest has 64; ask for n_cores=64 or less"),
        (
            SlotResources(1, GB, 100 * 1024 * GB),
            POOL,
            "no slot offers 100 TB of disk; the largest has 80 GB; ask for worker_disk=80G or less",
        ),
        (SlotResources(16, 8 * GB, GB), POOL, "no slot offers 16 cores with 8 GB of memory and 1 GB of disk together"),
        (SlotResources(1, GB, GB), [], "the pool has no slots now"),
    ],
)
def test_the_size_that_no_slot_offers_is_named_with_the_largest_there_is(
    need: SlotResources, slots: list[SlotResources], why: str
) -> None:
    assert explain_size(need, slots) == why


rooms = st.builds(SlotResources, st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))


@given(rooms, st.lists(rooms))
def test_nothing_is_said_exactly_if_a_slot_has_room(need: SlotResources, slots: list[SlotResources]) -> None:
    assert (explain_size(need, slots) == "") == any(slot.can_hold(need) for slot in slots)


def test_the_requirement_that_no_slot_meets_is_named() -> None:
    clauses = ['OpSys == "LINUX"', 'OpSysAndVer == "Plan9"']
    assert explain_requirements(clauses, [[True, False], [True, False]]) == ("no slot meets 'OpSysAndVer == \"Plan9\"'")
    assert explain_requirements(clauses, [[True, False], [True, True]]) == ""
    assert explain_requirements(["a", "b"], [[True, False], [False, True]]) == (
        "no slot meets all requirements together: 'a && b'"
    )


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("true", ["true"]),
        ('((Memory > 1)) && (TARGET.Arch == "X86_64")', ["Memory > 1", 'TARGET.Arch == "X86_64"']),
        ("(a && (b || c)) && d", ["a", "b || c", "d"]),
        ("a && b || c", ["a && b || c"]),
        ('a == "x && y" && (b)', ['a == "x && y"', "b"]),
        ('a == "\\")&&" && b', ['a == "\\")&&"', "b"]),
        ("f(a && b) && c =?= 1", ["f(a && b)", "c =?= 1"]),
        ("(a) && (b)", ["a", "b"]),
        ("a ? b && c : d", ["a ? b && c : d"]),
        ("", [""]),
    ],
)
def test_an_expression_falls_into_the_parts_that_must_all_hold(expression: str, parts: list[str]) -> None:
    assert split_conjuncts(expression) == parts


@given(st.text(alphabet='ab()[]"&| ?:\\=', max_size=60))
def test_whatever_the_text_it_has_parts(expression: str) -> None:
    assert split_conjuncts(expression)
