"""How a terminal shows drained places and quotas."""

import io
from datetime import UTC, datetime

from rich.console import Console, RenderableType

from ewms.cli.text.fleet.tables import cluster_table
from ewms.cli.text.operators import describe_place, quota_table
from schemas.api.operators import DrainSeen, DrainStatus, OrganizationQuotaSeen, QuotasAnswer, QuotaSeen
from schemas.api.workflows.requests import ClusterLocation

AT = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
DRAIN = DrainSeen(since=AT, reason="new disks", workers_end_at=AT.replace(hour=10))


def show(shown: RenderableType) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(shown)
    return console.export_text()


def test_a_drained_place_says_since_when_by_whom_and_what_is_still_there() -> None:
    status = DrainStatus(location="osg", schedd="ap1", drain=DRAIN, who="olga", n_waiting=3, n_starting=1, n_running=2)
    assert show(describe_place(status)).splitlines() == [
        "cluster     osg (ap1)",
        "drained     since 2026-11-30 08:00:00 UTC: new disks; its workers end at 2026-11-30 10:00:00 UTC, by olga",
        "taskforces  2 with workers, 1 being started, 3 waiting",
    ]
    assert "drained     no" in show(describe_place(status.model_copy(update={"drain": None, "who": ""})))


def test_a_list_of_places_has_a_column_for_drains_only_if_there_are_some() -> None:
    places = [
        ClusterLocation(name="osg", schedd="ap1", n_workers=1),
        ClusterLocation(name="b", schedd="c", n_workers=2),
    ]
    assert "drained" not in show(cluster_table(places))
    table = show(cluster_table([places[0].model_copy(update={"drain": DRAIN}), places[1]]))
    assert "drained" in table
    assert "since 2026-11-30 08:00:00 UTC: new disks" in table


def test_quotas_show_zero_as_any_number_and_nothing_where_another_counts() -> None:
    own = [
        QuotaSeen(user="", workflows=0, workflows_waiting=None),
        QuotaSeen(user="ann", workflows=5, workflows_waiting=7),
    ]
    found = QuotasAnswer(workflows=100, workflows_waiting=10, quotas=own)
    rows = [line.split() for line in show(quota_table(found)).splitlines()]
    assert ["(settings)", "100", "10"] in rows
    assert ["(every", "user)", "any", "number"] in rows
    assert ["ann", "5", "7"] in rows
    assert "organization" not in show(quota_table(found))
    north = OrganizationQuotaSeen(organization="north", workflows=50, workflows_waiting=None)
    table = show(quota_table(found.model_copy(update={"organizations": [north]})))
    assert ["organization", "north", "50"] in [line.split() for line in table.splitlines()]
