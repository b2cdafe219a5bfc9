from dataclasses import replace
from typing import Any

import pytest

from ewms.workflows.progress import compute_progress
from ewms.workflows.view import describe_progress
from schemas.api.queues.profiles import QueueDepths
from schemas.api.workflows.health import FAILING
from schemas.explain.progress import EventsDone
from schemas.explain.worker_counts import WorkerCounts
from schemas.fleet.endings import Completion, Ending
from schemas.fleet.phases import Deactivated, Phase
from tests.unit.ewms.facts import WORKFLOW, change, depths, ending, facts, stall, state, taskforce


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
        "RUNNING": {"null": 1, "Tasking": 30, "AwaitingFirstMessage": 10},
        "HELD: Memory usage exceeds a memory limit": {"Tasking": 2},
        "COMPLETED": {"Done": 5},
        "REMOVED": {"null": 1},
    }
    assert WorkerCounts.from_statuses(statuses) == WorkerCounts(idle=3, running=41, taking=40, held=2, gone=6)


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


@pytest.mark.parametrize(
    ("lying", "how", "word"),
    [
        (depths(0, 40, arrived=40), ending(), "running"),
        (depths(0, 40, arrived=40), ending(is_closed=True), "running"),
        (depths(0, 39, arrived=40, dead=1, failed=1), ending(), "running"),
        (depths(1, 39, arrived=40), ending(), "waiting for workers"),
        (depths(40, arrived=40), ending(), "waiting for workers"),
        (depths(0, arrived=0), ending(), "waiting for workers"),
        (None, None, "waiting for workers"),
    ],
)
def test_a_run_whose_events_are_all_done_waits_for_no_workers_although_none_is_reported_yet(
    lying: QueueDepths | None, how: Ending | None, word: str
) -> None:
    seen = state(taskforce(statuses={"IDLE": {"null": 4}}))
    assert compute_progress([facts(0, seen, lying, ending=how)]).phase == word


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


@pytest.mark.parametrize(
    ("lying", "how", "ended", "said"),
    [
        (depths(0, 40, arrived=40), ending(), None, "every event so far is done; the inputs are open"),
        (depths(0, 38, arrived=40, dead=2, failed=2), ending(), None, "every event so far is done or a dead letter"),
        (depths(0, 39, in_work=1, arrived=40), ending(), None, None),
        (depths(1, 39, arrived=40), ending(), None, None),
        (depths(0, 0, arrived=40, dead=40, failed=40), ending(), None, None),
        (depths(0, 0, arrived=0), ending(), None, None),
        (depths(0, 40, arrived=40), ending(is_closed=True), None, None),
        (depths(0, 40, arrived=40), ending(), Deactivated.FINISHED, None),
        (depths(0, 40, arrived=40), None, None, None),
        (None, ending(), None, None),
    ],
)
def test_a_run_that_only_its_open_inputs_keep_going_says_what_ends_it(
    lying: QueueDepths | None, how: Ending | None, ended: Deactivated | None, said: str | None
) -> None:
    seen = compute_progress([facts(0, state(taskforce(), ended=ended), lying, ending=how)])
    assert (seen.next_step is not None) == (said is not None)
    if seen.next_step is not None and said is not None:
        assert seen.next_step.text.startswith(said)
        assert seen.next_step.command == f"ewms workflow close-inputs {WORKFLOW}"
        assert seen.next_step.command in describe_progress(seen)
        assert seen.next_step.command not in describe_progress(seen, seen), "a line repeats nothing"


def test_an_image_that_cannot_be_used_is_explained_by_the_logs() -> None:
    errors = {"ImageUnusable('no such image')": 2, "ValueError: bad pixel": 1}
    found = compute_progress([facts(0, state(taskforce(errors=errors)))]).problems
    assert [problem.command.split()[2] for problem in found] == ["logs", "errors"]


def test_what_failed_on_the_way_is_no_problem_of_a_run_that_is_done() -> None:
    over = state(taskforce(Phase.CONDOR_COMPLETE, errors={"ValueError: x": 7}), ended=Deactivated.FINISHED)
    done, failed = (
        compute_progress([facts(0, over, ending=ending(completion=completion))]).problems
        for completion in (Completion.DONE, Completion.DONE_WITH_FAILURES)
    )
    assert done == ()
    assert [problem.text for problem in failed] == ["7 worker(s): ValueError: x"]


def test_an_event_is_either_put_off_or_given_up() -> None:
    # The broker still counts an event as put off that MQS counts as dead already.
    late = depths(delayed=1, dead=4, arrived=40).model_copy(update={"n_failed": 4})
    texts = [problem.text for problem in compute_progress([facts(0, lying=late), facts(1, lying=late)]).problems]
    assert texts == ["1 event(s) failed and are put off until their next attempt", "4 event(s) given up: dead letters"]
    settled = late.queues[0].model_copy(update={"n_delayed": 0})
    before = late.model_copy(update={"queues": [settled, *late.queues[1:]]})
    texts = [problem.text for problem in compute_progress([facts(0, lying=before), facts(1, lying=late)]).problems]
    assert texts == ["4 event(s) given up: dead letters"]


def test_a_failed_attempt_that_was_made_good_is_no_problem() -> None:
    log = [change(Phase.CONDOR_SUBMIT, ok=False), change(Phase.CONDOR_SUBMIT)]
    assert compute_progress([facts(0, state(taskforce(log=log)))]).problems == ()


