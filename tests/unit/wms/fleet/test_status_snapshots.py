"""The writer of snapshots: what is pending at the end is written, and a store that refuses ends nothing but that."""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from runtime.kernel.decision import Decision
from runtime.kernel.store import Store
from schemas.errors import Broken, EWMSError, Rejected, Unavailable
from schemas.events import Snapshot, TaskforceStatuses, TaskforceStop
from schemas.ids import TaskforceUuid
from wms.fleet.choices.locations import Location, LocationMap
from wms.fleet.status_snapshots import SnapshotWriter, make_replacement, make_snapshot_update

AP1 = LocationMap({"osg": Location(schedd="ap1")})
NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


class Kept:
    """A store that keeps what is written, or refuses it."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.written: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.ended: list[dict[str, Any]] = []
        self.orders: list[Any] = []
        self.failure = failure

    async def bulk_update(self, _: str, updates: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> int:
        if self.failure is not None:
            raise self.failure
        self.written += updates
        return len(updates)

    async def find(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
        return self.ended

    async def transact(self, step: Callable[[Any], Awaitable[Decision]]) -> None:
        self.orders += (await step(None)).events


def said(seq: int) -> TaskforceStatuses:
    snapshot = Snapshot(
        taskforce_uuid=TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-00000001"),
        epoch=1,
        seq=seq,
        as_of=NOW,
        compound_statuses={"RUNNING": {"Tasking": seq}},
        top_task_errors={},
    )
    return TaskforceStatuses(schedd="ap1", snapshots=[snapshot])


async def test_what_is_pending_at_the_end_is_written_and_only_the_newest() -> None:
    kept = Kept()
    writer = SnapshotWriter(cast(Store, kept), AP1)
    for seq in (2, 3, 1):
        writer.offer_statuses(said(seq))
    await writer.stop()
    assert [update["$set"]["status_seq"] for _, update in kept.written] == [3]
    await writer.stop()
    assert len(kept.written) == 1


@pytest.mark.parametrize(
    ("schedd", "statuses", "n"), [("ap1", "RUNNING", 1), ("ap1", "REMOVED", 0), ("ap2", "IDLE", 0)]
)
async def test_workers_of_a_taskforce_that_ended_without_its_tms_are_ordered_to_end(
    schedd: str, statuses: str, n: int
) -> None:
    kept = Kept()
    kept.ended = [{"_id": "TF-6b00e09f-926a610b-485d2fc0-00000001", "schedd": schedd}]
    writer = SnapshotWriter(cast(Store, kept), AP1)
    [snapshot] = said(1).snapshots
    seen = snapshot.model_copy(update={"compound_statuses": {statuses: {"null": 1}}})
    writer.offer_statuses(TaskforceStatuses(schedd="ap1", snapshots=[seen]))
    await writer.stop()
    assert (
        kept.orders
        == [
            TaskforceStop(
                taskforce_uuid=TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-00000001"), schedd="ap1", cluster_id=None
            )
        ]
        * n
    )


@pytest.mark.parametrize("failure", [Unavailable("away"), Rejected("too large"), Broken("a defect")])
async def test_a_store_that_refuses_at_the_end_does_not_keep_the_process_from_ending(failure: EWMSError) -> None:
    kept = Kept(failure)
    writer = SnapshotWriter(cast(Store, kept), AP1)
    writer.offer_statuses(said(1))
    await writer.stop()
    # Nothing was forgotten over it.
    kept.failure = None
    await writer.stop()
    assert [update["$set"]["status_seq"] for _, update in kept.written] == [1]


def test_through_both_doors_no_more_is_kept_than_a_document_can_hold() -> None:
    errors = {f"error {n} {'x' * 1000}": n for n in range(5000)}
    compound = {f"HELD: {n}": {f"pilot {n} {'x' * 1000}": n for n in range(50)} for n in range(100)}
    snapshot = Snapshot(
        taskforce_uuid=TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-00000001"),
        epoch=1,
        seq=1,
        as_of=NOW,
        compound_statuses=compound,
        top_task_errors=errors,
    )
    by_event = make_snapshot_update("ap1", snapshot)[1]["$set"]
    by_rest = make_replacement(compound_statuses=compound, top_task_errors=errors, now=NOW)["$set"]
    assert sorted(by_event["top_task_errors"].values()) == list(range(4990, 5000))
    assert 900 < len(by_rest["top_task_errors"]) < 1100
    assert min(by_rest["top_task_errors"].values()) == 5000 - len(by_rest["top_task_errors"]), "the most frequent"
    assert by_event["compound_statuses"] == by_rest["compound_statuses"]
    assert 15 < len(by_rest["compound_statuses"]) < 25
    assert len(json.dumps(by_rest, default=str)) < 4 * 1024 * 1024


def test_what_is_little_is_kept_as_it_is() -> None:
    compound, errors = {"IDLE": {}, "started/tasked": {"a": 1, "b": 2}}, {"RuntimeError: $x.y": 2, "E": 3}
    kept = make_replacement(compound_statuses=compound, top_task_errors=errors, now=NOW)["$set"]
    assert (kept["compound_statuses"], kept["top_task_errors"]) == (compound, errors)
