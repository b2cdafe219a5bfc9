"""What a pilot decides if the task reports outcomes, and if it runs at most once."""

import dataclasses

import pytest

from pilot.failures.container_failures import container_failed, container_not_started, container_timed_out
from pilot.failures.event_failures import invalid_infile, output_refused
from pilot.failures.failure import Failure
from pilot.life.instructions import (
    ChirpStatus,
    Instruction,
    KillAll,
    LeaveProcess,
    Listen,
    PublishOutcome,
    PublishOutput,
    Settle,
    Settlement,
    Start,
    TakeOverDelivery,
)
from pilot.life.lifecycle import advance_life, begin_life
from pilot.life.lookahead import Pace
from pilot.life.records import replace
from pilot.life.state import PilotState, Policy, Stage
from pilot.life.stimuli import (
    EventArrived,
    PublishConfirmed,
    PublishRefused,
    RunEnded,
    StopAsked,
    SubscriptionLost,
    Tick,
)
from schemas.fleet.statuses import PilotStatus
from schemas.payloads.data_events import DeadReason
from tests.unit.pilot.life.test_lifecycle import held, lived, with_policy

REPORTS = with_policy(reports_outcomes=True)
#: As a TMS starts pilots: different failures in a row would show that the worker is bad.
JUDGES = with_policy(reports_outcomes=True, max_failures_in_a_row=3)
ONCE = with_policy(reports_outcomes=True, at_most_once=True, prefetch=1)
FAILED = container_failed("task", 1, "no such host")


def test_a_success_without_an_outfile_has_an_outcome_and_is_acknowledged_after_its_confirm() -> None:
    ran = (EventArrived(1.0, held(1)), RunEnded(2.0, 1))
    assert lived(REPORTS, *ran)[1] == [PublishOutput(1)]
    _, instructions = lived(REPORTS, *ran, PublishConfirmed(3.0, 1))
    assert Settle(1, Settlement.ACK) in instructions


@pytest.mark.parametrize("failure", [FAILED, container_timed_out("task", 5.0), invalid_infile("no JSON")])
@pytest.mark.parametrize("policy", [REPORTS, JUDGES, ONCE])
def test_a_failure_is_an_answer_and_not_tried_again(policy: Policy, failure: object) -> None:
    ran = (EventArrived(1.0, held(1)), RunEnded(2.0, 1, failure=failure))  # type: ignore[arg-type]  # parametrized
    assert PublishOutcome(1, failure, 1) in lived(policy, *ran)[1]  # type: ignore[arg-type]  # parametrized
    assert Settle(1, Settlement.ACK) in lived(policy, *ran, PublishConfirmed(3.0, 1))[1]


def test_answers_are_no_evidence_against_the_worker_and_no_error_of_the_pilot() -> None:
    stimuli = []
    for key in range(1, 6):
        stimuli += [
            EventArrived(key, held(key)),
            RunEnded(key + 0.1, key, failure=FAILED),
            PublishConfirmed(key + 0.2, key),
        ]
    state, _ = lived(JUDGES, *stimuli)
    assert (state.is_bad, state.fatal, state.n_failed) == (False, "", 5)
    _, instructions = lived(JUDGES, *stimuli, Tick(60.0))
    assert instructions == [*instructions[:-2], ChirpStatus(PilotStatus.DONE), LeaveProcess(0)]


def test_a_failure_of_the_runtime_is_tried_elsewhere_and_is_an_outcome_at_the_last_attempt() -> None:
    failure = container_not_started("task", "no apptainer")
    first = lived(REPORTS, EventArrived(1.0, held(1)), RunEnded(2.0, 1, failure=failure))[1]
    assert Settle(1, Settlement.REJECT) in first
    last = lived(REPORTS, EventArrived(1.0, held(1, attempt=5)), RunEnded(2.0, 1, failure=failure))[1]
    assert PublishOutcome(1, failure, 5) in last


#: As a TMS starts pilots of a job whose tasks must not run twice.
ONCE_JUDGES = with_policy(
    reports_outcomes=True, at_most_once=True, prefetch=1, stop_on_error=False, max_failures_in_a_row=3, quarantine_s=300
)
#: Apptainer's own exit status proves nothing: the task may have exited with it.
RUNTIME_FAILED = dataclasses.replace(container_failed("task", 255, "FATAL: no image"), by_runtime=True)
NEVER_RAN = container_not_started("task", "no apptainer")


