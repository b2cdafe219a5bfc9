"""Queues without a workflow go in the end, and no other queue ever does."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mqs.broker.orphans import OrphanPlan, Patience, is_ours, orphan_deletion, plan_sweep
from schemas import ids
from schemas.broker.topology import dead_queue
from schemas.ids import WorkflowId

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
PATIENCE = Patience()
A, B = ids.mqid(1), ids.mqid(2)
DEAD = dead_queue(WorkflowId("WF-6b00e09f-926a610b"))


def sweep(n_events: dict[str, int], *known: str, seen: dict[str, datetime] | None = None) -> OrphanPlan:
    return plan_sweep(n_events, set(known), seen or {}, now=NOW, patience=PATIENCE)


def test_a_queue_with_a_profile_is_left_alone_however_long() -> None:
    assert sweep({A: 0, DEAD: 3}, A, DEAD) == OrphanPlan()


def test_an_orphan_is_remembered_first() -> None:
    assert sweep({A: 0, DEAD: 3}) == OrphanPlan(remember=(A, DEAD))


def test_an_empty_one_goes_after_an_hour_and_a_full_one_after_a_week() -> None:
    hour, week = NOW - timedelta(hours=1), NOW - timedelta(days=7)
    assert sweep({A: 0, B: 1}, seen={A: hour, B: hour}).delete == (A,)
    assert sweep({A: 0, B: 1}, seen={A: hour + timedelta(seconds=1), B: week}).delete == (B,)


def test_one_that_is_gone_or_has_its_profile_again_is_forgotten() -> None:
    assert sweep({A: 0}, A, seen={A: NOW - timedelta(days=9), B: NOW}) == OrphanPlan(forget=(A, B))


def test_the_exchange_goes_with_its_queue() -> None:
    doomed = orphan_deletion((A, DEAD))
    assert doomed.queues == (A, DEAD)
    assert doomed.exchanges == (f"x.{A}", f"x.{DEAD}")


@given(st.dictionaries(st.text() | st.sampled_from([A, B, DEAD]), st.integers(0, 3)))
def test_a_name_that_mqs_does_not_give_is_never_touched(n_events: dict[str, int]) -> None:
    seen = dict.fromkeys(n_events, NOW - timedelta(days=30))
    assert set(sweep(n_events, seen=seen).delete) <= {A, B, DEAD}
    assert not is_ours("events")
