"""Which drained locations lose their workers now."""

from datetime import UTC, datetime, timedelta

from wms.fleet.choices.fleet_settings import Drain, FleetSettings
from wms.fleet.drain_watch import find_due_drains

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


def test_workers_end_at_the_time_that_an_operator_set_and_without_one_in_their_own_time() -> None:
    ends = {"ap1": NOW, "ap2": NOW + timedelta(seconds=1), "ap3": None, "ap4": NOW - timedelta(days=9)}
    drains = tuple(
        Drain(schedd=schedd, location=schedd, who="olga", at=NOW, workers_end_at=end) for schedd, end in ends.items()
    )
    assert [drain.schedd for drain in find_due_drains(FleetSettings(drains=drains), NOW)] == ["ap1", "ap4"]
    assert find_due_drains(FleetSettings(), NOW) == []
