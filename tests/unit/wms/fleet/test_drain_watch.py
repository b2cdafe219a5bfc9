"""What ends at drained locations, and when."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.fleet.documents import TaskforceDocument
from schemas.fleet.phases import Phase
from tests.unit.wms.fleet.filter_matching import matches
from tests.unit.wms.fleets import made
from wms.fleet.choices.fleet_settings import Drain
from wms.fleet.drain_watch import filter_to_end, is_due
from wms.fleet.repository import make_document

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


def drain(end: datetime | None = None, schedd: str = "S1", *, is_lost: bool = False) -> Drain:
    return Drain(schedd=schedd, location=schedd, who="olga", at=NOW, workers_end_at=end, is_lost=is_lost)


@pytest.mark.parametrize(
    ("end", "due"),
    [(NOW, True), (NOW + timedelta(seconds=1), False), (None, False), (NOW - timedelta(days=9), True)],
)
def test_workers_end_at_the_time_that_an_operator_set_and_without_one_in_their_own_time(
    end: datetime | None, due: bool
) -> None:
    assert is_due(drain(end), NOW) == due


def test_a_drain_calls_ordered_starts_back_at_once_and_ends_workers_at_its_deadline() -> None:
    def found(drain: Drain) -> list[tuple[Phase, bool]]:
        each = [
            taskforce.model_copy(update={"phase": phase, "asked_at": asked_at})
            for phase in Phase
            for asked_at in (None, NOW)
        ]
        return [
            (one.phase, one.asked_at is not None)
            for one in each
            if matches(make_document(one), filter_to_end(drain, NOW))
        ]

    taskforce: TaskforceDocument = made().taskforces[0]
    assert found(drain()) == [(Phase.PENDING_STARTER, True)]
    assert sorted(found(drain(NOW))) == [
        (Phase.CONDOR_SUBMIT, False), (Phase.CONDOR_SUBMIT, True), (Phase.PENDING_STARTER, True),
    ]  # fmt: skip
    assert found(drain(NOW, schedd="S2")) == []
    assert {phase for phase, _ in found(drain(is_lost=True))} == {*Phase} - {Phase.CONDOR_COMPLETE}
    assert found(drain(schedd="S2", is_lost=True)) == []
    over = taskforce.model_copy(update={"phase": Phase.PENDING_STOPPER, "ended_at": NOW})
    assert not matches(make_document(over), filter_to_end(drain(is_lost=True), NOW))


@pytest.mark.parametrize(
    ("statuses", "is_queued"),
    [
        ({}, False),
        ({"IDLE": {"null": 5}}, True),
        ({"IDLE": {"null": 4}, "HELD: starts again after a pause": {"null": 1}}, True),
        ({"IDLE": {"null": 4}, "RUNNING": {"Tasking": 1}}, False),
        ({"IDLE": {"null": 4}, "SUSPENDED": {"Tasking": 1}}, False),
        ({"COMPLETED": {"Done": 1}}, False),
    ],
)
def test_what_htcondor_has_only_queued_is_called_back_and_what_has_a_worker_is_not(
    statuses: dict[str, dict[str, int]], is_queued: bool
) -> None:
    submitted = {"phase": Phase.CONDOR_SUBMIT, "compound_statuses": statuses}
    document = make_document(made().taskforces[0].model_copy(update=submitted))
    assert matches(document, filter_to_end(drain(), NOW)) == is_queued
    assert matches(document, filter_to_end(drain(NOW), NOW))
