"""Progress is computed: never a step back, never more than the whole, all of it just when all is done."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewms.workflows.events_done import Counted, Done, count_done, seconds_left, so_far, task_levels
from ewms.workflows.state import State
from schemas.api import QueueDepth, QueueDepths
from schemas.endings import Ending
from schemas.objects import TaskDirective
from tests.unit.ewms.facts import WORKFLOW, ending, state, taskforce

CLOSED = ending(is_closed=True)


def run(*tasks: tuple[list[str], list[str]]) -> State:
    """Return a workflow whose tasks have these input and output queues."""
    one = state(taskforce())
    first = one.task_directives[0]
    directives = [
        TaskDirective.model_validate({**first.model_dump(), "input_queues": inputs, "output_queues": outputs})
        for inputs, outputs in tasks
    ]
    return replace(one, task_directives=directives)


CHAIN = run((["a"], ["b"]), (["b"], ["c"]))


def seen(**queues: tuple[int, int]) -> QueueDepths:
    """Return queues by name: how many events came, and how many are still in it."""
    return QueueDepths(
        workflow_id=WORKFLOW,
        queues=[
            QueueDepth(
                mqid=mqid,
                alias=mqid,
                is_public=mqid != "b",
                n_ready=n,
                n_unacknowledged=0,
                n_consumers=1,
                n_arrived=come,
            )
            for mqid, (come, n) in queues.items()
        ],
        n_dead=0,
    )


def done(workflow: State, end: Ending | None = None, **queues: tuple[int, int]) -> Done | None:
    return count_done(workflow, seen(**queues), end, task_levels(workflow))


def test_an_event_is_done_when_the_last_task_has_let_it_go() -> None:
    assert done(CHAIN, CLOSED, a=(300, 0), b=(300, 180), c=(120, 120)) == Done(120, 300, is_whole=True)
    assert done(CHAIN, CLOSED, a=(300, 300), b=(0, 0), c=(0, 0)) == Done(0, 300, is_whole=True)
    assert done(CHAIN, CLOSED, a=(300, 0), b=(300, 0), c=(300, 300)) == Done(300, 300, is_whole=True)


def test_while_inputs_are_open_what_came_is_no_whole() -> None:
    assert done(CHAIN, a=(300, 100), b=(200, 0)) == Done(200, 300, is_whole=False)


def test_many_events_of_one_count_in_proportion() -> None:
    # Each of 10 events made 50, and half of those are left.
    assert done(CHAIN, CLOSED, a=(10, 0), b=(500, 250)) == Done(5, 10, is_whole=True)
    # A filter that let nothing pass.
    assert done(CHAIN, CLOSED, a=(10, 0), b=(0, 0)) == Done(10, 10, is_whole=True)


def test_expected_results_are_the_whole() -> None:
    expected = ending(n_expected=50)
    assert done(CHAIN, expected, a=(900, 800), b=(100, 60), c=(40, 0)) == Done(40, 50, is_whole=True)
    assert done(CHAIN, expected, a=(900, 800), b=(100, 0), c=(51, 0)) == Done(50, 50, is_whole=True)


def test_where_tasks_make_events_by_themselves_nothing_is_the_whole() -> None:
    assert task_levels(run(([], ["b"]), (["b"], ["c"]))) == []
    assert task_levels(run((["a"], ["a"]))) == []
    assert task_levels(run((["a", "c"], ["b"]), (["b"], ["c"]))) == [frozenset("a"), frozenset("bc")]


@given(
    n=st.integers(1, 20),
    moves=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5), st.booleans()), max_size=30),
)
def test_progress_never_steps_back_and_never_passes_the_whole(n: int, moves: list[tuple[str, int, bool]]) -> None:
    left, come = {"a": n, "b": 0, "c": 0}, {"a": n, "b": 0, "c": 0}
    told = {mqid: (come[mqid], left[mqid]) for mqid in left}
    counted: list[Counted] = []
    before: Done | None = None
    for at_s, (mqid, n_moved, is_late) in enumerate(moves):
        n_moved = min(n_moved, left[mqid])
        left[mqid] -= n_moved
        after = "b" if mqid == "a" else "c"
        left[after] += n_moved
        come[after] += n_moved
        # A queue may tell late what is in it.
        told |= {name: (come[name], left[name]) for name in left if not (is_late and name == mqid)}
        if (one := done(CHAIN, CLOSED, **told)) is not None:
            counted.append(Counted(at_s, one))
        shown = so_far(counted)
        assert shown is not None
        assert 0 <= shown.n_done <= shown.n_all == n
        assert before is None or shown.n_done >= before.n_done
        before = shown
    end = done(CHAIN, CLOSED, a=(n, 0), b=(n, 0), c=(n, n))
    assert end == Done(n, n, is_whole=True)


def test_the_estimate_is_what_is_left_at_the_pace_of_the_last_minute() -> None:
    counted = [Counted(at, Done(n, 100, is_whole=True)) for at, n in ((0, 0), (1000, 10), (1030, 40), (1060, 70))]
    assert seconds_left(counted) == pytest.approx(30.0)


def test_tasks_that_take_longer_than_a_minute_have_an_estimate_too() -> None:
    counted = [Counted(at, Done(n, 10, is_whole=True)) for at, n in ((0, 0), (300, 5), (500, 5))]
    assert seconds_left(counted) == pytest.approx(500.0)


def test_no_end_is_promised_while_more_may_come_or_nothing_is_done() -> None:
    assert seconds_left([Counted(0, Done(0, 10, is_whole=False)), Counted(9, Done(5, 10, is_whole=False))]) is None
    assert seconds_left([Counted(0, Done(5, 10, is_whole=True)), Counted(9, Done(5, 10, is_whole=True))]) is None
    assert seconds_left([]) is None
