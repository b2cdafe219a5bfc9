"""Reports: what changed since the last one that the broker has confirmed, each with a higher number."""

from datetime import UTC, datetime, timedelta

from schemas.ids import TaskforceUuid
from tms.log.job_events import EventType, JobEnded, JobMoved, JobRequeued, PilotChirped
from tms.log.status_changes import MAX_SNAPSHOTS, REPEAT_AFTER, StatusReports
from tms.log.statuses import Tally

NOW = datetime(2026, 11, 21, tzinfo=UTC)
A, B = TaskforceUuid("TF-a"), TaskforceUuid("TF-b")


def test_everything_is_reported_at_first_and_nothing_again_once_confirmed() -> None:
    reporting = StatusReports("schedd", epoch=3)
    tallies = {A: Tally(1), B: Tally(2)}
    (report,) = reporting.list_due(tallies, as_of=NOW)
    assert [(s.taskforce_uuid, s.epoch, s.compound_statuses) for s in report.snapshots] == [
        (A, 3, {"IDLE": {"null": 1}}),
        (B, 3, {"IDLE": {"null": 2}}),
    ]
    reporting.note_confirmed(report)
    assert reporting.list_due(tallies, as_of=NOW) == []


def test_a_job_that_ends_is_reported_with_its_exit_code_also_if_it_ends_like_others() -> None:
    reporting = StatusReports("schedd", epoch=1)
    tally = Tally(3)
    said = []
    for event in (JobEnded(0, 0), JobEnded(1, -9), JobEnded(2, 0)):
        tally.fold_events([event])
        (report,) = reporting.list_due({A: tally}, as_of=NOW)
        reporting.note_confirmed(report)
        said.append(report.snapshots[0].exit_codes)
    assert said == [{"0": 1}, {"-9": 1, "0": 1}, {"-9": 1, "0": 2}]


def test_a_kill_is_a_change_although_the_job_runs_again() -> None:
    reporting = StatusReports("schedd", epoch=1)
    tally = Tally(1)
    said = []
    for events in ([], [JobRequeued(0, -9, NOW)], []):
        tally.fold_events([JobMoved(0, EventType.EXECUTE), *events, JobMoved(0, EventType.EXECUTE)])
        for report in reporting.list_due({A: tally}, as_of=NOW):
            reporting.note_confirmed(report)
            said.append([(one.n_kills, one.last_at) for one in report.snapshots[0].kills])
    assert said == [[], [(1, NOW)]]


def test_why_no_slot_takes_a_job_is_a_change_and_so_is_its_end() -> None:
    reporting = StatusReports("schedd", epoch=1)
    tallies, said = {A: Tally(1), B: Tally(1)}, []
    for unmatched in ({}, {A: "no slot"}, {A: "no slot"}, {}):
        reports = reporting.list_due(tallies, unmatched, as_of=NOW)
        said.append([(s.taskforce_uuid, s.unmatched) for report in reports for s in report.snapshots])
        for report in reports:
            reporting.note_confirmed(report)
    assert said == [[(A, ""), (B, "")], [(A, "no slot")], [], [(A, "")]]


def test_a_report_that_was_not_confirmed_is_made_again_with_a_higher_number() -> None:
    reporting = StatusReports("schedd", epoch=1)
    (lost,) = reporting.list_due({A: Tally(1)}, as_of=NOW)
    (again,) = reporting.list_due({A: Tally(1)}, as_of=NOW)
    assert again.snapshots[0].seq > lost.snapshots[0].seq
    assert again.snapshots[0].compound_statuses == lost.snapshots[0].compound_statuses


def test_what_did_not_change_is_repeated_now_and_then() -> None:
    reporting = StatusReports("schedd", epoch=1)
    tallies = {A: Tally(1)}
    (report,) = reporting.list_due(tallies, as_of=NOW)
    reporting.note_confirmed(report)
    later = NOW + REPEAT_AFTER
    assert reporting.list_due(tallies, as_of=later - timedelta(seconds=1)) == []
    (again,) = reporting.list_due(tallies, as_of=later)
    assert again.snapshots[0].as_of == later


def test_an_error_that_moves_no_job_is_a_change_too() -> None:
    reporting = StatusReports("schedd", epoch=1)
    tallies = {A: Tally(1)}
    tallies[A].fold_events([PilotChirped(0, "Status", "Tasking")])
    (report,) = reporting.list_due(tallies, as_of=NOW)
    reporting.note_confirmed(report)
    tallies[A].fold_events([PilotChirped(0, "Error", "bad pixel")])
    (report,) = reporting.list_due(tallies, as_of=NOW)
    assert report.snapshots[0].top_task_errors == {"bad pixel": 1}


def test_only_what_changed_is_reported_whole() -> None:
    reporting = StatusReports("schedd", epoch=1)
    tallies = {A: Tally(2), B: Tally(2)}
    for report in reporting.list_due(tallies, as_of=NOW):
        reporting.note_confirmed(report)
    tallies[A].fold_events([JobMoved(0, EventType.EXECUTE)])
    (report,) = reporting.list_due(tallies, as_of=NOW)
    assert [s.compound_statuses for s in report.snapshots] == [{"RUNNING": {"null": 1}, "IDLE": {"null": 1}}]


def test_a_change_after_the_report_was_made_is_not_taken_as_said() -> None:
    reporting = StatusReports("schedd", epoch=1)
    tallies = {A: Tally(1)}
    (report,) = reporting.list_due(tallies, as_of=NOW)
    tallies[A].fold_events([JobMoved(0, EventType.EXECUTE)])
    reporting.note_confirmed(report)
    (second,) = reporting.list_due(tallies, as_of=NOW)
    assert second.snapshots[0].compound_statuses == {"RUNNING": {"null": 1}}


def test_many_snapshots_are_split_into_events_of_bounded_size() -> None:
    tallies = {TaskforceUuid(f"TF-{n}"): Tally(1) for n in range(2 * MAX_SNAPSHOTS + 1)}
    reports = StatusReports("schedd", epoch=1).list_due(tallies, as_of=NOW)
    assert [len(report.snapshots) for report in reports] == [MAX_SNAPSHOTS, MAX_SNAPSHOTS, 1]
    assert len({s.seq for report in reports for s in report.snapshots}) == 2 * MAX_SNAPSHOTS + 1
