"""Who may have queues now: budget, priority, age, and nobody waits for ever."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqs.groups.admission import Admitted, Applicant, Budget, Deferred, Shortage, Usage, judge_applicants
from mqs.groups.yielding import sum_shortages
from schemas.ids import WorkflowId

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


def applicant(name: str, n_queues: int = 3, priority: int = 50, waited_s: float = 0) -> Applicant:
    return Applicant(WorkflowId(name), n_queues, priority, NOW - timedelta(seconds=waited_s))


def admitted(applicants: list[Applicant], usage: Usage, budget: Budget, now: datetime = NOW) -> list[str]:
    return [name for name, verdict in judge_applicants(applicants, usage, budget, now).items() if verdict == Admitted()]


def test_without_limits_everybody_is_admitted() -> None:
    assert admitted([applicant("a", 1000), applicant("b", 1000)], Usage(10**6, 10**15, 10**6), Budget()) == ["a", "b"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (applicant("high", priority=60), applicant("low", priority=50)),
        (applicant("old", waited_s=10), applicant("young", waited_s=5)),
        (applicant("aged", priority=50, waited_s=600), applicant("fresh", priority=59)),
        (applicant("a"), applicant("b")),
    ],
)
def test_the_last_room_goes_to(first: Applicant, second: Applicant) -> None:
    budget = Budget(max_queues=10, aging=timedelta(minutes=1))
    assert admitted([second, first], Usage(n_queues=7), budget) == [first.workflow_id]


def test_ten_minutes_of_waiting_do_not_beat_a_priority_that_is_twenty_higher() -> None:
    budget = Budget(max_queues=3, aging=timedelta(minutes=1))
    assert admitted([applicant("aged", waited_s=600), applicant("urgent", priority=70)], Usage(), budget) == ["urgent"]


def test_exactly_the_room_that_is_left_is_enough_and_one_less_is_not() -> None:
    assert admitted([applicant("a", 3)], Usage(n_queues=7), Budget(max_queues=10)) == ["a"]
    assert admitted([applicant("a", 3)], Usage(n_queues=8), Budget(max_queues=10)) == []


def test_a_small_group_passes_a_large_one_that_has_just_come() -> None:
    budget = Budget(max_queues=10, patience=timedelta(minutes=10))
    assert admitted([applicant("large", 8, priority=90), applicant("small", 2)], Usage(n_queues=5), budget) == ["small"]


def test_nobody_passes_a_group_whose_patience_has_ended() -> None:
    budget = Budget(max_queues=10, patience=timedelta(minutes=10))
    groups = [applicant("large", 8, waited_s=600), applicant("small", 2)]
    decided = judge_applicants(groups, Usage(n_queues=5), budget, NOW)
    small = decided[WorkflowId("small")]
    assert isinstance(small, Deferred)
    assert "large" in small.reason


def test_a_group_that_can_never_fit_says_so_and_holds_nobody_up() -> None:
    groups = [applicant("never", 11, priority=100, waited_s=10**6), applicant("small", 2)]
    decided = judge_applicants(groups, Usage(), Budget(max_queues=10), NOW)
    assert decided[WorkflowId("never")] == Deferred("it needs 11 queues, but the broker's budget is 10 in all")
    assert decided[WorkflowId("small")] == Admitted()


@pytest.mark.parametrize(
    ("usage", "budget", "word"),
    [
        (Usage(n_bytes=100), Budget(max_bytes=100), "bytes"),
        (Usage(n_connections=5), Budget(max_connections=5), "connections"),
    ],
)
def test_a_broker_under_pressure_takes_nobody_and_says_why(usage: Usage, budget: Budget, word: str) -> None:
    (verdict,) = judge_applicants([applicant("a")], usage, budget, NOW).values()
    assert isinstance(verdict, Deferred)
    assert word in verdict.reason


def test_below_the_pressure_limit_groups_are_admitted() -> None:
    assert admitted([applicant("a")], Usage(n_bytes=99, n_connections=4), Budget(max_bytes=100, max_connections=5))


_applicants = st.lists(
    st.builds(
        Applicant,
        workflow_id=st.uuids().map(lambda u: WorkflowId(str(u))),
        n_queues=st.integers(1, 12),
        priority=st.integers(-100, 150),
        asked_at=st.integers(0, 5000).map(lambda s: NOW - timedelta(seconds=s)),
    ),
    max_size=8,
    unique_by=lambda a: a.workflow_id,
)


@given(_applicants, st.integers(0, 30), st.integers(0, 30))
def test_the_budget_is_never_exceeded_and_everybody_gets_a_verdict(
    groups: list[Applicant], n_used: int, n_max: int
) -> None:
    decided = judge_applicants(groups, Usage(n_queues=n_used), Budget(max_queues=n_max), NOW)
    assert set(decided) == {group.workflow_id for group in groups}
    taken = sum(group.n_queues for group in groups if decided[group.workflow_id] == Admitted())
    assert taken == 0 or n_used + taken <= n_max


@given(_applicants, st.data())
def test_the_order_of_asking_does_not_matter(groups: list[Applicant], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(groups))
    budget = Budget(max_queues=12)
    assert judge_applicants(groups, Usage(), budget, NOW) == judge_applicants(shuffled, Usage(), budget, NOW)


@given(_applicants)
def test_every_group_that_fits_into_the_budget_is_served_in_the_end(groups: list[Applicant]) -> None:
    budget = Budget(max_queues=12, aging=timedelta(minutes=1), patience=timedelta(minutes=10))
    left, now = list(groups), NOW
    # A stream of important small newcomers takes whatever is free; each round everything held is released.
    for n_round in range(4000):
        newcomer = Applicant(WorkflowId(f"new-{n_round}"), 12, 150, now)
        served = set(admitted([*left, newcomer], Usage(), budget, now))
        left = [group for group in left if group.workflow_id not in served]
        if not left:
            return
        now += timedelta(minutes=1)
    pytest.fail(f"never served: {left}")


def test_an_owner_at_its_share_waits_and_holds_nobody_up() -> None:
    budget = Budget(max_queues=100, max_owner_queues=10)
    usage = Usage(n_queues=20, n_queues_of={"eve": 8})
    asked = [
        replace(applicant("eve-1", priority=90, waited_s=10_000), owner="eve"),
        replace(applicant("eve-2", n_queues=2), owner="eve"),
        replace(applicant("eve-3", n_queues=1, priority=1), owner="eve"),
        replace(applicant("ada-1", n_queues=10, priority=1), owner="ada"),
    ]
    assert admitted(asked, usage, budget) == ["eve-2", "ada-1"]
    decided = judge_applicants(asked, usage, budget, NOW)
    assert decided[WorkflowId("eve-1")] == Deferred(
        "it needs 3 queues; its owner has 8 of at most 10", Shortage(1, "eve")
    )
    assert decided[WorkflowId("eve-3")] == Deferred(
        "it needs 1 queues; its owner has 10 of at most 10", Shortage(3, "eve")
    )


def shortages_of(applicants: list[Applicant], usage: Usage, budget: Budget) -> dict[str, Shortage | None]:
    decided = judge_applicants(applicants, usage, budget, NOW)
    return {name: verdict.shortage for name, verdict in decided.items() if isinstance(verdict, Deferred)}


def test_a_group_that_waits_is_short_of_what_is_missing_to_its_size() -> None:
    budget = Budget(max_queues=10)
    assert shortages_of([applicant("a", 4)], Usage(n_queues=8), budget) == {"a": Shortage(2)}
    assert shortages_of([applicant("a", 4), applicant("b", 4)], Usage(n_queues=8), budget) == {
        "a": Shortage(2),
        "b": Shortage(4),
    }
    # The operator has lowered the budget.
    assert shortages_of([applicant("a", 4)], Usage(n_queues=20), budget) == {"a": Shortage(14)}


def test_no_queue_that_goes_helps_a_group_that_is_too_large_or_waits_for_something_else() -> None:
    assert shortages_of([applicant("a", 11)], Usage(), Budget(max_queues=10)) == {"a": None}
    assert shortages_of([applicant("a", 1)], Usage(n_bytes=5), Budget(max_queues=10, max_bytes=5)) == {"a": None}
    assert shortages_of([applicant("a", 6)], Usage(), Budget(max_owner_queues=5)) == {"a": None}


def test_an_owner_at_its_limit_is_short_of_its_own_queues() -> None:
    usage = Usage(n_queues=4, n_queues_of={"ada": 4})
    group = Applicant(WorkflowId("a"), 3, 50, NOW, owner="ada")
    assert shortages_of([group], usage, Budget(max_owner_queues=5)) == {"a": Shortage(2, "ada")}


@given(st.lists(st.integers(1, 8), max_size=6), st.integers(0, 12), st.integers(8, 12))
def test_once_all_that_is_missing_has_gone_everybody_has_room(sizes: list[int], n_used: int, n_max: int) -> None:
    groups = [applicant(f"{n}", size) for n, size in enumerate(sizes)]
    budget = Budget(max_queues=n_max)
    # Those that fit have their queues first.
    lucky = set(admitted(groups, Usage(n_queues=n_used), budget))
    n_used += sum(group.n_queues for group in groups if group.workflow_id in lucky)
    waiting = [group for group in groups if group.workflow_id not in lucky]
    decided = judge_applicants(waiting, Usage(n_queues=n_used), budget, NOW).values()
    n_missing = sum(shortage.n_queues for shortage in sum_shortages(decided))
    if n_missing <= n_used:
        assert len(admitted(waiting, Usage(n_queues=n_used - n_missing), budget)) == len(waiting)


def test_a_load_with_more_queues_keeps_what_other_owners_had() -> None:
    usage = Usage(n_queues=7, n_queues_of={"ada": 3})
    more = usage.add_queues("ada", 4, known={"ada": 90, "grace": 2})
    assert more == Usage(n_queues=11, n_queues_of={"ada": 7, "grace": 2})


def test_a_load_forgets_earlier_owners_when_there_are_too_many() -> None:
    known = {f"user {n}": 1 for n in range(1000)}
    assert Usage().add_queues("ada", 1, known=known).n_queues_of == {"ada": 1}
