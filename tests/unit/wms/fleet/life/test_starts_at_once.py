"""A taskforce that becomes ready starts in the same decision, where a place is free."""

from schemas.events import (
    Payload,
    TaskforceStart,
)
from schemas.fleet.phases import Phase
from tests.unit.wms.fleet.life.lifecycle_stimuli import kinds
from tests.unit.wms.fleets import (
    NOW,
    POLICY,
    activated,
    after,
    aggregate,
    decide,
    task_request,
)
from wms.fleet.life.aggregate import Aggregate, Draft
from wms.fleet.life.lifecycle import start_at_once
from wms.fleet.life.stimuli import Launch, Woken


def activate_and_start(n_free: dict[str, int], *tasks: dict[str, object]) -> tuple[Aggregate, tuple[Payload, ...]]:
    before = aggregate(*tasks)
    outcome = decide(before, activated(before), NOW)
    started = start_at_once(Draft(before, POLICY, NOW), outcome, n_free)
    return started.after, (*started.events, *started.facts)


def test_what_becomes_ready_starts_in_the_same_decision_where_a_place_is_free() -> None:
    state, events = activate_and_start({"S1": 1}, task_request())
    (taskforce,) = state.taskforces.values()
    assert taskforce.phase is Phase.PENDING_STARTER
    assert taskforce.asked_at == NOW
    assert [line.target_phase for line in taskforce.phase_change_log[-2:]] == [Phase.PRE_LAUNCH, Phase.PENDING_STARTER]
    assert kinds(events) == [TaskforceStart]


def test_a_start_in_the_same_decision_is_the_start_of_the_launcher() -> None:
    before = aggregate(task_request())
    outcome = decide(before, activated(before), NOW)
    (uuid,) = outcome.after.taskforces
    by_launcher = decide(outcome.after, Launch(uuid), NOW)
    at_once = start_at_once(Draft(before, POLICY, NOW), outcome, {"S1": 4})
    assert at_once.after == by_launcher.after
    assert at_once.events == (*outcome.events, *by_launcher.events)


def test_without_a_free_place_it_waits_for_the_launcher() -> None:
    for n_free in ({}, {"S1": 0}, {"elsewhere": 4}):
        state, events = activate_and_start(n_free, task_request())
        assert [t.phase for t in state.taskforces.values()] == [Phase.PRE_LAUNCH]
        assert kinds(events) == []


def test_no_more_start_at_once_than_places_are_free_and_those_of_the_lowest_rank_first() -> None:
    state, events = activate_and_start({"S1": 2}, *(task_request(task_image=f"/images/reco-{n}") for n in range(3)))
    phases = [t.phase for t in sorted(state.taskforces.values(), key=lambda t: t.launch_rank)]
    assert phases == [Phase.PENDING_STARTER, Phase.PENDING_STARTER, Phase.PRE_LAUNCH]
    assert kinds(events) == [TaskforceStart, TaskforceStart]


def test_what_was_ready_before_is_left_to_the_launcher() -> None:
    ready = after(aggregate(task_request()), activated(aggregate(task_request())))
    outcome = decide(ready, Woken(), NOW)
    assert start_at_once(Draft(ready, POLICY, NOW), outcome, {"S1": 4}) == outcome
