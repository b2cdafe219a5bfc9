"""The whole TMS as a process, between a real broker and both pools."""

import asyncio
import json
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import htcondor2
import httpx2
import pytest
from yarl import URL

from deploy.local.ports import free_ports
from deploy.local.rabbitmq import RabbitMQ
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
from schemas.logs import LogAnswer, LogQuery, LogsAnswer, LogsQuery, Stream
from tests.integration.tms.conftest import SCHEDD, TOKEN, Peers, TmsProcess, until
from tests.unit.tms.orders import UUID, order

#: A server dies with the thread that started it, so that thread must live as long as the session.
FOR_EVER = ThreadPoolExecutor(max_workers=1)


def start(**changes: object) -> TaskforceStart:
    small = {"worker_memory": "64M", "worker_disk": "1M"}
    return order(**{"schedd": SCHEDD, "n_workers": 3, "worker": small, **changes})


async def test_a_taskforce_from_its_start_to_its_end(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], pool_kind: str
) -> None:
    await tms.start()
    await tms.ready()
    peers.answers = False
    await peers.order(start())
    await until(lambda: peers.said(TaskforceSubmitted, UUID))
    (submitted,) = peers.said(TaskforceSubmitted, UUID)
    assert submitted.n_workers == 3
    assert submitted.submit_dict["+EWMSTaskforceUUID"] == f'"{UUID}"'
    assert [(g.taskforce_uuid, g.workflow_id) for g in peers.grants] == [(UUID, "WF-6b00e09f-926a610b")]
    directory = Path(environment["EWMS_TMS_DIR"]) / "taskforces" / UUID
    token = directory / "ewms_pilot_token"
    assert token.read_text() == TOKEN
    assert (token.stat().st_mode & 0o777, directory.stat().st_mode & 0o777) == (0o600, 0o700)
    assert submitted.job_event_log_fpath == str(directory / "job.log")
    await until(lambda: peers.statuses(UUID) == {"IDLE": {"null": 3}})
    await peers.order(TaskforceRelease(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=submitted.cluster_id))
    await until(lambda: "Tasking" in peers.statuses(UUID).get("RUNNING", {}))
    await until(lambda: peers.said(TaskforceCompleted, UUID))
    assert peers.statuses(UUID) == {"COMPLETED": {"Done": 3}}
    (completed,) = peers.said(TaskforceCompleted, UUID)
    assert completed.cluster_id == submitted.cluster_id
    await until(lambda: not token.exists())
    numbers = [(s.epoch, s.seq) for s in peers.snapshots(UUID)]
    assert numbers == sorted(set(numbers))
    assert await tms.stop() == 0


@pytest.mark.parametrize(
    "failpoint", ["tms.start.found_none", "tms.start.submitted", "tms.start.reported", "bus.handled"]
)
async def test_killed_anywhere_in_a_start_it_submits_once(
    tms: TmsProcess, peers: Peers, pool_kind: str, failpoint: str
) -> None:
    await tms.start(EWMS_FAILPOINT=f"{failpoint}:kill")
    await tms.ready()
    await peers.order(start())
    assert await tms.ended() == -9
    await tms.start()
    await until(lambda: peers.said(TaskforceCompleted, UUID))
    clusters = {s.cluster_id for s in peers.said(TaskforceSubmitted, UUID)}
    assert len(clusters) == 1
    assert {c.cluster_id for c in peers.said(TaskforceCompleted, UUID)} == clusters
    assert peers.statuses(UUID) == {"COMPLETED": {"Done": 3}}


async def test_killed_while_jobs_run_it_goes_on_where_it_was(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], pool_kind: str
) -> None:
    environment["EWMS_PILOT_COMMAND"] = json.dumps([*json.loads(environment["EWMS_PILOT_COMMAND"])[:2], "5", "0"])
    await tms.start()
    await peers.order(start())
    await until(lambda: "Tasking" in peers.statuses(UUID).get("RUNNING", {}))
    before = peers.snapshots(UUID)[-1]
    await tms.stop(signal.SIGKILL)
    await tms.start()
    await until(lambda: peers.said(TaskforceCompleted, UUID))
    assert peers.statuses(UUID) == {"COMPLETED": {"Done": 3}}
    assert peers.snapshots(UUID)[-1].epoch == before.epoch + 1
    assert len({s.cluster_id for s in peers.said(TaskforceSubmitted, UUID)}) == 1
    log = Path(peers.said(TaskforceSubmitted, UUID)[0].job_event_log_fpath).read_bytes()
    assert log.count(b"\n001 (") == 3 or pool_kind == "local"


