"""Progress is computed: never a step back, never more than the whole, all of it just when all is done."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewms.workflows.events_done import DatedCount, latest_done, seconds_left
from schemas.api.queues.profiles import QueueDepth, QueueDepths
from schemas.explain.progress import EventsDone, count_done, task_levels
from schemas.fleet.endings import Ending
from schemas.fleet.objects import TaskDirective
from tests.unit.ewms.facts import WORKFLOW, ending, state, taskforce

CLOSED = ending(is_closed=True)


def run(*tasks: tuple[list[str], list[str]]) -> list[TaskDirective]:
    """Return tasks that have these input and output queues."""
    first = state(taskforce()).task_directives[0]
    return [
        TaskDirective.model_validate({**first.model_dump(), "input_queues": inputs, "output_queues": outputs})
        for inputs, outputs in tasks
    ]


CHAIN = run((["a"], ["b"]), (["b"], ["c"]))


def seen(n_failed: int = 0, n_replayed: int = 0, **queues: tuple[int, int]) -> QueueDepths:
    """Return queues by name: how many events came, and how many are still in it. Replays came into the first."""
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
                n_replayed=n_replayed if mqid == "a" else 0,
            )
            for mqid, (come, n) in queues.items()
        ],
        n_dead=n_failed,
        n_failed=n_failed,
    )


def done(
    tasks: list[TaskDirective],
    end: Ending | None = None,
    *,
    n_failed: int = 0,
    n_replayed: int = 0,
    **queues: tuple[int, int],
) -> EventsDone | None:
    return count_done(tasks, seen(n_failed, n_replayed, **queues), end, is_ended=False)


def test_an_event_is_done_when_the_last_task_has_let_it_go() -> None:
    assert done(CHAIN, CLOSED, a=(300, 0), b=(300, 180), c=(120, 120)) == EventsDone(120, 300, is_whole=True)
    assert done(CHAIN, CLOSED, a=(300, 300), b=(0, 0), c=(0, 0)) == EventsDone(0, 300, is_whole=True)
    assert done(CHAIN, CLOSED, a=(300, 0), b=(300, 0), c=(300, 300)) == EventsDone(300, 300, is_whole=True)


def test_while_inputs_are_open_what_came_is_no_whole() -> None:
    assert done(CHAIN, a=(300, 100), b=(200, 0)) == EventsDone(200, 300, is_whole=False)


ONE = run((["a"], ["c"]))


@pytest.mark.parametrize(
    ("tasks", "n_failed", "queues", "told"),
    [
        # Results are counted at once, and the events before the task at the broker's next report.
        (ONE, 0, {"a": (15, 15), "c": (36, 36)}, (36, 36)),
        (ONE, 0, {"a": (40, 40), "c": (36, 36)}, (36, 40)),
        (ONE, 2, {"a": (15, 15), "c": (36, 36)}, (36, 38)),
        # A killed broker has lost three acknowledgements, so these events come again: their results are there.
        (ONE, 0, {"a": (40, 3), "c": (40, 40)}, (40, 40)),
        (CHAIN, 0, {"a": (15, 15), "b": (40, 10), "c": (30, 30)}, (30, 40)),
        (CHAIN, 0, {"a": (0, 0), "b": (0, 0), "c": (1, 1)}, (1, 1)),
        # A task with two outputs gives one event to each.
        (run((["a"], ["c", "d"])), 0, {"a": (15, 15), "c": (36, 36), "d": (35, 35)}, (36, 36)),
        # Two tasks at their own queues: each result may come from either.
        (run((["a"], ["c"]), (["e"], ["c"])), 0, {"a": (15, 15), "e": (5, 5), "c": (36, 36)}, (0, 20)),
    ],
)
def test_no_total_so_far_is_less_than_the_results_and_failures_show(
    tasks: list[TaskDirective], n_failed: int, queues: dict[str, tuple[int, int]], told: tuple[int, int]
) -> None:
    counted = done(tasks, n_failed=n_failed, **queues)
    assert counted == EventsDone(*told, is_whole=False, n_failed=n_failed)


def test_a_repeated_result_adds_nothing_to_a_total_that_is_whole() -> None:
    assert done(ONE, CLOSED, a=(300, 0), c=(301, 301)) == EventsDone(300, 300, is_whole=True)


def test_what_users_publish_onto_a_queue_within_a_chain_says_nothing_about_its_first_queue() -> None:
    lying = seen(a=(15, 15), b=(40, 0), c=(40, 40))
    public = lying.queues[1].model_copy(update={"is_public": True})
    counted = count_done(
        CHAIN,
        lying.model_copy(update={"queues": [lying.queues[0], public, lying.queues[2]]}),
        None,
        is_ended=False,
    )
    assert counted == EventsDone(0, 15, is_whole=False)


@given(
    n=st.integers(0, 30),
    shares=st.lists(st.integers(0, 100), min_size=4, max_size=4),
    n_tasks=st.integers(1, 3),
    late=st.lists(st.integers(0, 100), min_size=8, max_size=8),
)
def test_late_counts_make_no_total_that_is_below_what_is_known_or_above_the_truth(
    n: int, shares: list[int], n_tasks: int, late: list[int]
) -> None:
    names = ["a", "b", "d", "e"][:n_tasks]
    tasks = run(*zip([[name] for name in names], [*[[name] for name in names[1:]], ["c"]], strict=True))
    # What is true: so many events came into each queue of the chain, and as results; the rest of the first have failed.
    come = [n]
    for share in shares[:n_tasks]:
        come.append(come[-1] * share // 100)
    n_failed, n_results = (n - come[1]) * late[7] // 100, come[-1]
    # What is seen: the broker has counted only a part of what came, and of what has gone.
    told = {name: come[k] * late[k] // 100 for k, name in enumerate(names)}
    left = {name: told[name] * late[k + 4] // 100 for k, name in enumerate(names[:3])}
    queues = {name: (told[name], left[name]) for name in names} | {"c": (n_results, n_results)}
    lying = seen(n_failed, **queues)
    private = [queue.model_copy(update={"is_public": queue.mqid in "ac"}) for queue in lying.queues]
    counted = count_done(tasks, lying.model_copy(update={"queues": private}), None, is_ended=False)
    assert counted is not None
    assert n_results + n_failed <= counted.n_all <= n
    assert n_results <= counted.n_done
    assert counted.n_done + n_failed <= counted.n_all or counted.n_done == n_results
    assert counted.n_all >= told["a"]


def test_many_events_of_one_count_in_proportion() -> None:
    # Each of 10 events made 50, and half of those are left.
    assert done(CHAIN, CLOSED, a=(10, 0), b=(500, 250)) == EventsDone(5, 10, is_whole=True)
    # A filter that let nothing pass.
    assert done(CHAIN, CLOSED, a=(10, 0), b=(0, 0)) == EventsDone(10, 10, is_whole=True)


def test_expected_results_are_the_whole() -> None:
    expected = ending(n_expected=50)
    assert done(CHAIN, expected, a=(900, 800), b=(100, 60), c=(40, 0)) == EventsDone(40, 50, is_whole=True)
    assert done(CHAIN, expected, a=(900, 800), b=(100, 0), c=(51, 0)) == EventsDone(50, 50, is_whole=True)


@pytest.mark.parametrize(
    ("n_failed", "n_replayed", "queues", "told"),
    [
        # 3 of 30 fail in the first task.
        (3, 0, {"a": (30, 0), "b": (27, 0), "c": (27, 27)}, EventsDone(27, 30, is_whole=True, n_failed=3)),
        # They fail in the second.
        (3, 0, {"a": (30, 0), "b": (30, 0), "c": (27, 27)}, EventsDone(27, 30, is_whole=True, n_failed=3)),
        # They are on their way back, and have been done again.
        (0, 3, {"a": (33, 3), "b": (27, 0), "c": (27, 27)}, EventsDone(27, 30, is_whole=True)),
        (0, 3, {"a": (33, 0), "b": (30, 0), "c": (30, 30)}, EventsDone(30, 30, is_whole=True)),
        # 50 replays of 500 events.
        (0, 50, {"a": (550, 0), "b": (500, 0), "c": (500, 0)}, EventsDone(500, 500, is_whole=True)),
        # The same one fails again and again.
        (1, 4, {"a": (34, 0), "b": (29, 0), "c": (29, 0)}, EventsDone(29, 30, is_whole=True, n_failed=1)),
        # Each event makes ten, and 20 of these 100 fail.
        (20, 0, {"a": (10, 0), "b": (100, 0), "c": (80, 0)}, EventsDone(8, 10, is_whole=True, n_failed=20)),
        # A dead letter is told before its event is gone.
        (1, 0, {"a": (1, 1), "b": (0, 0), "c": (0, 0)}, EventsDone(0, 1, is_whole=True, n_failed=1)),
    ],
)
def test_what_failed_is_not_done_and_what_is_replayed_came_once(
    n_failed: int, n_replayed: int, queues: dict[str, tuple[int, int]], told: EventsDone
) -> None:
    assert done(CHAIN, CLOSED, n_failed=n_failed, n_replayed=n_replayed, **queues) == told


def test_a_dead_letter_is_no_expected_result() -> None:
    queues = {"a": (30, 0), "b": (27, 0), "c": (27, 0)}
    assert done(CHAIN, ending(n_expected=30), n_failed=3, **queues) == EventsDone(27, 30, is_whole=True, n_failed=3)
    # Once it has ended, what had arrived then is what counts.
    ended = ending(n_expected=30).model_copy(update={"n_results": 28})
    assert done(CHAIN, ended, **queues) == EventsDone(28, 30, is_whole=True)


def test_of_queues_that_went_with_their_events_nothing_is_told() -> None:
    lying = seen(a=(30, 0), b=(3, 0), c=(3, 3))
    gone = lying.queues[1].model_copy(update={"n_arrived": None})
    lost = lying.model_copy(update={"queues": [lying.queues[0], gone, lying.queues[2]]})
    assert count_done(CHAIN, lost, None, is_ended=True) is None


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
    counted: list[DatedCount] = []
    before: EventsDone | None = None
    for at_s, (mqid, n_moved, is_late) in enumerate(moves):
        n_moved = min(n_moved, left[mqid])
        left[mqid] -= n_moved
        after = "b" if mqid == "a" else "c"
        left[after] += n_moved
        come[after] += n_moved
        # A queue may tell late what is in it.
        told |= {name: (come[name], left[name]) for name in left if not (is_late and name == mqid)}
        if (one := done(CHAIN, CLOSED, **told)) is not None:
            counted.append(DatedCount(at_s, one))
        shown = latest_done(counted)
        assert shown is not None
        assert 0 <= shown.n_done <= shown.n_all == n
        assert before is None or shown.n_done >= before.n_done
        before = shown
    end = done(CHAIN, CLOSED, a=(n, 0), b=(n, 0), c=(n, n))
    assert end == EventsDone(n, n, is_whole=True)


@given(
    n=st.integers(1, 12),
    moves=st.lists(
        st.tuples(st.sampled_from(["a", "b", "a fails", "b fails", "replay"]), st.integers(1, 4)), max_size=40
    ),
)
def test_failures_and_replays_neither_pass_the_whole_nor_step_back(n: int, moves: list[tuple[str, int]]) -> None:
    left, come, back = {"a": n, "b": 0}, {"a": n, "b": 0}, {"a": 0, "b": 0}
    dead = {"a": 0, "b": 0}
    n_results = 0
    counted: list[DatedCount] = []

    def lying() -> QueueDepths:
        found = seen(sum(dead.values()), a=(come["a"], left["a"]), b=(come["b"], left["b"]), c=(n_results, n_results))
        queues = [queue.model_copy(update={"n_replayed": back.get(queue.mqid, 0)}) for queue in found.queues]
        return found.model_copy(update={"queues": queues})

    def move(what: str, n_moved: int) -> None:
        nonlocal n_results
        match what.split():
            case ["replay"]:
                for mqid, n_dead in dead.items():
                    n_back = min(n_moved, n_dead)
                    dead[mqid] -= n_back
                    for counts in (left, come, back):
                        counts[mqid] += n_back
            case [mqid, "fails"]:
                n_moved = min(n_moved, left[mqid])
                left[mqid] -= n_moved
                dead[mqid] += n_moved
            case [mqid]:
                n_moved = min(n_moved, left[mqid])
                left[mqid] -= n_moved
                if mqid == "a":
                    left["b"] += n_moved
                    come["b"] += n_moved
                else:
                    n_results += n_moved

    def look() -> EventsDone:
        now = count_done(CHAIN, lying(), CLOSED, is_ended=False)
        assert now is not None
        assert now.n_done <= n_results, "no event is called done before it is"
        counted.append(DatedCount(len(counted), now))
        shown = latest_done(counted)
        assert shown is not None
        return shown

    before = look()
    for what, n_moved in moves:
        move(what, n_moved)
        shown = look()
        assert before.n_done <= shown.n_done <= shown.n_all == n
        before = shown
    for mqid in "ab":
        move(mqid, n)
    assert look() == EventsDone(n_results, n, is_whole=True, n_failed=n - n_results)


def test_the_estimate_is_what_is_left_at_the_pace_of_the_last_minute() -> None:
    counted = [
        DatedCount(at, EventsDone(n, 100, is_whole=True)) for at, n in ((0, 0), (1000, 10), (1030, 40), (1060, 70))
    ]
    assert seconds_left(counted) == pytest.approx(30.0)


def test_tasks_that_take_longer_than_a_minute_have_an_estimate_too() -> None:
    counted = [DatedCount(at, EventsDone(n, 10, is_whole=True)) for at, n in ((0, 0), (300, 5), (500, 5))]
    assert seconds_left(counted) == pytest.approx(500.0)


def test_no_end_is_promised_while_more_may_come_or_nothing_is_done() -> None:
    assert (
        seconds_left(
            [DatedCount(0, EventsDone(0, 10, is_whole=False)), DatedCount(9, EventsDone(5, 10, is_whole=False))]
        )
        is None
    )
    assert (
        seconds_left([DatedCount(0, EventsDone(5, 10, is_whole=True)), DatedCount(9, EventsDone(5, 10, is_whole=True))])
        is None
    )
    assert seconds_left([]) is None


def test_events_that_are_done_and_failed_are_never_more_than_all() -> None:
    earlier = DatedCount(0, EventsDone(38, 40, is_whole=True, n_failed=1))
    late = DatedCount(1, EventsDone(34, 40, is_whole=True, n_failed=4))
    assert latest_done([earlier, late]) == EventsDone(36, 40, is_whole=True, n_failed=4)
