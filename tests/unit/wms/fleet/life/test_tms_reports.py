"""What a TMS's word makes of a taskforce: the hand-shake, failures, removal, the end."""

import pytest

from schemas.events import Snapshot, TaskforceRelease, TaskforceRemove, TaskforceStart, TaskforceStop
from schemas.fleet.phases import Deactivated, Phase
from schemas.fleet.statuses import CompoundStatuses
from schemas.ids import TaskforceUuid
from tests.unit.wms.fleets import (
    NOW,
    activated,
    after,
    aggregate,
    completed,
    decide,
    failed,
    first,
    last_line,
    later,
    remove_failed,
    removed,
    running,
    submitted,
    task_request,
)
from wms.fleet.life.aggregate import Aggregate
from wms.fleet.life.stimuli import Deactivate, Launch, Woken
from wms.fleet.life.tms_reports import remove_orphaned_cluster, stop_unowned_workers

ABORT = Deactivate(Deactivated.ABORTED)


def starting() -> tuple[Aggregate, TaskforceUuid]:
    state = aggregate(task_request())
    return after(state, activated(state), Launch(first(state))), first(state)


def stopping() -> tuple[Aggregate, TaskforceUuid]:
    state, uuid = running()
    return after(state, ABORT), uuid


@pytest.mark.parametrize(
    ("jobs", "n_orders"),
    [
        ({"RUNNING": {"Tasking": 1}, "REMOVED": {"Done": 2}}, 1),
        ({"HELD: too much memory": {"null": 1}}, 1),
        ({"IDLE": {"null": 1}}, 1),
        ({"null": {"null": 1}}, 1),
        # Else the stop would make the TMS say its end again, which would be answered by a stop.
        ({"REMOVED": {"Done": 2}, "COMPLETED": {"Done": 1}}, 0),
        ({}, 0),
    ],
)
def test_workers_of_a_taskforce_that_no_document_knows_are_ended(jobs: CompoundStatuses, n_orders: int) -> None:
    _, uuid = starting()
    snapshot = Snapshot(taskforce_uuid=uuid, epoch=1, seq=1, as_of=NOW, compound_statuses=jobs, top_task_errors={})
    assert (
        stop_unowned_workers("S1", snapshot)
        == (TaskforceStop(taskforce_uuid=uuid, schedd="S1", cluster_id=None),) * n_orders
    )


def test_the_first_cluster_is_recorded_and_released() -> None:
    state, _ = starting()
    uuid = first(state)
    outcome = decide(state, submitted(state, uuid, 41), later(seconds=1))
    taskforce = outcome.after.taskforces[uuid]
    assert (taskforce.phase, taskforce.cluster_id, taskforce.job_event_log_fpath) == (
        Phase.CONDOR_SUBMIT,
        41,
        "/jel/1",
    )
    assert outcome.events == (TaskforceRelease(taskforce_uuid=uuid, schedd="S1", cluster_id=41),)
    line = last_line(outcome, uuid)
    assert (line.target_phase, line.was_successful, line.source_entity, line.context) == (
        "condor-submit",
        True,
        "TMS",
        "",
    )
    assert outcome.after.workflow.wake_at is None


def test_a_cluster_that_is_still_paused_is_released_again_and_nothing_changes() -> None:
    state, uuid = running(7)
    outcome = decide(state, submitted(state, uuid, 7), later(minutes=1))
    assert outcome.after is state
    assert [type(event) for event in outcome.events] == [TaskforceRelease]


def test_any_other_cluster_is_ordered_removed_and_nothing_changes() -> None:
    state, uuid = running(7)
    outcome = decide(state, submitted(state, uuid, 8), later(minutes=1))
    assert outcome.after is state
    assert outcome.events == (TaskforceRemove(taskforce_uuid=uuid, schedd="S1", cluster_id=8),)