def test_a_stall_is_the_phase_and_the_first_problem_with_its_command() -> None:
    held = state(taskforce(statuses={"HELD: Out of memory": {"null": 4}, "RUNNING": {"Done": 1}}))
    seen = compute_progress([facts(0, replace(held, stall=stall()), depths(12))])
    assert seen.phase == "stalled"
    assert (seen.problems[0].text, seen.problems[0].command) == (
        "stalled: 12 event(s) are left, and no worker comes: 4 worker(s) held: Out of memory",
        "ewms taskforce show TF-1",
    )
    ended = state(taskforce(Phase.CONDOR_RM), ended=Deactivated.FINISHED)
    assert compute_progress([facts(0, replace(ended, stall=stall()))]).phase == "ending"


FAILED = depths(dead=3, arrived=3).model_copy(update={"n_failed": 3})


def _count(n_gone: int = 3, *, n_ready: int = 0, n_results: int = 0, **more: Any) -> QueueDepths:
    """Return the depths of a run of three events."""
    taken, made = FAILED.queues
    return FAILED.model_copy(
        update={
            "queues": [
                taken.model_copy(update={"n_gone": n_gone, "n_ready": n_ready}),
                made.model_copy(update={"n_arrived": n_results}),
            ],
            **more,
        }
    )


@pytest.mark.parametrize(
    ("lying", "phase"),
    [
        (_count(), "all failed"),
        (_count(n_dead=0), "all failed"),  # discarded
        (_count(n_gone=2, n_ready=1), "running"),
        (_count(n_failed=2, n_dead=2), "running"),
        # One event made a result, and something else that failed.
        (_count(n_results=1), "running"),
        (depths(arrived=0), "running"),
    ],
)
def test_a_run_whose_every_event_has_failed_is_called_that(lying: QueueDepths, phase: str) -> None:
    running = state(taskforce(statuses={"RUNNING": {"Tasking": 4}}))
    # What WMS found some seconds ago is over: no event waits any more.
    bad = stall("all-bad", "the task fails on every worker")
    for seen in (running, replace(running, stall=bad)) if phase == "all failed" else (running,):
        progress = compute_progress([facts(0, seen, lying, ending=ending())])
        assert progress.phase == phase
        assert ("every event has failed" in " ".join(problem.text for problem in progress.problems)) == (
            phase == "all failed"
        )
    if phase == "all failed":
        (problem,) = progress.problems
        assert problem.command == f"ewms {'dlq list' if lying.n_dead else 'workflow close-inputs'} {WORKFLOW}"
        assert f"ewms workflow close-inputs {WORKFLOW}" in f"{problem.text} {problem.command}"
        closed = compute_progress([facts(0, running, lying, ending=ending(is_closed=True))])
        assert closed.problems[0].text.endswith("so the run ends by itself now")
        over = state(taskforce(Phase.CONDOR_RM), ended=Deactivated.FINISHED)
        assert compute_progress([facts(0, over, lying)]).phase == "ending"


def test_a_stall_whose_events_have_left_their_queue_since_is_not_told() -> None:
    running = state(taskforce(statuses={"RUNNING": {"Tasking": 4}}))
    seen = replace(running, stall=stall())
    assert compute_progress([facts(0, seen, depths(12))]).phase == "stalled"
    assert compute_progress([facts(0, seen, depths(0))]).phase == "running"
    assert compute_progress([facts(0, seen)]).phase == "stalled"
    away = stall("broker-away").model_copy()
    cause = away.causes[0].model_copy(update={"task_id": "", "n_events": 0})
    seen = replace(running, stall=away.model_copy(update={"causes": [cause]}))
    assert compute_progress([facts(0, seen, depths(0))]).phase == "stalled"


def test_a_run_whose_events_move_on_and_fail_is_called_failing() -> None:
    failing = stall(FAILING)
    seen = replace(state(taskforce(statuses={"RUNNING": {"Tasking": 4}})), stall=failing)
    progress = compute_progress([facts(0, seen, depths(12))])
    assert progress.phase == "failing"
    assert progress.problems[0].text == failing.causes[0].text


_PAUSE = "HELD: The pilot {}; it starts again after a pause"


@pytest.mark.parametrize(
    ("job", "errors", "command"),
    [
        (_PAUSE.format("was killed by SIGKILL (most often out of memory)"), {}, f"ewms task logs {WORKFLOW}"),
        (_PAUSE.format("was killed by SIGSEGV"), {"ValueError: x": 1}, f"ewms task logs {WORKFLOW}"),
        (_PAUSE.format("ended early"), {"ValueError: x": 1}, f"ewms task errors {WORKFLOW}"),
        (_PAUSE.format("ended early"), {}, f"ewms task logs {WORKFLOW}"),
        ("HELD: Disk usage exceeds a disk limit", {}, "ewms taskforce show TF-6b00e09f-926a610b-485d2fc0-00000001"),
    ],
)
def test_a_held_worker_is_told_with_the_command_that_explains_it(
    job: str, errors: dict[str, int], command: str
) -> None:
    seen = state(taskforce(statuses={job: {"null": 1}}, errors=errors))
    problem = compute_progress([facts(0, seen)]).problems[0]
    assert (problem.text, problem.command) == (f"1 worker(s) held: {job[6:]}", command)