async def test_killed_after_saying_that_a_cluster_has_left_it_says_so_again(tms: TmsProcess, peers: Peers) -> None:
    await tms.start(EWMS_FAILPOINT="tms.watch.completed:kill")
    await peers.order(start())
    assert await tms.ended() == -9
    await tms.start()
    await until(lambda: len(peers.said(TaskforceCompleted, UUID)) == 2)
    assert len({c.cluster_id for c in peers.said(TaskforceCompleted, UUID)}) == 1
    await tms.stop()
    await tms.start()
    await tms.ready()
    await peers.order(start(taskforce_uuid=UUID[:-1] + "5"))
    await until(lambda: peers.said(TaskforceCompleted, UUID[:-1] + "5"))
    assert len(peers.said(TaskforceCompleted, UUID)) == 2


async def test_a_running_taskforce_is_stopped(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], pool_kind: str
) -> None:
    environment["EWMS_PILOT_COMMAND"] = json.dumps([*json.loads(environment["EWMS_PILOT_COMMAND"])[:2], "600", "0"])
    await tms.start()
    await peers.order(start())
    await until(lambda: "Tasking" in peers.statuses(UUID).get("RUNNING", {}))
    cluster_id = peers.clusters[UUID]
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=cluster_id))
    await until(lambda: peers.said(TaskforceCompleted, UUID))
    assert [r.cluster_id for r in peers.said(TaskforceRemoved, UUID)] == [cluster_id]
    assert sum(peers.statuses(UUID)["REMOVED"].values()) == 3
    # A stop that is repeated is answered again.
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=cluster_id))
    await until(lambda: len(peers.said(TaskforceRemoved, UUID)) == 2 and len(peers.said(TaskforceCompleted, UUID)) == 2)


async def test_a_stop_without_a_cluster_forbids_a_late_start(tms: TmsProcess, peers: Peers) -> None:
    await tms.start()
    await tms.ready()
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=None))
    await until(lambda: peers.said(TaskforceRemoved, UUID))
    await peers.order(start())
    await until(lambda: len(peers.said(TaskforceRemoved, UUID)) == 2)
    assert [r.cluster_id for r in peers.said(TaskforceRemoved, UUID)] == [None, None]
    assert peers.said(TaskforceSubmitted, UUID) == []


async def test_a_stop_of_a_cluster_that_nobody_has_heard_of_is_answered(tms: TmsProcess, peers: Peers) -> None:
    await tms.start()
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=4711))
    await until(lambda: peers.said(TaskforceCompleted, UUID))
    assert [r.cluster_id for r in peers.said(TaskforceRemoved, UUID)] == [4711]


async def test_a_release_of_a_cluster_that_nobody_has_heard_of_is_answered(tms: TmsProcess, peers: Peers) -> None:
    await tms.start()
    await peers.order(TaskforceRelease(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=4711))
    await until(lambda: peers.said(TaskforceCompleted, UUID))


async def test_a_start_that_is_repeated_reports_the_same_cluster(tms: TmsProcess, peers: Peers, pool_kind: str) -> None:
    peers.answers = False
    await tms.start()
    for _ in range(3):
        await peers.order(start())
    await until(lambda: len(peers.said(TaskforceSubmitted, UUID)) >= 3)
    assert len({s.cluster_id for s in peers.said(TaskforceSubmitted, UUID)}) == 1


async def test_a_start_that_comes_after_the_end_submits_nothing(tms: TmsProcess, peers: Peers, pool_kind: str) -> None:
    await tms.start()
    await peers.order(start())
    await until(lambda: peers.said(TaskforceCompleted, UUID))
    await peers.order(start())
    await until(lambda: len(peers.said(TaskforceCompleted, UUID)) == 2)
    assert len({s.cluster_id for s in peers.said(TaskforceSubmitted, UUID)}) == 1
    assert len(peers.grants) == 1


async def test_an_unwanted_cluster_is_removed(tms: TmsProcess, peers: Peers, pool_kind: str) -> None:
    peers.answers = False
    await tms.start()
    await peers.order(start())
    await until(lambda: peers.said(TaskforceSubmitted, UUID))
    cluster_id = peers.said(TaskforceSubmitted, UUID)[0].cluster_id
    await peers.order(TaskforceRemove(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=cluster_id))
    await until(lambda: peers.said(TaskforceCompleted, UUID))
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
    await until(lambda: peers.said(TaskforceSubmitFailed, UUID))
    assert reason in peers.said(TaskforceSubmitFailed, UUID)[0].error
    assert peers.said(TaskforceSubmitted, UUID) == []