def fail_each(policy: Policy, failure: Failure, n: int) -> tuple[PilotState, list[Instruction]]:
    """Return the state and all instructions if `n` events fail by `failure` one after the other."""
    state, said = begin_life(policy, 0.0)
    for key in range(1, n + 1):
        ended = RunEnded(key + 0.1, key, failure=failure)
        for stimulus in (EventArrived(key, held(key)), ended, PublishConfirmed(key + 0.2, key)):
            state, more = advance_life(state, stimulus)
            said = [*said, *more]
    return state, said


def test_a_failure_that_may_come_from_the_task_is_an_answer_if_the_task_runs_at_most_once() -> None:
    ran = (EventArrived(1.0, held(1)), RunEnded(2.0, 1, failure=RUNTIME_FAILED))
    for policy in (ONCE, ONCE_JUDGES):
        assert PublishOutcome(1, RUNTIME_FAILED, 1) in lived(policy, *ran)[1]


def test_an_event_whose_container_never_started_returns_uncounted_although_its_task_runs_at_most_once() -> None:
    ran = (EventArrived(1.0, held(1)), RunEnded(2.0, 1, failure=NEVER_RAN))
    assert Settle(1, Settlement.RETURN, NEVER_RAN) in lived(ONCE, *ran)[1]
    # A pilot that judges its worker keeps the event until it knows more, and then leaves it to other workers.
    state, instructions = lived(ONCE_JUDGES, *ran, Tick(13.0))
    assert Settle(1, Settlement.RETURN, NEVER_RAN) in instructions
    assert state.aside_until_s is not None
    # The third return is an answer: no worker can start it.
    again = (EventArrived(1.0, dataclasses.replace(held(1), n_returned=2)), RunEnded(2.0, 1, failure=NEVER_RAN))
    for policy in (ONCE, ONCE_JUDGES):
        assert PublishOutcome(1, NEVER_RAN, 1) in lived(policy, *again)[1]


@pytest.mark.parametrize("failure", [NEVER_RAN, RUNTIME_FAILED])
def test_a_worker_that_starts_no_container_is_bad_after_three_events_of_a_task_that_runs_at_most_once(
    failure: Failure,
) -> None:
    state, instructions = fail_each(ONCE_JUDGES, failure, 3)
    assert (state.is_bad, state.stage) == (True, Stage.QUARANTINED), instructions
    n_returned = sum(isinstance(each, Settle) and each.how is Settlement.RETURN for each in instructions)
    assert n_returned == (3 if failure.never_ran else 0)


def test_an_answer_of_the_task_shows_that_the_worker_starts_containers() -> None:
    state, _ = fail_each(ONCE_JUDGES, RUNTIME_FAILED, 2)
    assert len(state.failed_in_a_row) == 2
    stimuli = [EventArrived(1.0, held(1)), RunEnded(1.1, 1, failure=NEVER_RAN)]
    state, instructions = lived(ONCE_JUDGES, *stimuli, EventArrived(2.0, held(2)), RunEnded(3.0, 2, failure=FAILED))
    assert state.failed_in_a_row == ()
    assert Settle(1, Settlement.RETURN, NEVER_RAN) in instructions


def test_no_event_is_taken_that_would_be_killed_at_the_worst_if_its_task_runs_at_most_once() -> None:
    policy = dataclasses.replace(ONCE, runtime_s=100.0, ends_s=90.0, longest_run_s=30.0)
    assert Start(1) in lived(policy, EventArrived(59.0, held(1)))[1]
    assert lived(policy, Tick(61.0))[0].stage is Stage.OVER
    # A timeout longer than the worker's life leaves a tenth of the time for taking events.
    hopeless = dataclasses.replace(policy, longest_run_s=1000.0)
    assert Start(1) in lived(hopeless, EventArrived(8.0, held(1)))[1]
    assert lived(hopeless, Tick(9.5))[0].stage is Stage.OVER


