from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from deploy.demo.report import DemoResult, build_report, build_table, has_succeeded, last_line, quantile


def result(number: int, error: float = 1.0) -> dict[str, Any]:
    return {
        "event": number,
        "linefit": {"error_deg": 10 * error, "seconds": 0.02},
        "refine": {"error_deg": error, "seconds": 0.1},
    }


def facts(**changes: Any) -> DemoResult:
    values: dict[str, Any] = {
        "n_sent": 500,
        "results": [result(number) for number in range(500)],
        "n_dead": 0,
        "post_to_submitted_ms": 123.4,
        "events_s": 50.0,
        "returning_s": 40.0,
        "wall_s": 61.2,
        "workers": {"linefit": 2, "refine": 6},
        "phases": {},
        "pool": "condor",
        "versions": {"ewms": "0"},
    }
    return DemoResult(**(values | changes))


def test_a_good_run_ends_with_the_promised_line() -> None:
    made = build_report(facts())
    assert has_succeeded(made)
    assert last_line(made) == (
        "demo: 500/500 events returned, 0 lost, 0 dead-lettered, POST to jobs in the schedd 123 ms, wall 61 s"
    )


def test_the_report_has_the_promised_keys() -> None:
    promised = "events_in events_out lost dead_lettered post_to_submitted_ms wall_s phases pool versions results"
    assert set(promised.split()) <= set(build_report(facts()))


@pytest.mark.parametrize(
    ("changes", "lost", "dead"),
    [
        ({"results": [result(n) for n in range(499)]}, 1, 0),
        ({"results": [result(n) for n in range(498)], "n_dead": 2}, 0, 2),
        ({"results": [result(0)] * 500}, 499, 0),
        ({"results": []}, 500, 0),
    ],
)
def test_what_did_not_come_back_is_lost_or_dead_and_a_repeat_counts_once(
    changes: dict[str, Any], lost: int, dead: int
) -> None:
    made = build_report(facts(**changes))
    assert (made["lost"], made["dead_lettered"]) == (lost, dead)
    assert not has_succeeded(made)


def test_efficiency_is_task_time_over_the_workers_time() -> None:
    tasks = build_report(facts())["results"]["tasks"]
    assert tasks["linefit"]["worker_efficiency"] == pytest.approx(500 * 0.02 / (2 * 50), abs=1e-3)
    assert tasks["refine"]["worker_efficiency"] == pytest.approx(500 * 0.1 / (6 * 50), abs=1e-3)


def test_quantiles() -> None:
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([0, 10], 0.9) == pytest.approx(9)
    assert quantile([7], 0.9) == 7
    assert quantile([], 0.5) is None


@pytest.mark.parametrize("results", [[], [result(1, 0.25)]])
def test_the_table_can_always_be_shown(results: list[dict[str, Any]]) -> None:
    out = StringIO()
    Console(file=out, width=120).print(build_table(build_report(facts(results=results))))
    assert "linefit" in out.getvalue()
    assert ("0.25°" in out.getvalue()) == bool(results)
