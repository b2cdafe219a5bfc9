from ewms.cli.text.fleet.watch import LINE_EVERY_S, is_worth_a_line
from ewms.workflows.progress import Progress, compute_progress
from schemas.fleet.phases import Phase
from tests.unit.ewms.facts import depths, facts, state, taskforce


def seen(at_s: float, n_in: int = 5, *, phase: Phase = Phase.CONDOR_SUBMIT, dead: int = 0) -> Progress:
    return compute_progress([facts(at_s, state(taskforce(phase)), depths(n_in, dead=dead))])


def test_another_phase_and_a_new_problem_are_told_at_once() -> None:
    assert is_worth_a_line(seen(0, phase=Phase.PENDING_STARTER), seen(0.1))
    assert is_worth_a_line(seen(0), seen(0.1, dead=1))


def test_other_numbers_are_told_now_and_then_and_the_same_ones_never() -> None:
    assert not is_worth_a_line(seen(0, 5), seen(LINE_EVERY_S / 2, 4))
    assert is_worth_a_line(seen(0, 5), seen(LINE_EVERY_S, 4))
    assert not is_worth_a_line(seen(0, 5), seen(100 * LINE_EVERY_S, 5))


def test_the_same_line_never_comes_twice() -> None:
    # Numbers that the line does not show may change: what a pilot does that takes no events yet.
    first = compute_progress([facts(0, state(taskforce(statuses={"RUNNING": {"null": 1}})), depths(5))])
    later = compute_progress([facts(60, state(taskforce(statuses={"RUNNING": {"Started": 1}})), depths(5))])
    assert not is_worth_a_line(first, later)
