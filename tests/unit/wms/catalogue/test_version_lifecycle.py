"""The states of contract 3.4 as a table: every pair of a status and an event is either in it or refused."""

import pytest

from schemas.automation.catalogue import TaskStatus
from schemas.errors import Conflict
from wms.catalogue.life.version_lifecycle import STATUS_AFTER, VERSION_STATUSES, VersionEvent, find_status_after

#: The contract's picture, written down a second time: status -> the statuses that may follow it.
MAY_FOLLOW = {
    "Pending approval": {"Building", "Rejected", "Failed"},
    "Building": {"Syncing", "Failed"},
    "Syncing": {"Ready", "Failed"},
    "Ready": set(),
    "Rejected": set(),
    "Failed": {"Pending approval", "Building"},
}


@pytest.mark.parametrize("event", VersionEvent)
@pytest.mark.parametrize("status", sorted(VERSION_STATUSES))
def test_each_pair_of_a_status_and_an_event_is_in_the_table_or_refused(status: TaskStatus, event: VersionEvent) -> None:
    if (status, event) in STATUS_AFTER:
        assert find_status_after(status, event) == STATUS_AFTER[status, event]
        return
    with pytest.raises(Conflict, match=f"the version is {status.value}, so this is not possible: {event.value}"):
        find_status_after(status, event)


def test_the_ways_are_those_of_the_contract() -> None:
    ways: dict[str, set[str]] = {status.value: set() for status in VERSION_STATUSES}
    for (status, _), after in STATUS_AFTER.items():
        ways[status.value].add(after.value)
    assert ways == MAY_FOLLOW


def test_c27_no_way_leads_past_the_approval() -> None:
    """From a new version, without the event `approve`, none of the statuses after the approval can be reached."""
    reached, open_ones = {TaskStatus.PENDING_APPROVAL}, [TaskStatus.PENDING_APPROVAL]
    while open_ones:
        here = open_ones.pop()
        for (status, event), after in STATUS_AFTER.items():
            # `build-again` is for versions that were approved before (`wms.catalogue.life.task_looks`).
            if (
                status is here
                and event not in (VersionEvent.APPROVE, VersionEvent.BUILD_AGAIN)
                and after not in reached
            ):
                reached.add(after)
                open_ones.append(after)
    assert reached == {TaskStatus.PENDING_APPROVAL, TaskStatus.REJECTED, TaskStatus.FAILED}


def test_each_event_and_each_status_has_a_use() -> None:
    assert {event for _, event in STATUS_AFTER} == set(VersionEvent)
    assert {status for status, _ in STATUS_AFTER} | set(STATUS_AFTER.values()) == VERSION_STATUSES
