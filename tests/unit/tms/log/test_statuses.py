"""The tally: where each event leaves a job, counts that always add up, and laws of replay and batching."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tms.log.checkpoint import Checkpoint, checkpoint_from_bytes, checkpoint_to_bytes
from tms.log.job_events import (
    ClusterRemoved,
    ClusterSubmitted,
    EventType,
    JobEnded,
    JobEvent,
    JobHeld,
    JobMoved,
    JobRequeued,
    PilotChirped,
    parse_log,
)
from tms.log.log_rules import MAX_ERRORS, MAX_PROCS, MAX_SLOTS, OTHER
from tms.log.statuses import Tally
from tms.pools.local.event_log import job_executing

REAL = next((Path(__file__).parents[3] / "data" / "job_event_logs").glob("factory*.log")).read_bytes()

SUBMIT, EXECUTE = JobMoved(0, EventType.SUBMIT), JobMoved(0, EventType.EXECUTE)
TASKING, DONE = PilotChirped(0, "Status", "Tasking"), PilotChirped(0, "Status", "Done")
EVICTED = JobMoved(0, EventType.JOB_EVICTED)
RUNNING = (SUBMIT, EXECUTE, TASKING)
MEMORY = "HELD: Memory usage exceeds a memory limit"


def tally(*events: JobEvent, n_workers: int = 1) -> Tally:
    result = Tally(n_workers)
    result.fold_events(events)
    return result


OOM = "SIGKILL (most often out of memory)"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((), {"IDLE": {"null": 1}}),
        ((SUBMIT,), {"IDLE": {"null": 1}}),
        ((SUBMIT, EXECUTE), {"RUNNING": {"null": 1}}),
        (RUNNING, {"RUNNING": {"Tasking": 1}}),
        # An evicted job waits without a pilot, and its next pilot has not spoken yet.
        ((*RUNNING, EVICTED), {"IDLE": {"null": 1}}),
        ((*RUNNING, EVICTED, EXECUTE), {"RUNNING": {"null": 1}}),
        ((*RUNNING, JobMoved(0, EventType.SHADOW_EXCEPTION)), {"IDLE": {"null": 1}}),
        ((*RUNNING, JobMoved(0, EventType.JOB_RECONNECT_FAILED)), {"IDLE": {"null": 1}}),
        # After a restart of the pool, the pilot's last word is that of before.
        ((*RUNNING, JobMoved(0, EventType.JOB_DISCONNECTED)), {"RUNNING": {"null": 1}}),
        (
            (*RUNNING, JobMoved(0, EventType.JOB_DISCONNECTED), JobMoved(0, EventType.JOB_DISCONNECTED)),
            {"RUNNING": {"null": 1}},
        ),
        (
            (*RUNNING, JobMoved(0, EventType.JOB_DISCONNECTED), JobMoved(0, EventType.JOB_RECONNECTED)),
            {"RUNNING": {"Tasking": 1}},
        ),
        # Two words for the same eviction.
        ((*RUNNING, JobMoved(0, EventType.SHADOW_EXCEPTION), EVICTED), {"IDLE": {"null": 1}}),
        # HTCondor logs the eviction before the hold or the removal that caused it: the pilot's last word belongs there.
        ((*RUNNING, EVICTED, JobHeld(0, 34, 102)), {MEMORY: {"Tasking": 1}}),
        ((*RUNNING, JobHeld(0, 34, 102)), {MEMORY: {"Tasking": 1}}),
        ((*RUNNING, EVICTED, JobMoved(0, EventType.JOB_ABORTED)), {"REMOVED": {"Tasking": 1}}),
        ((*RUNNING, JobHeld(0, 34, 102), JobMoved(0, EventType.JOB_RELEASED)), {"IDLE": {"null": 1}}),
        ((*RUNNING, JobHeld(0, 34, 0), JobMoved(0, EventType.JOB_RELEASED), JobHeld(0, 34, 0)), {MEMORY: {"null": 1}}),
        (
            (SUBMIT, JobHeld(0, 3, 9_000_015)),
            {
                "HELD: The pilot was killed by SIGKILL (most often out of memory); it starts again after a pause": {
                    "null": 1
                }
            },
        ),
        (
            (SUBMIT, JobHeld(0, 3, 65_000_015)),
            {"HELD: The pilot was killed by signal 65; it starts again after a pause": {"null": 1}},
        ),
        ((SUBMIT, JobHeld(0, 4711, 5)), {"HELD: Code 4711 subcode 5": {"null": 1}}),
        ((SUBMIT, JobHeld(0, 6, 2)), {"HELD: The executable could not be started (ENOENT)": {"null": 1}}),
        ((SUBMIT, JobHeld(0, 13, (2 << 8) | 7)), {"HELD: Input files could not be transferred (ENOENT)": {"null": 1}}),
        ((SUBMIT, JobHeld(0, 34, 104)), {"HELD: Disk usage exceeds a disk limit": {"null": 1}}),
        # A suspended job stands still with its pilot, and an unsuspended one runs on.
        ((*RUNNING, JobMoved(0, EventType.JOB_SUSPENDED)), {"SUSPENDED": {"Tasking": 1}}),
        (
            (*RUNNING, JobMoved(0, EventType.JOB_SUSPENDED), JobMoved(0, EventType.JOB_UNSUSPENDED)),
            {"RUNNING": {"Tasking": 1}},
        ),
        ((*RUNNING, DONE, JobEnded(0, 0)), {"COMPLETED": {"Done": 1}}),
        ((*RUNNING, DONE, JobEnded(0, 0), JobMoved(0, EventType.JOB_ABORTED)), {"COMPLETED": {"Done": 1}}),
        ((*RUNNING, JobMoved(0, EventType.JOB_ABORTED), JobEnded(0, 0)), {"REMOVED": {"Tasking": 1}}),
        ((*RUNNING, DONE, JobEnded(0, 0), EVICTED), {"COMPLETED": {"Done": 1}}),
        (
            (*RUNNING, JobEnded(0, 1), JobHeld(0, 3, 0)),
            {"HELD: The pilot ended early; it starts again after a pause": {"Tasking": 1}},
        ),
        # Late or early chirps place nothing that is placed.
        ((*RUNNING, JobEnded(0, 0), DONE), {"COMPLETED": {"Done": 1}}),
        ((*RUNNING, EVICTED, DONE), {"IDLE": {"null": 1}}),
        ((TASKING,), {"RUNNING": {"Tasking": 1}}),
        ((*RUNNING, PilotChirped(0, "TasksTotal", "7")), {"RUNNING": {"Tasking": 1}}),
    ],
)
def test_where_events_leave_a_job(events: tuple[JobEvent, ...], expected: dict[str, dict[str, int]]) -> None:
    assert tally(*events).count_statuses() == expected


def test_procs_that_were_never_made_wait_like_idle_ones() -> None:
    assert tally(SUBMIT, n_workers=10_000).count_statuses() == {"IDLE": {"null": 10_000}}


def test_procs_that_were_never_made_are_removed_with_their_cluster() -> None:
    done = tally(SUBMIT, EXECUTE, JobEnded(0, 0), ClusterRemoved(7, None), n_workers=5)
    assert done.count_statuses() == {"COMPLETED": {"null": 1}, "REMOVED": {"null": 4}}


def test_the_last_error_of_each_job_counts() -> None:
    errors = [PilotChirped(n, "Error", text) for n, text in enumerate(["a", "b", "b", "c"])]
    counted = tally(*errors, PilotChirped(0, "Error", "b"), n_workers=4)
    assert counted.top_errors() == {"b": 3, "c": 1}


def test_ten_errors_are_reported_the_commonest_first() -> None:
    counted = tally(*(PilotChirped(n, "Error", f"error {n % 25 if n > 50 else 0}") for n in range(200)), n_workers=200)
    assert len(counted.top_errors()) == 10
    assert next(iter(counted.top_errors())) == "error 0"


def test_a_flood_of_different_errors_takes_bounded_room() -> None:
    counted = tally(*(PilotChirped(n, "Error", f"at {n}") for n in range(3 * MAX_ERRORS)), n_workers=3 * MAX_ERRORS)
    assert counted.top_errors()[OTHER] == 2 * MAX_ERRORS
    long = tally(PilotChirped(0, "Error", "x" * 1_000_000))
    assert len(next(iter(long.top_errors()))) == 1000


def test_a_flood_of_different_words_and_holds_takes_bounded_room() -> None:
    counted = tally(
        *(PilotChirped(n, "Status", f"word {n}") for n in range(500)),
        *(JobHeld(n, n + 1000, 0) for n in range(500, 1000)),
        n_workers=1000,
    )
    compound = counted.count_statuses()
    assert sum(sum(pilots.values()) for pilots in compound.values()) == 1000
    assert len(compound) < 120
    assert OTHER in compound["RUNNING"]


def test_an_absurd_proc_takes_no_memory() -> None:
    counted = tally(JobMoved(MAX_PROCS, EventType.SUBMIT), PilotChirped(MAX_PROCS + 1, "Error", "x"))
    assert len(counted.jobs) == 0
    assert counted.top_errors() == {}


def test_exit_codes_are_counted() -> None:
    assert tally(*(JobEnded(n, n % 2) for n in range(5)), JobEnded(5, -9)).exits == {0: 3, 1: 2, -9: 1}


def test_kills_are_counted_by_signal_with_the_last_time() -> None:
    at = [datetime(2026, 11, 29, 12, minute, tzinfo=UTC) for minute in range(6)]
    counted = tally(
        *RUNNING, JobHeld(0, 3, 9_000_015, at[0]), EXECUTE, JobRequeued(0, -9, at[1]), EXECUTE,
        JobRequeued(0, 143, at[2]), EXECUTE, JobRequeued(0, 1, at[3]), EXECUTE, JobHeld(0, 3, 100_015, at[4]),
        EXECUTE, JobEnded(0, -9, at[5]), JobEnded(0, -9, at[5]),
    )  # fmt: skip
    assert [(one.signal, one.n_kills, one.last_at) for one in counted.kills.values()] == [
        (OOM, 3, at[5]),
        ("SIGTERM", 1, at[2]),
    ]
    assert tally(*RUNNING, JobRequeued(0, -9)).count_statuses() == {"IDLE": {"null": 1}}


def test_a_kill_is_told_with_its_worker_and_the_slot_of_that_run() -> None:
    at = [datetime(2026, 11, 29, 12, minute, tzinfo=UTC) for minute in range(7)]
    one, two = (JobMoved(proc, EventType.EXECUTE, f"slot1_{proc}@node7") for proc in (1, 2))
    moved = JobMoved(1, EventType.EXECUTE, "slot9@node8")
    counted = tally(
        one, two, JobRequeued(1, -9, at[0]), moved, JobRequeued(1, -9, at[1]), JobHeld(2, 3, 9_000_015, at[2]),
        JobRequeued(3, -9, None), n_workers=4,
    )  # fmt: skip
    assert [(kill.worker, kill.slot, kill.at) for kill in counted.kills[9].latest] == [
        (1, "slot1_1@node7", at[0]), (1, "slot9@node8", at[1]), (2, "slot1_2@node7", at[2]), (3, "", None),
    ]  # fmt: skip
    again = tally(*(JobRequeued(0, -9, instant) for instant in at))
    assert (again.kills[9].n_kills, [kill.at for kill in again.kills[9].latest]) == (7, at[2:])


def test_the_slots_of_a_huge_taskforce_take_no_more_memory_than_those_of_a_large_one() -> None:
    started = (JobMoved(proc, EventType.EXECUTE, f"slot{proc}@node7") for proc in range(MAX_SLOTS + 1))
    counted = tally(*started, JobRequeued(MAX_SLOTS, -9), n_workers=MAX_SLOTS + 1)
    assert (len(counted.slots), counted.kills[9].latest[0].slot) == (MAX_SLOTS, "")


def test_a_real_log_names_the_slot_of_each_job_that_ran() -> None:
    counted = Tally(12)
    counted.fold_events(parse_log(REAL).events)
    assert counted.slots[0] == "slot1_1@localhost.localdomain"
    assert all(slot.endswith("@localhost.localdomain") for slot in counted.slots.values())


EXECUTING = "001 (7.0.0) 2026-11-29 12:00:00 Job executing on host:"


@pytest.mark.parametrize(
    ("record", "slot"),
    [
        (job_executing(7, 0, datetime(2026, 11, 29, 12), "vm"), "vm"),
        (
            "001 (7.0.0) 2026-11-29 12:00:00 Job executing on host: <1.2.3.4:5?addrs=1-5&alias=node7&sock=x>\n...\n",
            "node7",
        ),
        ("001 (7.0.0) 2026-11-29 12:00:00 Job executing on host: <1.2.3.4:5>\n...\n", ""),
    ],
)
def test_a_log_without_slots_names_the_machine_if_it_can(record: str, slot: str) -> None:
    (event,) = parse_log(record.encode()).events
    assert isinstance(event, JobMoved)
    assert event.slot == slot


def test_an_end_that_is_logged_twice_counts_once_and_that_of_another_run_again() -> None:
    assert tally(*RUNNING, JobEnded(0, 1), JobEnded(0, 1), JobMoved(0, EventType.JOB_ABORTED)).exits == {1: 1}
    assert tally(*RUNNING, JobMoved(0, EventType.JOB_ABORTED), JobEnded(0, 1)).exits == {}
    assert tally(*RUNNING, JobEnded(0, 1), EXECUTE, JobEnded(0, 1)).exits == {1: 2}


def test_a_real_log_ends_as_its_story_went() -> None:
    counted = Tally(12)
    counted.fold_events(parse_log(REAL).events)
    assert counted.count_statuses() == {"COMPLETED": {"Tasking": 6}, "REMOVED": {"Tasking": 6}}
    assert counted.exits == {0: 5, 3: 1}
    assert sum(counted.top_errors().values()) == 12
    assert counted.cluster_id == 1
    assert counted.removed is not None


procs = st.integers(0, 5)
instants = st.none() | st.datetimes(timezones=st.just(UTC))
events = st.lists(
    st.one_of(
        st.builds(JobMoved, procs, st.sampled_from(EventType)),
        st.builds(JobMoved, procs, st.just(EventType.EXECUTE), st.sampled_from(["", "slot1@node7", "slot1@node8"])),
        st.builds(JobHeld, procs, st.integers(0, 40), st.integers(0, 110), instants),
        st.builds(JobHeld, procs, st.just(3), st.sampled_from([9_000_015, 15_000_030]), instants),
        st.builds(JobEnded, procs, st.integers(-15, 3), instants),
        st.builds(JobRequeued, procs, st.integers(-15, 3), instants),
        st.builds(PilotChirped, procs, st.sampled_from(["Status", "Error", "TasksTotal"]), st.text(max_size=3)),
        st.builds(ClusterSubmitted, st.just(7)),
        st.builds(ClusterRemoved, st.just(7), st.none()),
    ),
    max_size=60,
)


def shown(counted: Tally) -> tuple[object, ...]:
    return (
        counted.count_statuses(),
        Counter(counted.top_errors()),
        counted.exits,
        counted.kills,
        counted.cluster_id,
        counted.removed,
    )


@given(events)
def test_counts_add_up_to_the_workers(story: list[JobEvent]) -> None:
    compound = tally(*story, n_workers=6).count_statuses()
    assert sum(sum(pilots.values()) for pilots in compound.values()) == 6
    assert all(n > 0 for pilots in compound.values() for n in pilots.values())


@given(events, st.data())
def test_batching_and_checkpoints_change_nothing(story: list[JobEvent], data: st.DataObject) -> None:
    whole = tally(*story, n_workers=6)
    cut = data.draw(st.integers(0, len(story)))
    part = tally(*story[:cut], n_workers=6)
    kept = checkpoint_from_bytes(checkpoint_to_bytes(Checkpoint(5, 99, (3, "abc"), 2, False, part)))
    assert kept is not None
    assert (kept.inode, kept.offset, kept.head, kept.n_corrupt) == (5, 99, (3, "abc"), 2)
    kept.tally.fold_events(story[cut:])
    assert shown(kept.tally) == shown(whole)


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=5))
def test_a_damaged_checkpoint_is_none_or_can_be_counted(position: int, damage: bytes) -> None:
    counted = Tally(12)
    counted.fold_events(parse_log(REAL).events)
    data = checkpoint_to_bytes(Checkpoint(5, 99, (3, "abc"), 2, False, counted))
    cut = position % len(data)
    assert checkpoint_from_bytes(data[:cut]) is None
    kept = checkpoint_from_bytes(data[:cut] + damage + data[cut:])
    assert kept is None or kept.tally.count_statuses()


def test_holds_are_counted_by_a_few_reasons() -> None:
    held = tally(SUBMIT, JobHeld(0, 34, 0), JobHeld(0, 26, 102), JobHeld(0, 34, 104), JobHeld(0, 4711, 1))
    assert held.new_holds == {
        "Memory usage exceeds a memory limit": 2,
        "The pool's policy held it": 1,
        "other": 1,
    }
