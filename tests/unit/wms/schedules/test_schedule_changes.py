"""What a change of a schedule tells, and which one changes what the schedule launches."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.automation.schedules import Identity, ScheduleDocument
from schemas.ids import ScheduleId, TemplateId
from wms.gateway.awx.shapes.schedule_shapes import show_schedule
from wms.schedules.recurrence import show_until
from wms.schedules.rule_text import read_recurrence
from wms.schedules.schedule_changes import describe_change
from wms.schedules.schedule_service import differs_in_launches

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
RULE = "DTSTART;TZID=Europe/Berlin:20261129T080000 RRULE:FREQ=DAILY;INTERVAL=1;UNTIL=20261231T230000Z"
SCHEDULE = ScheduleDocument(
    id=ScheduleId(7),
    name="nightly",
    template=TemplateId(1),
    rrule=RULE,
    owner=Identity(subject="ada"),
    decided_until=NOW,
    starts_at=NOW,
    created=NOW,
    modified=NOW,
    extra_data={"flag": True, "n": 1, "list": [0, {"a": False}]},
)


def change(**fields: Any) -> ScheduleDocument:
    return SCHEDULE.model_copy(update=fields)


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ({"extra_data": {"flag": 1, "n": 1, "list": [0, {"a": False}]}}, True),
        ({"extra_data": {"flag": True, "n": True, "list": [0, {"a": False}]}}, True),
        ({"extra_data": {"flag": True, "n": 1.0, "list": [0, {"a": False}]}}, True),
        ({"extra_data": {"flag": True, "n": 1, "list": [0, {"a": 0}]}}, True),
        ({"extra_data": {"n": 1, "list": [0, {"a": False}], "flag": True}}, False),
        ({"rrule": RULE + " "}, True),
        ({"enabled": False}, True),
        ({"description": "x", "name": "y"}, False),
    ],
)
def test_true_and_1_launch_different_jobs_and_the_order_of_keys_does_not_matter(
    changed: dict[str, Any], differs: bool
) -> None:
    assert differs_in_launches(SCHEDULE, change(**changed)) is differs


def test_a_row_tells_what_changed_without_values_that_may_be_secret() -> None:
    [row] = describe_change(SCHEDULE, change(enabled=False, extra_data={}, owner=Identity(subject="eve")))
    assert (row.operation, row.kind, row.object_id, row.templates) == ("update", "schedule", 7, (1,))
    assert row.changes == {
        "enabled": [True, False],
        "extra_data": ["(not shown)", "(not shown)"],
        "owner": ["ada", "eve"],
    }
    assert describe_change(SCHEDULE, change(skipped=3)) == describe_change(None, None) == []
    assert [describe_change(None, SCHEDULE)[0].operation, describe_change(SCHEDULE, None)[0].operation] == [
        "create",
        "delete",
    ]


def test_a_shown_schedule_does_not_read_its_rule_again() -> None:
    recurrence = read_recurrence(RULE)
    assert show_until(recurrence) == "2027-01-01T00:00:00"
    # This text would be refused.
    kept = change(rrule="broken", zone=recurrence.zone.key, until=show_until(recurrence))
    shown = show_schedule(kept, None)
    assert (shown["timezone"], shown["until"]) == ("Europe/Berlin", "2027-01-01T00:00:00")
    before = show_schedule(SCHEDULE, None)
    assert (before["timezone"], before["until"]) == (shown["timezone"], shown["until"])
