"""The report of a workflow in a terminal."""

import pytest

from ewms.cli.text.fleet.report import format_measure, report_view
from schemas.api.workflows.report import Measure
from tests.unit.ewms.cli.text.fleet.test_tables import on_80_columns
from tests.unit.wms.insight.test_workflow_report import report_of, times


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "h", "?"),
        (0.0, "h", "0 h"),
        (1234.0, "events", "1,234 events"),
        (0.012345, "h", "0.0123 h"),
        (0.256, "share of the workers' time", "25.6%"),
    ],
)
def test_a_figure_has_its_unit_a_share_is_a_percentage_and_an_unknown_one_a_question_mark(
    value: float | None, unit: str, text: str
) -> None:
    assert format_measure(Measure(value=value, unit=unit, how="")) == text


def test_a_report_has_a_table_for_all_tasks_and_for_each_and_says_how_on_demand() -> None:
    report = report_of({"times": times()})
    shown = on_80_columns(report_view(report))
    assert all(word in shown for word in ("all tasks", "reco", "fit", "worker-hours", "suggested memory", "512 MiB"))
    assert "the time of successful runs" not in shown
    assert "have not ended" not in shown
    assert "these figures grow" in shown
    long = " ".join(on_80_columns(report_view(report, with_how=True)).split())
    assert "no worker has run yet" in long