def test_a_cluster_that_came_after_the_abort_is_ordered_removed_and_never_recorded() -> None:
    # Upstream's orphan: the confirm got 404, and the cluster ran on for ever.
    state, _ = starting()
    uuid = first(state)
    state = after(state, ABORT)
    outcome = decide(state, submitted(state, uuid, 9), later(seconds=1))
    assert outcome.after is state
    assert outcome.events == (TaskforceRemove(taskforce_uuid=uuid, schedd="S1", cluster_id=9),)
    ended = decide(state, removed(uuid, 9), later(seconds=2)).after
    taskforce = ended.taskforces[uuid]
    assert (taskforce.phase, taskforce.cluster_id) == (Phase.PENDING_STOPPER, None)
    assert taskforce.ended_at == later(seconds=2)
    assert ended.workflow.over_at == later(seconds=2)


def test_a_cluster_of_a_taskforce_that_no_document_knows_is_ordered_removed() -> None:
    state, uuid = running()
    report = submitted(state, uuid, 12)
    empty = Aggregate(state.workflow, {})
    expected = (TaskforceRemove(taskforce_uuid=uuid, schedd="S1", cluster_id=12),)
    assert decide(empty, report, NOW).events == expected == remove_orphaned_cluster(report)
    assert remove_orphaned_cluster(completed(uuid)) == ()


def test_another_schedd_cannot_report_for_the_taskforce() -> None:
    state, _ = starting()
    uuid = first(state)
    outcome = decide(state, submitted(state, uuid, 5, schedd="S2"), NOW)
    assert outcome.after is state
    assert outcome.events == (TaskforceRemove(taskforce_uuid=uuid, schedd="S2", cluster_id=5),)


def test_a_failed_submit_is_tried_again_after_a_pause_three_times_in_all() -> None:
    state, _ = starting()
    uuid = first(state)
    n_lines = len(state.taskforces[uuid].phase_change_log)
    for n, pause_s in ((1, 10), (2, 30)):
        state = after(state, failed(uuid, "no room"), now=later(hours=n))
        taskforce = state.taskforces[uuid]
        assert taskforce.phase is Phase.PENDING_STARTER
        assert taskforce.retry_at == later(hours=n, seconds=pause_s) == state.workflow.wake_at
        line = last_line(state, uuid)
        assert (line.target_phase, line.was_successful, line.context) == ("condor-submit", False, "ERROR: no room")
        early = decide(state, Launch(uuid), later(hours=n, seconds=pause_s - 1))
        assert early.events == ()
        again = decide(state, Launch(uuid), later(hours=n, seconds=pause_s))
        assert [type(event) for event in again.events] == [TaskforceStart]
        state = again.after
    state = after(state, failed(uuid, "no room"), now=later(hours=3))
    taskforce = state.taskforces[uuid]
    assert (taskforce.n_submit_failures, taskforce.retry_at) == (3, None)
    assert "no room" in taskforce.stuck
    assert len(taskforce.phase_change_log) == n_lines + 3
    assert state.workflow.wake_at is None


def test_a_failure_puts_a_taskforce_behind_its_equals() -> None:
    state = aggregate()
    one, two = state.taskforces
    state = after(state, activated(state), Launch(one), failed(one))
    assert state.taskforces[one].launch_rank > state.taskforces[two].launch_rank


def test_a_second_answer_to_a_repeated_start_counts_once() -> None:
    state, _ = starting()
    uuid = first(state)
    state = after(state, Woken(), now=later(seconds=30))
    state = after(state, failed(uuid), now=later(seconds=31))
    assert decide(state, failed(uuid), later(seconds=32)).after is state


def test_a_cluster_that_turns_up_after_all_ends_being_stuck() -> None:
    state, _ = starting()
    uuid = first(state)
    for n in range(3):
        state = after(state, failed(uuid), now=later(hours=n))
        state = after(state, Launch(uuid), now=later(hours=n, minutes=30))
    assert state.taskforces[uuid].stuck
    state = after(state, submitted(state, uuid, 3), now=later(hours=9))
    assert (state.taskforces[uuid].phase, state.taskforces[uuid].stuck) == (Phase.CONDOR_SUBMIT, "")


