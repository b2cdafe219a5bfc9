"""The whole simulation: from a report to a table with a suggestion."""

from dataclasses import replace

import pytest

from deploy.simulation.simulator import ASSUMPTIONS, MOST_RUNS, SO_FAR, choose_run, simulate
from schemas.api.workflows.simulation import SimulatedRun
from schemas.errors import Rejected
from tests.unit.deploy.simulation.past_workflows import order_for, past_task


def test_each_choice_is_a_row_relative_to_the_past() -> None:
    order = order_for(past_task([2.0] * 40, n_workers=4, start_s=1.0, span_s=30.0))
    found = simulate(order)
    (task_id,) = found.task_names
    assert found.task_names[task_id] == "reco"
    assert [run.workers[task_id] for run in found.runs] == [1, 2, 4, 8, 16]
    assert [run.is_past for run in found.runs] == [False, False, True, False, False]
    past, most = found.runs[2], found.runs[-1]
    assert (past.time_ratio, past.cost_ratio) == (1.0, 1.0)
    assert found.runs[0].time_ratio == pytest.approx(81 / 21, rel=0.05)
    # More workers are faster, start more often, and wait longer at the end.
    assert most.time_ratio < 0.5
    assert most.cost_ratio > 1.05
    assert most.starting > past.starting
    for run in found.runs:
        assert run.busy + run.starting + run.idle + run.wasted == pytest.approx(1, abs=0.02)
        assert run.worker_hours == run.core_hours == pytest.approx(run.finish_s * run.workers[task_id] / 3600)
    assert (found.n_events, found.past_finish_s, found.past_worker_hours) == (40, 29.0, pytest.approx(120 / 3600))
    assert found.assumptions == [*ASSUMPTIONS, SO_FAR]
    ended = replace(order, report=order.report.model_copy(update={"is_over": True}))
    assert simulate(ended).assumptions == [*ASSUMPTIONS]


def test_the_same_seed_gives_the_same_table_and_another_seed_nearly_the_same() -> None:
    order = order_for(past_task([0.5, 2.0, 3.0, 9.0] * 15, n_workers=4))
    assert simulate(order) == simulate(order)
    other = simulate(replace(order, seed=7))
    assert other != simulate(order)
    for one, another in zip(simulate(order).runs, other.runs, strict=True):
        assert one.finish_s == pytest.approx(another.finish_s, rel=0.3)


def test_more_events_take_longer_in_proportion() -> None:
    order = order_for(past_task([2.0] * 40, n_workers=4, start_s=1.0), workers={"reco": [4]}, n_events=400)
    found = simulate(order)
    assert (found.n_events, found.past_n_events) == (400, 40)
    (run,) = found.runs
    assert run.finish_s == pytest.approx(201, rel=0.05)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"n_events": 0}, "--events: must be at least 1, and 0 is given"),
        ({"n_events": -5}, "--events: must be at least 1, and -5 is given"),
        ({"n_events": MOST_RUNS}, f"may have at most {MOST_RUNS}"),
        ({"workers": {"fit": [1]}}, "has no task 'fit'"),
        ({"workers": {"reco": [0]}}, "at least 1 worker"),
    ],
)
def test_a_wrong_order_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(Rejected, match=reason) as refused:
        simulate(replace(order_for(past_task()), **changes))  # type: ignore[arg-type]
    assert refused.value.hint


def test_a_workflow_of_sources_takes_no_events() -> None:
    order = order_for(past_task([2.0] * 2, inputs=[]))
    assert simulate(order).n_events == 0
    with pytest.raises(Rejected, match="take no events from users"):
        simulate(replace(order, n_events=5))


def test_a_task_that_has_had_no_event_yet_waits_in_the_simulation_too() -> None:
    found = simulate(order_for(past_task(output_queue_aliases=["mid"]), past_task(took_s=(), inputs=["mid"])))
    assert found.n_events == 20
    assert all(run.finish_s > 1 for run in found.runs)


def row(finish_s: float, core_hours: float) -> SimulatedRun:
    whole = {"busy": 1, "starting": 0, "idle": 0, "wasted": 0, "events_failed": 0, "time_ratio": 1, "cost_ratio": 1}
    return SimulatedRun.model_validate(
        {"workers": {}, "is_past": False, "finish_s": finish_s, "worker_hours": 1, "core_hours": core_hours, **whole}
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(100, 1), (60, 1.1), (50, 2)], 2),
        ([(100, 1), (55, 1.1), (50, 2)], 1),
        ([(50, 2), (51, 1.5), (54, 1.6)], 1),
        # Of equal costs, the fewest workers.
        ([(50, 1), (50, 1)], 0),
    ],
)
def test_the_cheapest_of_the_fast_runs_is_suggested(rows: list[tuple[float, float]], expected: int) -> None:
    assert choose_run([row(*each) for each in rows]) == expected
