"""The whole TMS as a process, between a real broker and both pools."""

import json
from pathlib import Path

import htcondor2
import pytest

from schemas.events import (
    TaskforceCompleted,
    TaskforceRelease,
    TaskforceRemove,
    TaskforceRemoved,
    TaskforceStart,
    TaskforceStop,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
)
from tests.integration.tms.conftest import SCHEDD, TOKEN, Peers
from tests.integration.tms.process import TmsProcess
from tests.unit.tms.orders import UUID, order
from tests.waiting import eventually


def start(**changes: object) -> TaskforceStart:
    small = {"worker_memory": "64M", "worker_disk": "1M"}
    return order(**{"schedd": SCHEDD, "n_workers": 3, "worker": small, **changes})


def command(environment: dict[str, str], stay: str, exit_code: str) -> str:
    """Return the pilots' command with other last words."""
    return json.dumps([*json.loads(environment["EWMS_PILOT_COMMAND"])[:2], stay, exit_code])


async def test_a_taskforce_from_its_start_to_its_end(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], pool_kind: str
) -> None:
    await tms.start()
    await tms.ready()
    peers.answers = False
    await peers.order(start())
    await eventually(lambda: peers.said(TaskforceSubmitted, UUID))
    (submitted,) = peers.said(TaskforceSubmitted, UUID)
    assert submitted.n_workers == 3
    assert submitted.submit_dict["+EWMSTaskforceUUID"] == f'"{UUID}"'
    assert [(g.taskforce_uuid, g.workflow_id) for g in peers.grants] == [(UUID, "WF-6b00e09f-926a610b")]
    directory = Path(environment["EWMS_TMS_DIR"]) / "taskforces" / UUID
    token = directory / "ewms_pilot_token"
    assert token.read_text() == TOKEN
    assert (token.stat().st_mode & 0o777, directory.stat().st_mode & 0o777) == (0o600, 0o700)
    # TMS is the account that has this directory.
    assert token.stat().st_uid == Path(environment["EWMS_TMS_DIR"]).stat().st_uid
    assert submitted.job_event_log_fpath == str(directory / "job.log")
    await eventually(lambda: peers.statuses(UUID) == {"IDLE": {"null": 3}})
    await peers.order(TaskforceRelease(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=submitted.cluster_id))
    await eventually(lambda: "Tasking" in peers.statuses(UUID).get("RUNNING", {}))
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    assert peers.statuses(UUID) == {"COMPLETED": {"Done": 3}}
    (completed,) = peers.said(TaskforceCompleted, UUID)
    assert completed.cluster_id == submitted.cluster_id
    await eventually(lambda: not token.exists())
    numbers = [(s.epoch, s.seq) for s in peers.snapshots(UUID)]
    assert numbers == sorted(set(numbers))
    assert await tms.stop() == 0


@pytest.mark.parametrize("pool_kind", ["condor"], indirect=True)
async def test_a_user_hears_of_workers_that_no_slot_takes_and_others_have_the_slots(
    tms: TmsProcess, peers: Peers, pool_kind: str
) -> None:
    await tms.start()
    huge = {"worker_memory": "999T", "worker_disk": "1M", "priority": 100}
    await peers.order(start(owner="Ada@example.org", n_workers=30, worker=huge))
    await eventually(lambda: peers.statuses(UUID) == {"IDLE": {"null": 30}})
    other = "TF-6b00e09f-926a610b-485d2fc0-00000002"
    await peers.order(start(owner="bob", taskforce_uuid=other, n_workers=1))
    await eventually(lambda: peers.said(TaskforceCompleted, other))
    await eventually(lambda: any(snapshot.unmatched for snapshot in peers.snapshots(UUID)))
    said = {snapshot.unmatched for snapshot in peers.snapshots(UUID)}
    assert said == {"", "no slot offers 999 TB of memory; the largest has 16 GB; ask for worker_memory=16G or less"}
    assert {snapshot.unmatched for snapshot in peers.snapshots(other)} == {""}
    schedd = htcondor2.Schedd(htcondor2.Collector().locateAll(htcondor2.DaemonType.Schedd)[0])
    ads = schedd.query(f'EWMSTaskforceUUID == "{UUID}"', ["AccountingGroup"])
    assert {ad["AccountingGroup"] for ad in ads} == {"ewms-_41da_40example_2eorg"}


async def test_a_running_taskforce_is_stopped(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], pool_kind: str
) -> None:
    environment["EWMS_PILOT_COMMAND"] = command(environment, "600", "0")
    await tms.start()
    await peers.order(start())
    await eventually(lambda: "Tasking" in peers.statuses(UUID).get("RUNNING", {}))
    cluster_id = peers.clusters[UUID]
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=cluster_id))
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    assert [r.cluster_id for r in peers.said(TaskforceRemoved, UUID)] == [cluster_id]
    assert sum(peers.statuses(UUID)["REMOVED"].values()) == 3
    # A stop that is repeated is answered again.
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=cluster_id))
    await eventually(
        lambda: len(peers.said(TaskforceRemoved, UUID)) == 2 and len(peers.said(TaskforceCompleted, UUID)) == 2
    )


