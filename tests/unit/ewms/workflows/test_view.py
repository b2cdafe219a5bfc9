from dataclasses import replace
from io import StringIO

from rich.console import Console

from ewms.workflows.progress import Observation, compute_progress
from ewms.workflows.view import format_clock, format_progress, render_progress
from schemas.explain.progress import EventsDone
from schemas.fleet.endings import Completion
from schemas.fleet.phases import Deactivated, Phase
from tests.unit.ewms.facts import depths, ending, facts, state, taskforce


def shown(*history: Observation) -> str:
    out = StringIO()
    Console(file=out, width=120).print(render_progress(compute_progress(history)))
    return out.getvalue()


RUNNING = state(
    taskforce(statuses={"RUNNING": {"Tasking": 3, "null": 1}}),
    taskforce(Phase.PENDING_STARTER, {"HELD: no [disk]": {"null": 2}}, number=2),
)


def test_the_view_shows_phases_workers_queues_rates_progress_and_problems() -> None:
    text = shown(
        facts(0, RUNNING, depths(90, 0, in_work=10), n_sent=100, n_received=0, n_expected=100),
        facts(5, RUNNING, depths(40, 10, in_work=10, dead=1), n_sent=100, n_received=50, n_expected=100),
    )
    for words in (
        "WF-6b00e09f-926a610b",
        "condor-submit",
        "pending-starter",
        "photons → results",
        "-10.0",
        "returned 50 (10.0/s)",
        "50 of 100 events returned",
        "50 %",
        "about 00:05 left",
        "2 worker(s) held: no [disk]",
        "ewms taskforce show TF-6b00e09f-926a610b-485d2fc0-00000002",
        "dead letters",
    ):
        assert words in text


def test_a_user_s_text_is_never_taken_for_markup() -> None:
    odd = Observation(0.0, state(taskforce(errors={"[bold]x[/nope]": 1})), title="[red]t[/nope]")
    text = shown(odd)
    assert "[bold]x[/nope]" in text
    assert "[red]t[/nope]" in text


def test_a_workflow_of_which_little_is_known_can_be_shown() -> None:
    assert "starting" in shown(facts(0, state(taskforce(Phase.PRE_MQ_ACTIVATION))))


def test_one_line_says_the_same() -> None:
    text = format_progress(compute_progress([facts(0, RUNNING, depths(4, 1, in_work=2), n_received=5, n_expected=10)]))
    for words in (
        "taskforces 1 pending-starter, 1 condor-submit",
        "4 running (3 take events)",
        "2 held",
        "queues up to 6 s ago: photons 4 waiting, 2 in work; ",
        "; 0 dead letters",
        "5 of 10 events returned",
    ):
        assert words in text
    assert "\n" not in text


def test_a_line_does_not_repeat_the_problems_of_the_line_before() -> None:
    held, both = (
        compute_progress([facts(n, state(taskforce(statuses={"HELD: no disk": {"null": 1}})), depths(dead=n_dead))])
        for n, n_dead in ((0, 0), (1, 1))
    )
    assert "! 1 worker(s) held: no disk -> ewms taskforce show" in format_progress(held)
    line = format_progress(both, held)
    assert "no disk" not in line
    assert "! 1 event(s) given up: dead letters -> ewms dlq list" in line
    assert line.endswith("! 1 problem(s) as before")


def test_clocks() -> None:
    assert [format_clock(s) for s in (0, 59.6, 3725)] == ["00:00", "01:00", "1:02:05"]


def test_how_a_run_is_to_end_stands_in_its_headline() -> None:
    assert "inputs closed" in shown(facts(0, ending=ending(is_closed=True)))
    assert "ends with 50 result(s)" in shown(facts(0, ending=ending(n_expected=50)))


def test_a_share_is_told_only_of_a_whole() -> None:
    open_ = shown(facts(0, lying=depths(80, arrived=300)))
    assert "220 of 300 events done so far" in open_
    assert "%" not in open_
    closed = shown(facts(0, lying=depths(80, arrived=300), ending=ending(is_closed=True)))
    assert "220 of 300 events done" in closed
    assert "73 %" in closed


def test_failures_have_their_own_number_and_what_is_over_has_no_rate() -> None:
    failed = depths(0, arrived=30).model_copy(update={"n_dead": 3, "n_failed": 3})
    lines = shown(facts(0, lying=failed, ending=ending(is_closed=True)))
    assert "27 of 30 events done, 3 failed" in lines
    assert "takers" not in lines
    end = ending(is_closed=True, completion=Completion.DONE_WITH_FAILURES).model_copy(
        update={"reason": "27 of 30 expected results"}
    )
    over = state(taskforce(Phase.CONDOR_COMPLETE), ended=Deactivated.FINISHED)
    history = [facts(at, over, depths(0, n, arrived=30), ending=end) for at, n in ((0, 9), (5, 3))]
    text = shown(*history)
    assert "done with failures: 27 of 30 expected results" in text
    assert "change/s" not in text
    assert compute_progress(history).queue_per_s == {}


def test_workers_that_stand_together_add_up() -> None:
    two = state(taskforce(statuses={"RUNNING": {"Tasking": 1}, "HELD: disk": {"null": 1}}))
    assert "1 running (1 take events), 1 held" in shown(facts(0, two))


def test_failed_events_that_do_not_add_up_are_named_as_what_they_are() -> None:
    whole = compute_progress([facts(0, RUNNING)])
    adds_up = replace(whole, done=EventsDone(36, 40, is_whole=True, n_failed=4))
    assert "36 of 40 events done, 4 failed  " in format_progress(adds_up) + "  "
    made = replace(whole, done=EventsDone(8, 10, is_whole=True, n_failed=20))
    assert "8 of 10 events done, 20 failed (with those made of them)" in format_progress(made)
