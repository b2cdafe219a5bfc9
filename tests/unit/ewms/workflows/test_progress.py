from dataclasses import replace

import pytest

from ewms.workflows.progress import Problem, WorkerCounts, compute_progress
from schemas.phases import Deactivated, Phase
from schemas.progress import EventsDone
from tests.unit.ewms.facts import change, depths, ending, facts, stall, state, taskforce


def test_rates_come_from_the_last_seconds_only() -> None:
    history = [facts(0, n_received=0), facts(100, n_received=1000), facts(105, n_received=1010)]
    assert compute_progress(history).received_per_s == pytest.approx(2.0)


def test_one_look_tells_no_rate() -> None:
    seen = compute_progress([facts(0, lying=depths(5), n_received=3, n_expected=10)])
    assert (seen.received_per_s, seen.eta_s, seen.queue_per_s, seen.done) == (
        None,
        None,
        {},
        EventsDone(3, 10, is_whole=True),
    )


def test_the_estimate_is_what_is_left_over_the_rate() -> None:
    history = [facts(0, n_received=0, n_expected=100), facts(10, n_received=20, n_expected=100)]
    assert compute_progress(history).eta_s == pytest.approx(40.0)


def test_a_standstill_promises_no_end() -> None:
    history = [facts(0, n_received=20, n_expected=100), facts(9, n_received=20, n_expected=100)]
    assert compute_progress(history).eta_s is None


def test_a_watcher_from_outside_counts_the_work_left_in_the_tasks_inputs() -> None:
    history = [
        facts(0, lying=depths(80, 0, in_work=20, arrived=100), ending=ending(is_closed=True)),
        facts(5, lying=depths(35, 50, in_work=10, delayed=5, arrived=100), ending=ending(is_closed=True)),
    ]
    seen = compute_progress(history)
    assert seen.done == EventsDone(50, 100, is_whole=True)
    assert seen.eta_s == pytest.approx(5.0)
    assert seen.queue_per_s == pytest.approx({"photons": -10.0, "results": 10.0})


def test_one_look_from_outside_tells_what_was_done_before_it() -> None:
    assert compute_progress([facts(0, lying=depths(80, arrived=300))]).done == EventsDone(220, 300, is_whole=False)


def test_queues_that_are_not_counted_tell_nothing_of_what_was_done() -> None:
    assert compute_progress([facts(0, lying=depths(80))]).done is None


def test_workers_are_counted_by_what_a_watcher_distinguishes() -> None:
    statuses = {
        "IDLE": {"null": 3},
        "RUNNING": {"null": 1, "Tasking": 40},
        "HELD: Memory usage exceeds a memory limit": {"Tasking": 2},
        "COMPLETED": {"Done": 5},
        "REMOVED": {"null": 1},
    }
    assert WorkerCounts.from_statuses(statuses) == WorkerCounts(idle=3, running=41, tasking=40, held=2, gone=6)


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (state(taskforce(Phase.PRE_LAUNCH)), "starting"),
        (state(taskforce(statuses={"IDLE": {"null": 4}})), "waiting for workers"),
        (state(taskforce(statuses={"RUNNING": {"null": 4}})), "running"),
        (state(taskforce(Phase.CONDOR_RM), ended=Deactivated.FINISHED), "ending"),
        (state(taskforce(Phase.CONDOR_COMPLETE), ended=Deactivated.FINISHED), "finished"),
    ],
)
def test_one_word_says_how_it_stands(seen: object, word: str) -> None:
    assert compute_progress([facts(0, seen)]).phase == word  # type: ignore[arg-type]  # parametrize erases the type


def test_every_problem_comes_with_the_next_command() -> None:
    stuck = taskforce(
        Phase.PENDING_STARTER,
        {"HELD: Disk quota": {"null": 2}},
        log=[change(Phase.CONDOR_SUBMIT, ok=False, context="schedd away")],
        errors={"ValueError: bad pixel": 7},
    )
    found = compute_progress([facts(0, state(stuck), depths(delayed=3, dead=4))]).problems
    texts = " | ".join(problem.text for problem in found)
    for words in (
        "2 worker(s) held: Disk quota",
        "schedd away",
        "3 event(s) failed",
        "4 event(s) given up",
        "7 worker(s): ValueError",
    ):
        assert words in texts
    assert all(problem.command.startswith("ewms ") for problem in found)


def test_an_image_that_cannot_be_used_is_explained_by_the_logs() -> None:
    errors = {"ImageUnusable('no such image')": 2, "ValueError: bad pixel": 1}
    found = compute_progress([facts(0, state(taskforce(errors=errors)))]).problems
    assert [problem.command.split()[2] for problem in found] == ["logs", "errors"]


def test_a_failed_attempt_that_was_made_good_is_no_problem() -> None:
    log = [change(Phase.CONDOR_SUBMIT, ok=False), change(Phase.CONDOR_SUBMIT)]
    assert compute_progress([facts(0, state(taskforce(log=log)))]).problems == ()


def test_a_stall_is_the_phase_and_the_first_problem_with_its_command() -> None:
    held = state(taskforce(statuses={"HELD: Out of memory": {"null": 4}, "RUNNING": {"Done": 1}}))
    seen = compute_progress([facts(0, replace(held, stall=stall()), depths(12))])
    assert seen.phase == "stalled"
    assert seen.problems[0] == Problem(
        "stalled: 12 event(s) wait, and no worker comes: 4 worker(s) held: Out of memory",
        "ewms taskforce show TF-1",
    )
    ended = state(taskforce(Phase.CONDOR_RM), ended=Deactivated.FINISHED)
    assert compute_progress([facts(0, replace(ended, stall=stall()))]).phase == "ending"