async def test_a_trace_goes_on_through_tms_to_its_reports_and_to_its_pilots(
    tms: TmsProcess, peers: Peers, environment: dict[str, str]
) -> None:
    """The event's own trace goes on in the answer. That of the request is in the pilots' variables."""
    await tms.start()
    peers.answers = False
    sent, requested = f"00-{'a' * 32}-{'b' * 16}-01", f"00-{'c' * 32}-{'d' * 16}-01"
    await peers.order(start(traceparent=requested), traceparent=sent)
    await eventually(lambda: peers.said(TaskforceSubmitted, UUID))
    assert {event.traceparent for event in peers.heard if isinstance(event.data, TaskforceSubmitted)} == {sent}
    directory = Path(environment["EWMS_TMS_DIR"]) / "taskforces" / UUID
    told = json.loads((directory / "ewms_pilot_task.json").read_text())["environment"]
    assert told["TRACEPARENT"] == requested


async def test_a_stop_without_a_cluster_forbids_a_late_start(tms: TmsProcess, peers: Peers) -> None:
    await tms.start()
    await tms.ready()
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=None))
    await eventually(lambda: peers.said(TaskforceRemoved, UUID))
    await peers.order(start())
    await eventually(lambda: len(peers.said(TaskforceRemoved, UUID)) == 2)
    assert [r.cluster_id for r in peers.said(TaskforceRemoved, UUID)] == [None, None]
    assert peers.said(TaskforceSubmitted, UUID) == []


async def test_a_stop_of_a_cluster_that_nobody_has_heard_of_is_answered(tms: TmsProcess, peers: Peers) -> None:
    await tms.start()
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=4711))
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    assert [r.cluster_id for r in peers.said(TaskforceRemoved, UUID)] == [4711]


async def test_a_release_of_a_cluster_that_nobody_has_heard_of_is_answered(tms: TmsProcess, peers: Peers) -> None:
    await tms.start()
    await peers.order(TaskforceRelease(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=4711))
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))


async def test_a_start_that_is_repeated_reports_the_same_cluster(tms: TmsProcess, peers: Peers, pool_kind: str) -> None:
    peers.answers = False
    await tms.start()
    for _ in range(3):
        await peers.order(start())
    await eventually(lambda: len(peers.said(TaskforceSubmitted, UUID)) >= 3)
    assert len({s.cluster_id for s in peers.said(TaskforceSubmitted, UUID)}) == 1


async def test_a_start_that_comes_after_the_end_submits_nothing(tms: TmsProcess, peers: Peers, pool_kind: str) -> None:
    await tms.start()
    await peers.order(start())
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    await peers.order(start())
    await eventually(lambda: len(peers.said(TaskforceCompleted, UUID)) == 2)
    assert len({s.cluster_id for s in peers.said(TaskforceSubmitted, UUID)}) == 1
    assert len(peers.grants) == 1


async def test_an_unwanted_cluster_is_removed(tms: TmsProcess, peers: Peers, pool_kind: str) -> None:
    peers.answers = False
    await tms.start()
    await peers.order(start())
    await eventually(lambda: peers.said(TaskforceSubmitted, UUID))
    cluster_id = peers.said(TaskforceSubmitted, UUID)[0].cluster_id
    await peers.order(TaskforceRemove(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=cluster_id))
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    assert peers.said(TaskforceRemoved, UUID) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"worker": {"condor_requirements": 'userHome("root") =!= "x"'}}, "userHome"),
        ({"pilot": {"input_files": ["/etc/passwd"]}}, "/etc/passwd"),
        ({"pilot": {"environment": {"_EWMS_PILOT_CONTAINER_PLATFORM": "docker"}}}, "docker"),
    ],
)
async def test_what_must_not_be_submitted_is_refused_with_the_reason(
    tms: TmsProcess, peers: Peers, changes: dict[str, object], reason: str
) -> None:
    await tms.start()
    await peers.order(start(**changes))
    await eventually(lambda: peers.said(TaskforceSubmitFailed, UUID))
    assert reason in peers.said(TaskforceSubmitFailed, UUID)[0].error
    assert peers.said(TaskforceSubmitted, UUID) == []


async def test_a_held_job_is_reported_with_its_reason_and_runs_on_when_released(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], condor: Path, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    environment["EWMS_PILOT_COMMAND"] = command(environment, str(go_on), "0")
    await tms.start()
    await peers.order(start(n_workers=1))
    await eventually(lambda: UUID in peers.clusters)
    schedd = htcondor2.Schedd(htcondor2.Collector().locateAll(htcondor2.DaemonType.Schedd)[0])
    await eventually(lambda: "Tasking" in peers.statuses(UUID).get("RUNNING", {}))
    schedd.act(htcondor2.JobAction.Hold, f"{peers.clusters[UUID]}.0", reason=("by hand", 7))
    await eventually(lambda: peers.statuses(UUID) == {"HELD: Put on hold by a user": {"Tasking": 1}})
    # WMS repeats a release when TMS has said the cluster again: it must not undo what a person did.
    await peers.order(TaskforceRelease(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=peers.clusters[UUID]))
    await tms.stop()
    await tms.start()
    await tms.ready()
    await eventually(lambda: len(peers.said(TaskforceSubmitted, UUID)) > 1)
    (job,) = schedd.query(f"ClusterId == {peers.clusters[UUID]}", ["JobStatus"])
    assert job["JobStatus"] == 5
    go_on.touch()
    schedd.act(htcondor2.JobAction.Release, f"{peers.clusters[UUID]}.0", reason=("by hand", 7))
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    assert peers.statuses(UUID) == {"COMPLETED": {"Done": 1}}
