"""A simulated run: exact where it can be computed by hand, and lawful everywhere."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.simulation.fleet import FleetRun, simulate_fleet
from deploy.simulation.past_run import PastRun
from deploy.simulation.pilots import CONFIRM_S
from schemas.errors import Rejected
from schemas.fleet.worker_times import Activity
from tests.unit.deploy.simulation.past_workflows import past_of, past_task, with_workers


def with_equal_runs(past: PastRun) -> PastRun:
    """Return `past` without buckets: each run of a task takes the mean."""
    return replace(past, tasks=[replace(task, buckets=()) for task in past.tasks])


def run_with(past: PastRun, *numbers: int, n_events: int | None = None, seed: int = 0) -> FleetRun:
    n = past.flow.n_from_users if n_events is None else n_events
    return simulate_fleet(past, workers=with_workers(past, *numbers), n_events=n, seed=seed)


def count_seconds(run: FleetRun) -> float:
    return sum(times.worker_s for times in run.times.values())


@pytest.mark.parametrize(
    ("n_workers", "n_slots", "n_rounds"), [(1, 1, 24), (2, 1, 12), (5, 1, 5), (24, 1, 1), (99, 1, 1), (2, 3, 4)]
)
def test_runs_of_equal_length_end_after_their_rounds(n_workers: int, n_slots: int, n_rounds: int) -> None:
    past = with_equal_runs(past_of(past_task([2.0] * 24, start_s=3.0, n_slots=n_slots)))
    run = run_with(past, n_workers)
    assert run.finish_s == pytest.approx(3.0 + n_rounds * (2.0 + CONFIRM_S))
    (times,) = run.times.values()
    assert times.worker_s == pytest.approx(n_workers * run.finish_s)
    assert (times.n_starts, times.n_done, times.n_failed, run.n_dead) == (n_workers, 24, 0, 0)
    assert times.done_ms == pytest.approx(48_000, abs=24)
    assert times.activities[Activity.STARTING] == pytest.approx(3.0 * n_workers)


def test_a_second_task_works_while_the_first_one_goes_on() -> None:
    past = past_of(
        past_task([2.0] * 10, n_workers=1, start_s=1.0, output_queue_aliases=["mid"]),
        past_task([1.0] * 10, n_workers=1, start_s=1.0, inputs=["mid"]),
    )
    assert run_with(past, 1, 1).finish_s == pytest.approx(1.0 + 10 * 2.0 + 1.0, abs=0.2)


def test_a_source_runs_once_on_each_worker() -> None:
    past = with_equal_runs(
        past_of(
            past_task([4.0] * 3, n_workers=3, inputs=[], start_s=1.0, output_queue_aliases=["mid"]),
            past_task([1.0] * 12, n_workers=1, start_s=1.0, inputs=["mid"]),
        )
    )
    assert past.flow.n_from_users == 0
    run = run_with(past, 6, 24)
    source, consumer = run.times.values()
    assert (source.n_done, consumer.n_done) == (6, 24)
    # A source's worker leaves after its run.
    assert source.worker_s == pytest.approx(6 * 5.0, abs=0.1)
    assert run.finish_s == pytest.approx(1 + 4 + 1, abs=0.1)


def test_a_worker_whose_time_is_over_is_replaced() -> None:
    runtime = {"max_worker_runtime": 60}
    config = {"do_transfer_worker_stdouterr": True, "n_cores": 1, "priority": 9, "worker_disk": "1G"}
    task = past_task([7.0] * 40, start_s=5.0, worker_config={**config, "worker_memory": "1G", **runtime})
    run = run_with(with_equal_runs(past_of(task)), 1)
    (times,) = run.times.values()
    # 60 s without 5 s of start and the 6 s that a pilot keeps: six runs, because a seventh would not end in time.
    assert (times.n_starts, times.n_failed, times.n_done) == (7, 0, 40)
    assert run.finish_s == pytest.approx(7 * 5 + 40 * (7 + CONFIRM_S))


def test_dead_letters_and_unlucky_events_come_as_often_as_in_the_past() -> None:
    past = past_of(past_task([1.0] * 90, n_workers=4, n_failed=70, failed_s=0.3), n_dead=10)
    run = run_with(past, 4)
    (times,) = run.times.values()
    assert (run.n_dead, times.n_done) == (pytest.approx(10, abs=1), pytest.approx(90, abs=1))
    assert times.n_failed == pytest.approx(70, abs=7)
    assert times.lost_ms == pytest.approx(times.n_failed * 300, rel=0.01)


def test_a_run_that_cannot_end_is_refused() -> None:
    config = {"do_transfer_worker_stdouterr": True, "n_cores": 1, "priority": 9, "worker_disk": "1G"}
    past = past_of(
        past_task([1.0], start_s=100.0, worker_config={**config, "worker_memory": "1G", "max_worker_runtime": 60})
    )
    with pytest.raises(Rejected, match="does not come to an end"):
        run_with(past, 1)


times = st.lists(st.sampled_from([0.02, 0.3, 1.0, 5.0, 40.0]), min_size=1, max_size=12)


@given(
    times, times, st.integers(1, 5), st.integers(1, 5), st.integers(1, 8), st.integers(0, 3), st.sampled_from([1, 3])
)
def test_more_workers_never_finish_later_and_no_run_costs_less_than_its_work(
    one: list[float], other: list[float], n: int, m: int, more: int, seed: int, n_slots: int
) -> None:
    past = past_of(
        past_task(one, start_s=2.0, n_slots=n_slots, output_queue_aliases=["mid"]),
        past_task(other, start_s=2.0, inputs=["mid"]),
    )
    few, many = run_with(past, n, m, seed=seed), run_with(past, n + more, m + more, seed=seed)
    # One long run may begin later than with fewer workers, in each of the two tasks.
    assert many.finish_s <= few.finish_s + max(one) * 1.5 + max(other) * 1.5 + 2.5
    for run, numbers in ((few, (n, m)), (many, (n + more, m + more))):
        assert count_seconds(run) == pytest.approx(run.finish_s * sum(numbers), rel=1e-6)
        busy_s = sum(each.done_ms / 1000 / slots for each, slots in zip(run.times.values(), (n_slots, 1), strict=True))
        assert count_seconds(run) >= busy_s - 0.1
        first, second = run.times.values()
        assert (first.n_done, second.n_done) == (len(one), pytest.approx(len(other), abs=1))


@given(times, st.integers(1, 5), st.integers(0, 3), st.integers(0, 5))
def test_equal_arguments_give_equal_runs(one: list[float], n: int, seed: int, n_failed: int) -> None:
    past = past_of(past_task(one, n_failed=min(n_failed, len(one)), failed_s=0.5))
    assert run_with(past, n, seed=seed) == run_with(past, n, seed=seed)
