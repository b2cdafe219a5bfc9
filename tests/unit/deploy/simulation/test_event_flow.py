"""How events flowed follows from what each task has done."""

import pytest

from deploy.simulation.event_flow import CountedTask, find_flow
from schemas.errors import Rejected


def task(inputs: str, outputs: str, n_done: int, n_dead: int = 0) -> CountedTask:
    return CountedTask(f"{inputs}->{outputs}", list(inputs), list(outputs), n_done + n_dead, n_done)


@pytest.mark.parametrize(
    ("tasks", "from_users", "per_run"),
    [
        ([task("i", "o", 10)], {"i": 10}, {}),
        # Dead letters were published, too, and have no outputs.
        ([task("i", "m", 8, 2), task("m", "o", 4)], {"i": 10}, {"m": 0.5}),
        # A source takes nothing.
        ([task("", "m", 5), task("m", "o", 20)], {}, {"m": 4.0}),
        # Two producers of a queue share its events by their runs; two consumers add up.
        ([task("i", "m", 6), task("j", "m", 4), task("m", "", 15), task("m", "", 5)], {"i": 6, "j": 4}, {"m": 2.0}),
        # A task with two queues of users gets them by halves.
        ([task("ij", "o", 10)], {"i": 5, "j": 5}, {}),
        # Where one queue is fed by a task, each of its runs gives an event, and users give the rest.
        ([task("i", "m", 6), task("mj", "o", 10)], {"i": 6, "j": 4}, {"m": 1.0}),
        # Never more than there were.
        ([task("i", "m", 6), task("mj", "o", 3)], {"i": 6, "j": 0}, {"m": 0.5}),
        # A task behind one that has done nothing.
        ([task("i", "m", 0, 3), task("m", "o", 0)], {"i": 3}, {"m": 0.0}),
    ],
)
def test_events_are_shared_out_to_queues(
    tasks: list[CountedTask], from_users: dict[str, int], per_run: dict[str, float]
) -> None:
    flow = find_flow(tasks)
    assert dict(flow.from_users) == from_users
    assert dict(flow.per_run) == per_run
    assert flow.n_from_users == sum(from_users.values())


@pytest.mark.parametrize(("n", "expected"), [(10, {"i": 6, "j": 4}), (5, {"i": 3, "j": 2}), (1, {"i": 0, "j": 1})])
def test_other_numbers_of_events_keep_the_proportions(n: int, expected: dict[str, int]) -> None:
    flow = find_flow([task("i", "", 6), task("j", "", 4)])
    assert flow.scale_to(n) == expected


def test_odd_events_of_two_queues_are_rounded_up() -> None:
    assert dict(find_flow([task("ij", "", 1)]).from_users) == {"i": 1, "j": 1}


@pytest.mark.parametrize("n_dead", [0, 3])
def test_events_that_come_from_nowhere_are_refused(n_dead: int) -> None:
    with pytest.raises(Rejected, match="task m->o has taken events of tasks that have done none"):
        find_flow([task("i", "m", 0, n_dead), task("m", "o", 4)])


def test_a_circle_of_tasks_is_refused() -> None:
    with pytest.raises(Rejected, match="in a circle"):
        find_flow([task("a", "b", 1), task("b", "a", 1)])
