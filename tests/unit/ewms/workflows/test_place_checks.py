"""What a taskforce's health tells of the place where it runs: its own troubles are none of the place."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ewms.workflows.place_checks import describe_drained, describe_place
from schemas.api.operators import DrainSeen
from schemas.api.workflows.health import StallCause, TaskforceHealth

AT = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)


def health(*missing: tuple[str, str], **fields: Any) -> TaskforceHealth:
    given = {
        **dict.fromkeys(("stuck", "n_submit_failures", "n_remove_failures", "retry_at", "ended_at")),
        "status_as_of": AT,
        "exit_codes": {},
        "stale": False,
        "n_wanted": 4,
        "n_at_work": 4 - len(missing),
        "missing": [
            {"cause": cause, "n_workers": 1, "text": text, "command": f"ewms {cause}", "is_coming": True}
            for cause, text in missing
        ],
    }
    return TaskforceHealth.model_validate({**given, **fields})


@pytest.mark.parametrize(
    ("seen", "is_well", "told", "remedy"),
    [
        (health(), True, "4 of 4 worker(s) take events", ""),
        (health(("slot-awaited", "wait for a free slot")), True, "wait for a free slot", "ewms taskforce why TF-1"),
        (health(("held", "held: disk"), ("no-slot", "find no slot")), False, "find no slot", "ewms no-slot"),
        (health(("tms-silent", "lost from sight")), False, "lost from sight", "ewms tms-silent"),
        (health(stale=True), False, "reported nothing since 08:00:00 UTC", "access point"),
    ],
)
def test_a_place_is_well_unless_its_workers_cannot_come(
    seen: TaskforceHealth, is_well: bool, told: str, remedy: str
) -> None:
    finding = describe_place("cluster here", "TF-1", seen)
    assert finding.is_well is is_well
    assert told in finding.told
    assert remedy in finding.remedy


_PAUSED = ("paused", "ended early, and start again by themselves after a pause")
_FAILED = ("pilot-failed", "failed, and keep their slots for some minutes before they start again")


@pytest.mark.parametrize(
    ("seen", "is_well", "told"),
    [
        (health(_PAUSED, n_wanted=1, n_at_work=0), False, "all 1 worker(s) failed: 1 ended early"),
        (health(_PAUSED, _FAILED, n_wanted=2, n_at_work=0), False, "the task is at fault, or this place lacks"),
        # One worker that works shows that the place is well, and so does one that has not failed yet.
        (health(_PAUSED, n_wanted=2, n_at_work=1), True, "1 of 2 worker(s) take events"),
        (health(_PAUSED, ("preparing", "start"), n_wanted=2, n_at_work=0), True, "0 of 2 worker(s) take events"),
    ],
)
def test_a_place_where_every_worker_failed_is_not_well(seen: TaskforceHealth, is_well: bool, told: str) -> None:
    finding = describe_place("cluster here", "TF-1", seen)
    assert finding.is_well is is_well
    assert told in finding.told
    assert finding.remedy == ("ewms taskforce why TF-1" if is_well else "ewms paused")


@pytest.mark.parametrize(
    ("cause", "is_well"), [("all-bad", False), ("failing", False), ("all-failed", False), ("takes-nothing", True)]
)
def test_workers_that_take_events_and_fail_on_each_are_not_well(cause: str, is_well: bool) -> None:
    stalled = StallCause(cause=cause, text="every event fails", command="ewms task errors WF-1")
    finding = describe_place("cluster here", "TF-1", health(), [stalled])
    assert finding.is_well is is_well
    assert is_well or finding.told.startswith("TF-1: every event fails; the task is at fault")
    assert is_well or finding.remedy == "ewms task errors WF-1"


def test_a_drained_place_takes_no_work_and_says_since_when_and_why() -> None:
    finding = describe_drained("cluster osg", DrainSeen(since=AT, reason="new disks", workers_end_at=None))
    assert not finding.is_well
    assert finding.told.endswith("no workers start there, since 2026-11-28 08:00:00 UTC: new disks")
    assert "another place" in finding.remedy