def test_a_removal_is_recorded_then_the_end() -> None:
    state, uuid = stopping()
    outcome = decide(state, removed(uuid), later(seconds=1))
    line = last_line(outcome, uuid)
    assert (outcome.after.taskforces[uuid].phase, line.target_phase, line.source_entity, line.context) == (
        Phase.CONDOR_RM,
        "condor-rm",
        "TMS",
        "",
    )
    assert outcome.after.workflow.over_at is None
    outcome = decide(outcome.after, completed(uuid), later(seconds=2))
    line = last_line(outcome, uuid)
    assert (line.target_phase, line.source_event_time) == ("condor-complete", float(int(later(hours=1).timestamp())))
    assert outcome.after.workflow.over_at == later(seconds=2)


def test_a_cluster_may_complete_before_its_removal_is_confirmed() -> None:
    state, uuid = stopping()
    state = after(state, completed(uuid))
    assert state.taskforces[uuid].phase is Phase.CONDOR_COMPLETE
    assert decide(state, removed(uuid), later(seconds=1)).after is state, "never backwards"


@pytest.mark.parametrize("n_times", [2, 5])
def test_a_completion_that_is_repeated_appends_nothing(n_times: int) -> None:
    # Upstream's TMS said it again at each restart, and the log grew each time.
    state, uuid = running()
    state = after(state, *[completed(uuid)] * n_times)
    assert [line.target_phase for line in state.taskforces[uuid].phase_change_log].count(Phase.CONDOR_COMPLETE) == 1


@pytest.mark.parametrize("report", ["removed", "completed"])
def test_the_end_of_another_cluster_is_not_the_end_of_the_taskforce(report: str) -> None:
    state, uuid = stopping()
    stimulus = removed(uuid, 8) if report == "removed" else completed(uuid, 8)
    assert decide(state, stimulus, NOW).after is state


def test_a_removal_without_an_end_is_asked_about_until_the_tms_finds_nothing() -> None:
    state, uuid = stopping()
    state = after(state, removed(uuid), now=later(seconds=1))
    outcome = decide(state, Woken(), later(seconds=31))
    assert [type(event) for event in outcome.events] == [TaskforceStop]
    state = after(outcome.after, removed(uuid, None), now=later(seconds=32))
    assert state.taskforces[uuid].phase is Phase.CONDOR_COMPLETE
    assert state.workflow.over_at == later(seconds=32)


def test_a_cluster_that_is_gone_when_it_is_to_be_stopped_comes_to_its_end() -> None:
    state, uuid = stopping()
    state = after(state, removed(uuid, None))
    assert state.taskforces[uuid].phase is Phase.CONDOR_RM, "its log may still tell when it ended"
    state = after(state, removed(uuid, None))
    assert state.taskforces[uuid].phase is Phase.CONDOR_COMPLETE


def test_a_failing_removal_is_tried_for_ever_but_logged_three_times() -> None:
    state, uuid = stopping()
    at = NOW
    n_lines = len(state.taskforces[uuid].phase_change_log)
    for n in range(1, 8):
        state = after(state, remove_failed(uuid, "away"), now=at)
        assert bool(state.taskforces[uuid].stuck) == (n >= 3)
        assert state.workflow.wake_at is not None
        at = state.workflow.wake_at
        outcome = decide(state, Woken(), at)
        assert [type(event) for event in outcome.events] == [TaskforceStop]
        state = outcome.after
    log = state.taskforces[uuid].phase_change_log
    assert len(log) == n_lines + 3
    assert (log[-1].target_phase, log[-1].was_successful, log[-1].context) == ("condor-rm", False, "ERROR: away")


def test_a_long_error_is_cut_in_the_log() -> None:
    state, _ = starting()
    uuid = first(state)
    state = after(state, failed(uuid, "x" * 100_000))
    assert len(last_line(state, uuid).context) == 4096