async def test_a_second_tms_waits_until_the_first_is_gone(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], tmp_path: Path
) -> None:
    await tms.start()
    await tms.ready()
    second = TmsProcess(environment, tmp_path / "second.log")
    await second.start()
    await peers.order(start())
    await until(lambda: peers.said(TaskforceCompleted, UUID))
    assert second.lines("ready") == []
    await tms.stop(signal.SIGKILL)
    await second.ready()
    other = UUID[:-1] + "5"
    await peers.order(start(taskforce_uuid=other))
    await until(lambda: peers.said(TaskforceCompleted, other))
    assert await second.stop() == 0
    assert peers.snapshots(other)[-1].epoch > peers.snapshots(UUID)[-1].epoch


async def test_a_second_tms_that_waits_is_alive_not_ready_and_can_be_stopped(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], tmp_path: Path
) -> None:
    await tms.start()
    await tms.ready()
    (port,) = free_ports(1)
    second = TmsProcess(environment | {"EWMS_HTTP_PORT": str(port)}, tmp_path / "second.log")
    await second.start()
    url = f"http://127.0.0.1:{port}"
    await until(lambda: answer(f"{url}/healthz") == 200)
    assert answer(f"{url}/readyz") == 503
    assert await second.stop() == 0
    assert second.lines("ready") == []


async def test_a_start_waits_for_mqs(tms: TmsProcess, peers: Peers) -> None:
    peers.mqs_is_away = True
    await tms.start()
    await peers.order(start())
    await until(lambda: tms.lines("inbox paused"))
    assert peers.said(TaskforceSubmitFailed, UUID) == []
    peers.mqs_is_away = False
    await until(lambda: peers.said(TaskforceCompleted, UUID))


async def test_a_held_job_is_reported_with_its_reason_and_runs_on_when_released(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], condor: Path
) -> None:
    environment |= {"EWMS_POOL": "condor", "CONDOR_CONFIG": str(condor)}
    environment["EWMS_PILOT_COMMAND"] = json.dumps([*json.loads(environment["EWMS_PILOT_COMMAND"])[:2], "6", "0"])
    await tms.start()
    await peers.order(start(n_workers=1))
    await until(lambda: UUID in peers.clusters)
    schedd = htcondor2.Schedd(htcondor2.Collector().locateAll(htcondor2.DaemonType.Schedd)[0])
    await until(lambda: "Tasking" in peers.statuses(UUID).get("RUNNING", {}))
    schedd.act(htcondor2.JobAction.Hold, f"{peers.clusters[UUID]}.0", reason=("by hand", 7))
    await until(lambda: peers.statuses(UUID) == {"HELD: Put on hold by a user": {"Tasking": 1}})
    # WMS repeats a release when TMS has said the cluster again: it must not undo what a person did.
    await peers.order(TaskforceRelease(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=peers.clusters[UUID]))
    await tms.stop()
    await tms.start()
    await tms.ready()
    await until(lambda: len(peers.said(TaskforceSubmitted, UUID)) > 1)
    (job,) = schedd.query(f"ClusterId == {peers.clusters[UUID]}", ["JobStatus"])
    assert job["JobStatus"] == 5
    schedd.act(htcondor2.JobAction.Release, f"{peers.clusters[UUID]}.0", reason=("by hand", 7))
    await until(lambda: peers.said(TaskforceCompleted, UUID))
    assert peers.statuses(UUID) == {"COMPLETED": {"Done": 1}}


async def test_a_cluster_whose_log_is_lost_is_noticed_by_the_sweep(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], condor: Path, tmp_path: Path
) -> None:
    """The taskforce's whole directory is gone, as after a disk was replaced: WMS still learns where it stands."""
    peers.answers = False
    environment |= {"EWMS_POOL": "condor", "CONDOR_CONFIG": str(condor)}
    await tms.start()
    await peers.order(start())
    await until(lambda: peers.said(TaskforceSubmitted, UUID))
    await tms.stop()
    shutil.rmtree(Path(environment["EWMS_TMS_DIR"]) / "taskforces")
    await tms.start()
    await until(lambda: len(peers.said(TaskforceSubmitted, UUID)) >= 2)
    # Neither does a start that comes again submit it twice: the schedd knows it, if no file does.
    await peers.order(start())
    await until(lambda: len(peers.said(TaskforceSubmitted, UUID)) >= 3)
    (cluster_id,) = {submitted.cluster_id for submitted in peers.said(TaskforceSubmitted, UUID)}
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=cluster_id))
    await until(lambda: peers.said(TaskforceRemoved, UUID))
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=cluster_id))
    await until(lambda: peers.said(TaskforceCompleted, UUID))


def answer(url: str) -> int:
    """Return the status code of a GET; 0 if nobody listens."""
    try:
        return httpx2.get(url).status_code
    except httpx2.TransportError:
        return 0


