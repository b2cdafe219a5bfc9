"""What the report tells of a past run, and what it must tell."""

from dataclasses import replace

import pytest

from deploy.simulation.past_run import read_past_run
from schemas.errors import Rejected
from tests.unit.deploy.simulation.past_workflows import order_for, past_of, past_task


def test_a_workflow_without_finished_events_is_refused_with_the_reason() -> None:
    with pytest.raises(Rejected, match="has no finished events yet: no run of a task has succeeded"):
        past_of(past_task(took_s=()))
    order = order_for(past_task())
    silent = order.report.model_copy(update={"figures": order_for(past_task(took_s=(), n_pilots=0)).report.figures})
    tasks = [each.model_copy(update={"figures": silent.figures}) for each in silent.tasks]
    with pytest.raises(Rejected, match="has no finished events yet: unknown: no pilot has reported work"):
        read_past_run(replace(order, report=silent.model_copy(update={"tasks": tasks})))


def test_a_task_whose_work_is_unknown_is_refused() -> None:
    first = past_task(output_queue_aliases=["mid"])
    with pytest.raises(Rejected, match=r"task TK-.* \(reco\): its finished events are unknown: no pilot has reported"):
        past_of(first, past_task(took_s=(), n_pilots=0, inputs=["mid"]))
    # Pilots that have waited so far have done nothing, and that is known.
    assert [task.n_taken for task in past_of(first, past_task(took_s=(), inputs=["mid"])).tasks] == [20, 0]


def test_a_source_that_runs_for_the_first_time_is_refused() -> None:
    with pytest.raises(Rejected, match="takes no events, and has not finished a run yet"):
        past_of(past_task(), past_task(took_s=(), inputs=[], output_queue_aliases=["other"]))


def test_a_task_is_read_with_its_times_and_its_places() -> None:
    past = past_of(past_task([2.0] * 30, n_workers=6, start_s=4.0, n_slots=2))
    (task,) = past.tasks
    assert (task.n_workers, task.n_taken, task.mean_s, task.start_s, task.policy.concurrency) == (6, 30, 2.0, 4.0, 2)
    assert (task.max_runtime_s, task.n_cores, task.hopeless_share, task.unlucky_share) == (600, 1, 0.0, 0.0)
    assert past.flow.n_from_users == 30


@pytest.mark.parametrize(
    ("n_failed", "n_dead", "expected"),
    [
        # Failed once, then done.
        (5, 0, (0.0, 0, 0.25)),
        # Dead after five attempts each, and five unlucky ones.
        (15, 2, (2 / 22, 5, 0.25)),
        # Final failures.
        (2, 2, (2 / 22, 1, 0.0)),
        # Dead letters whose task never ran cost nothing.
        (0, 3, (0.0, 0, 0.0)),
    ],
)
def test_failed_attempts_are_those_of_dead_letters_and_those_of_unlucky_events(
    n_failed: int, n_dead: int, expected: tuple[float, int, float]
) -> None:
    (task,) = past_of(past_task([1.0] * 20, n_failed=n_failed, failed_s=0.5), n_dead=n_dead).tasks
    assert (task.hopeless_share, task.n_failures, task.unlucky_share) == pytest.approx(expected)
    assert task.failed_s == (0.5 if n_failed else 1.0)


def test_dead_letters_are_shared_out_by_failed_attempts() -> None:
    past = past_of(
        past_task([1.0] * 20, n_failed=10, output_queue_aliases=["mid"]),
        past_task([1.0] * 18, n_failed=10, inputs=["mid"]),
        n_dead=4,
    )
    assert [task.n_taken for task in past.tasks] == [22, 20]
    assert past.flow.n_from_users == 22
    assert list(past.flow.per_run.values()) == [1.0]
