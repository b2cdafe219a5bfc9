"""A simulation as a table for people."""

from rich.console import Console

from ewms.cli.text.fleet.simulation import format_duration, simulation_view
from schemas.api.workflows.simulation import SimulatedRun, Simulation


def make_run(n: int, finish_s: float, *, is_past: bool = False) -> SimulatedRun:
    return SimulatedRun(
        workers={"TK-1": n, "TK-2": 1},
        is_past=is_past,
        finish_s=finish_s,
        worker_hours=1.5,
        core_hours=3.0,
        busy=0.75,
        starting=0.05,
        idle=0.15,
        wasted=0.05,
        events_failed=2,
        time_ratio=finish_s / 3600,
        cost_ratio=1.25,
    )


FOUND = Simulation(
    workflow_id="WF-1",
    n_events=12_000,
    seed=7,
    task_names={"TK-1": "reco", "TK-2": "[fit]"},
    runs=[make_run(4, 7200), make_run(8, 3600, is_past=True), make_run(16, 42.25)],
    suggested=2,
    past_n_events=12_000,
    past_finish_s=4000.0,
    past_worker_hours=None,
    assumptions=["the pool has a free slot for each"],
)


def shown(found: Simulation) -> list[str]:
    console = Console(width=160, color_system=None)
    with console.capture() as captured:
        console.print(simulation_view(found))
    return captured.get().splitlines()


def test_each_run_is_a_row_and_the_suggested_one_is_marked() -> None:
    lines = shown(FOUND)
    rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
    assert rows[0] == ["4", "1", "2:00:00", "1.5", "75%", "5%", "15%", "5%", "2.00", "1.25"]
    assert rows[1][-4:] == ["as", "in", "the", "past"]
    assert rows[2][2:4] == ["42.2", "s"]
    assert rows[2][-1] == "suggested"
    text = "\n".join(lines)
    assert "workers 2: TK-2 ([fit])" in text
    assert "12,000 event(s) of users, seed 7" in text
    assert "the pool has a free slot for each" in text


def test_the_past_run_is_compared_with_its_simulation() -> None:
    text = "\n".join(shown(FOUND))
    assert "took 1:06:40 from its first start to its last success, and ? worker-hours" in text
    assert "with its number of workers it takes -10%" in text
    unknown = "\n".join(shown(FOUND.model_copy(update={"past_finish_s": None, "past_worker_hours": 2.0})))
    assert "took ? from its first start to its last success, and 2 worker-hours." in unknown
    assert "it takes" not in unknown
    # With more events, the two cannot be compared.
    assert "it takes" not in "\n".join(shown(FOUND.model_copy(update={"n_events": 24_000})))


def test_durations_are_short_texts() -> None:
    assert [format_duration(s) for s in (0.04, 59.94, 60, 3599.6, 90_000)] == [
        "0.0 s",
        "59.9 s",
        "0:01:00",
        "1:00:00",
        "1 day, 1:00:00",
    ]