async def test_a_log_that_was_replaced_is_read_anew_in_a_new_epoch(
    tms: TmsProcess, peers: Peers, environment: dict[str, str]
) -> None:
    environment["EWMS_PILOT_COMMAND"] = json.dumps([*json.loads(environment["EWMS_PILOT_COMMAND"])[:2], "600", "0"])
    await tms.start()
    await peers.order(start())
    running = {"RUNNING": {"Tasking": 3}}
    await until(lambda: peers.statuses(UUID) == running)
    before = peers.snapshots(UUID)[-1]
    log = Path(peers.said(TaskforceSubmitted, UUID)[0].job_event_log_fpath)
    records = log.read_bytes().split(b"...\n")
    log.write_bytes(b"...\n".join([*records[:3], b""]))
    await until(lambda: peers.statuses(UUID) != running)
    assert peers.snapshots(UUID)[-1].epoch == before.epoch + 1


async def test_secrets_of_the_tms_are_nowhere(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], pool_kind: str, tmp_path: Path
) -> None:
    canary = "canary-4c7b1f"
    environment["EWMS_CANARY_SECRET"] = canary
    password = URL(environment["EWMS_CONTROL_AMQP_URL"]).password
    assert password
    peers.token_life = timedelta(seconds=4)
    environment["EWMS_PILOT_COMMAND"] = json.dumps([*json.loads(environment["EWMS_PILOT_COMMAND"])[:2], "2", "1"])
    hostile = "$ENV(EWMS_CANARY_SECRET) $(EWMS_CANARY_SECRET) {{INFILE}}\nexecutable=/bin/evil"
    await tms.start()
    task = {"task_args": hostile, "task_image": hostile, "task_env": {"X": hostile}}
    await peers.order(start(task=task, pilot={"environment": {"EWMS_PILOT_INFILE_EXT": hostile}}))
    await until(lambda: "RUNNING" in peers.statuses(UUID))
    # Neither what would expand it in a submit description nor a pilot has it in its environment.
    environments = tms.environments()
    assert any(("tms.pools.bindings" if pool_kind == "condor" else "worker.py") in name for name in environments)
    for command, inherited in environments.items():
        assert canary.encode() not in inherited, command
        assert password.encode() not in inherited, command
    ads = ""
    if pool_kind == "condor":
        schedd = htcondor2.Schedd(htcondor2.Collector().locateAll(htcondor2.DaemonType.Schedd)[0])
        ads = "".join(map(str, schedd.query("true", opts=htcondor2.QueryOpts.IncludeClusterAd)))
        assert UUID in ads
        assert TOKEN not in ads
    assert canary not in ads
    await until(lambda: peers.said(TaskforceCompleted, UUID))
    if pool_kind == "condor":
        ads = "".join(map(str, schedd.history("true", [], match=100)))
        assert UUID in ads
        assert canary not in ads
        assert TOKEN not in ads
    assert len(peers.grants) > 1, "the token was not renewed meanwhile"
    # A text that is refused comes back in the error; what it would have been expanded to must not.
    refused = f"{UUID[:-1]}0"
    await peers.order(start(taskforce_uuid=refused, pilot={"input_files": ["/srv/$ENV(EWMS_CANARY_SECRET)"]}))
    await until(lambda: peers.said(TaskforceSubmitFailed, refused))
    logs = await peers.ask(LogsQuery(taskforce_uuid=UUID))
    assert isinstance(logs, LogsAnswer)
    assert logs.files
    for file in logs.files:
        proc, stream = file.name.split(".")
        log = await peers.ask(LogQuery(taskforce_uuid=UUID, proc=int(proc), stream=Stream(stream)))
        assert isinstance(log, LogAnswer)
        assert canary.encode() not in log.data
    everything = "".join(event.model_dump_json() for event in peers.heard)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        for secret in (canary, TOKEN, password):
            assert secret.encode() not in content, path
    for secret in (canary, TOKEN, password):
        assert secret not in everything


async def test_a_broker_that_restarts_costs_no_word(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], rabbitmq: RabbitMQ
) -> None:
    environment["EWMS_PILOT_COMMAND"] = json.dumps([*json.loads(environment["EWMS_PILOT_COMMAND"])[:2], "3", "1"])
    await tms.start()
    await peers.order(start())
    await until(lambda: "Tasking" in peers.statuses(UUID).get("RUNNING", {}))
    await asyncio.get_running_loop().run_in_executor(FOR_EVER, rabbitmq.restart)
    await until(lambda: peers.said(TaskforceCompleted, UUID), timeout_s=90)
    assert peers.statuses(UUID) == {"COMPLETED": {"Done": 3}}
    assert peers.snapshots(UUID)[-1].top_task_errors == {"RuntimeError: bad pixel": 3}
    other = UUID[:-1] + "5"
    await peers.order(start(taskforce_uuid=other))
    await until(lambda: peers.said(TaskforceCompleted, other))