def test_an_event_that_killed_its_workers_has_an_outcome() -> None:
    _, instructions = lived(REPORTS, EventArrived(1.0, held(1, attempt=7)))
    (outcome,) = (each for each in instructions if isinstance(each, PublishOutcome))
    assert outcome.failure.reason is DeadReason.KILLED_WORKERS


def test_an_event_that_a_lost_pilot_may_have_run_does_not_run_again() -> None:
    arrived = EventArrived(1.0, held(1, attempt=2))
    state, instructions = lived(ONCE, arrived)
    assert not state.running
    (outcome,) = (each for each in instructions if isinstance(each, PublishOutcome))
    assert (outcome.failure.type, outcome.attempt) == ("EventInDoubt", 2)
    assert Settle(1, Settlement.ACK) in lived(ONCE, arrived, PublishConfirmed(2.0, 1))[1]
    assert Start(1) in lived(REPORTS, arrived)[1], "a task that may run twice runs again"


def test_the_same_pilot_takes_its_own_run_over_instead_of_doubting_it() -> None:
    again = held(2, "e1", attempt=2)
    _, instructions = lived(
        ONCE, EventArrived(1.0, held(1, "e1")), SubscriptionLost(2.0, "q"), EventArrived(3.0, again)
    )
    assert instructions == [TakeOverDelivery(1, 2)]


def test_an_outcome_is_still_published_after_its_delivery_was_lost() -> None:
    ran = (EventArrived(1.0, held(1)), RunEnded(2.0, 1, failure=FAILED), SubscriptionLost(3.0, "q"))
    state, instructions = lived(ONCE, *ran)
    assert instructions == []
    assert 1 in state.settling


def test_a_killed_run_is_told_and_not_returned_if_the_task_runs_at_most_once() -> None:
    stop = (EventArrived(1.0, held(1)), StopAsked(2.0), Tick(30.0), RunEnded(30.1, 1, took_s=29.0, interrupted=True))
    (outcome,) = (each for each in lived(ONCE, *stop)[1] if isinstance(each, PublishOutcome))
    assert outcome.failure.type == "TaskStopped"
    assert Settle(1, Settlement.RETURN) in lived(REPORTS, *stop)[1], "a task that may run twice runs again elsewhere"


def test_an_outcome_without_a_confirm_at_the_end_counts_an_attempt() -> None:
    stop = (EventArrived(1.0, held(1)), RunEnded(2.0, 1), StopAsked(3.0), Tick(40.0))
    assert Settle(1, Settlement.REJECT) in lived(ONCE, *stop)[1]
    assert Settle(1, Settlement.RETURN) in lived(REPORTS, *stop)[1]


def test_a_run_that_cannot_be_killed_in_time_counts_an_attempt() -> None:
    stop = (EventArrived(1.0, held(1)), StopAsked(2.0), Tick(30.0), Tick(40.0))
    assert lived(ONCE, *stop)[1][:2] == [KillAll(), Settle(1, Settlement.REJECT)]


def test_a_full_queue_gets_the_outcome_again_and_a_refusal_for_good_ends_with_the_brokers_own_dead_letter() -> None:
    ran = (EventArrived(1.0, held(1)), RunEnded(2.0, 1, failure=FAILED))
    full = PublishRefused(3.0, 1, output_refused("full"), passing=True)
    assert lived(REPORTS, *ran, full)[1] == [PublishOutcome(1, FAILED, 1, 0.25)]
    gone = PublishRefused(3.0, 1, output_refused("gone"), passing=False)
    assert lived(REPORTS, *ran, gone)[1] == [Settle(1, Settlement.DISCARD)]


def test_an_output_that_the_broker_refuses_is_an_answer_too() -> None:
    refused = PublishRefused(3.0, 1, output_refused("too large"), passing=False)
    _, instructions = lived(REPORTS, EventArrived(1.0, held(1)), RunEnded(2.0, 1, has_output=True), refused)
    assert PublishOutcome(1, output_refused("too large"), 1) in instructions


def test_no_event_is_looked_ahead_for_if_the_task_runs_at_most_once() -> None:
    state, _ = begin_life(ONCE, 0.0)
    short = replace(state, pace=Pace(n=100, mean_s=0.001, short=True, per_slot=16))
    assert short.policy.prefetch == 1
    assert Listen(1) in begin_life(ONCE, 0.0)[1]
