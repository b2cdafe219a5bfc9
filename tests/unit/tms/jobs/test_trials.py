"""When a machine is bad, and when the task fails everywhere."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tms.jobs.restarts import AVOIDED_S
from tms.jobs.trials import MAX_AVOIDED, MAX_KEPT, SETTLED_S, Ruling, Trials, decide_ruling, needs_ruling

NOW = 1_800_000_000
ALL_FAILED = {"RUNNING": {"FatalError": 2}, "IDLE": {"null": 1}}
CHARGED = Ruling(charges_events=True, avoids=False)


def trials(*machines: str, ago_s: int = SETTLED_S, succeeded: tuple[int, ...] = ()) -> Trials:
    found = Trials()
    for proc, machine in enumerate(machines):
        found.note_bad_worker(proc, f"{NOW - ago_s} {machine}")
    for proc in succeeded:
        found.note_success(proc)
    return found


def decide(found: Trials, statuses: Any = ALL_FAILED, **changes: Any) -> Ruling:
    facts: dict[str, Any] = {"before": Ruling(), "has_other_machine": True, "now_s": NOW, **changes}
    return decide_ruling(found, statuses, **facts)


@pytest.mark.parametrize(
    ("found", "statuses", "facts", "expected"),
    [
        (Trials(), ALL_FAILED, {}, Ruling()),
        # Everything failed on two machines, or on the only one.
        (trials("a", "b"), ALL_FAILED, {}, CHARGED),
        (trials("a"), ALL_FAILED, {"has_other_machine": False}, CHARGED),
        (trials("a", "a"), ALL_FAILED, {"has_other_machine": False}, CHARGED),
        (trials("a", "b"), {"HELD: paused": {"FatalError": 2}}, {}, CHARGED),
        # One machine of several: it may be bad, and another one is tried.
        (trials("a", "a"), ALL_FAILED, {}, Ruling(machines=("a",), until_s=NOW - SETTLED_S + AVOIDED_S)),
        # Somebody still tries, or has just begun to judge.
        (
            trials("a", "b"),
            {"RUNNING": {"FatalError": 2, "Tasking": 1}},
            {},
            Ruling(machines=("a", "b"), until_s=NOW - SETTLED_S + AVOIDED_S),
        ),
        (trials("a"), {"RUNNING": {"FatalError": 1, "null": 1}}, {"has_other_machine": False}, Ruling(avoids=False)),
        (
            trials("a", "b", ago_s=SETTLED_S - 1),
            ALL_FAILED,
            {},
            Ruling(machines=("a", "b"), until_s=NOW - SETTLED_S + 1 + AVOIDED_S),
        ),
        # A success anywhere: the machines are bad, not the task.
        (
            trials("a", "b", succeeded=(7,)),
            ALL_FAILED,
            {},
            Ruling(machines=("a", "b"), until_s=NOW - SETTLED_S + AVOIDED_S),
        ),
        (
            trials("a", "b", succeeded=(7,)),
            ALL_FAILED,
            {"before": CHARGED, "has_other_machine": False},
            Ruling(avoids=False),
        ),
        # What was ruled holds while the pilots that learned of it work.
        (trials("a"), {"RUNNING": {"Tasking": 2}}, {"before": CHARGED}, CHARGED),
        # Machines get well again.
        (trials("a", ago_s=AVOIDED_S + 1, succeeded=(7,)), ALL_FAILED, {}, Ruling()),
    ],
)
def test_what_follows_from_bad_workers(found: Trials, statuses: Any, facts: dict[str, Any], expected: Ruling) -> None:
    assert decide(found, statuses, **facts) == expected


@given(
    st.lists(st.sampled_from("abc"), max_size=5),
    st.sets(st.integers(0, 9), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
)
def test_where_one_worker_succeeds_no_event_is_charged(
    machines: list[str], succeeded: set[int], has_other: bool, was_charged: bool
) -> None:
    """The law by which a black hole eats no good events."""
    before = CHARGED if was_charged else Ruling()
    ruling = decide(trials(*machines, succeeded=tuple(succeeded)), before=before, has_other_machine=has_other)
    assert not ruling.charges_events
    assert has_other or not ruling.machines, "jobs keep away from the only machine"


@pytest.mark.parametrize(
    ("found", "before", "expected"),
    [
        (Trials(), Ruling(), False),
        (trials("a"), Ruling(), True),
        (trials("a", ago_s=AVOIDED_S + 1), Ruling(), False),
        (trials("a", ago_s=AVOIDED_S + 1), Ruling(machines=("a",)), True),
        (trials("a"), CHARGED, False),
        (trials("a", succeeded=(1,)), CHARGED, True),
    ],
)
def test_the_pool_is_asked_only_where_something_may_change(found: Trials, before: Ruling, expected: bool) -> None:
    assert needs_ruling(found, before, NOW) is expected


@pytest.mark.parametrize("said", ["", "17", "17 ", "x node", "-1 node", f"17 {'n' * MAX_KEPT}"])
def test_what_is_no_machine_is_left_out(said: str) -> None:
    found = Trials()
    found.note_bad_worker(0, said)
    assert not found.condemned


def test_what_is_kept_and_what_is_avoided_is_bounded() -> None:
    found = trials(*(f"node{n}" for n in range(MAX_KEPT + 5)), succeeded=tuple(range(MAX_KEPT + 5)))
    assert (len(found.condemned), len(found.succeeded)) == (MAX_KEPT, MAX_KEPT)
    assert len(decide(found).machines) == MAX_AVOIDED
