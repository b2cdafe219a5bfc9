"""A TMS that is killed, doubled, or without one of those it needs goes on where it was."""

import asyncio
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from deploy.local.choices.ports import free_ports
from deploy.local.servers.rabbitmq import RabbitMQ
from schemas.events import (
    TaskforceCompleted,
    TaskforceRemoved,
    TaskforceStop,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
)
from tests.integration.tms.conftest import SCHEDD, Peers
from tests.integration.tms.process import TmsProcess
from tests.integration.tms.test_story import command, start
from tests.unit.tms.orders import UUID
from tests.waiting import eventually

#: A server dies with the thread that started it, so that thread must live as long as the session.
FOR_EVER = ThreadPoolExecutor(max_workers=1)


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
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    clusters = {s.cluster_id for s in peers.said(TaskforceSubmitted, UUID)}
    assert len(clusters) == 1
    assert {c.cluster_id for c in peers.said(TaskforceCompleted, UUID)} == clusters
    assert peers.statuses(UUID) == {"COMPLETED": {"Done": 3}}


async def test_killed_while_jobs_run_it_goes_on_where_it_was(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], pool_kind: str, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    environment["EWMS_PILOT_COMMAND"] = command(environment, str(go_on), "0")
    await tms.start()
    await peers.order(start())
    await eventually(lambda: "Tasking" in peers.statuses(UUID).get("RUNNING", {}))
    before = peers.snapshots(UUID)[-1]
    await tms.stop(signal.SIGKILL)
    await tms.start()
    await tms.ready()
    go_on.touch()
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
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
    await eventually(lambda: len(peers.said(TaskforceCompleted, UUID)) == 2)
    assert len({c.cluster_id for c in peers.said(TaskforceCompleted, UUID)}) == 1
    await tms.stop()
    await tms.start()
    await tms.ready()
    await peers.order(start(taskforce_uuid=UUID[:-1] + "5"))
    await eventually(lambda: peers.said(TaskforceCompleted, UUID[:-1] + "5"))
    assert len(peers.said(TaskforceCompleted, UUID)) == 2


async def test_a_second_tms_waits_until_the_first_is_gone(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], tmp_path: Path
) -> None:
    await tms.start()
    await tms.ready()
    second = TmsProcess(environment, tmp_path / "second.log", tms.as_its_account)
    await second.start()
    await peers.order(start())
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    assert second.lines("ready") == []
    await tms.stop(signal.SIGKILL)
    await second.ready()
    other = UUID[:-1] + "5"
    await peers.order(start(taskforce_uuid=other))
    await eventually(lambda: peers.said(TaskforceCompleted, other))
    assert await second.stop() == 0
    assert peers.snapshots(other)[-1].epoch > peers.snapshots(UUID)[0].epoch


async def test_a_second_tms_that_waits_is_alive_not_ready_and_can_be_stopped(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], tmp_path: Path
) -> None:
    await tms.start()
    await tms.ready()
    (port,) = free_ports(1)
    second = TmsProcess(environment | {"EWMS_HTTP_PORT": str(port)}, tmp_path / "second.log", tms.as_its_account)
    await second.start()
    url = f"http://127.0.0.1:{port}"
    await eventually(lambda: answer(f"{url}/healthz") == 200)
    assert answer(f"{url}/readyz") == 503
    assert await second.stop() == 0
    assert second.lines("ready") == []


async def test_a_start_waits_for_mqs(tms: TmsProcess, peers: Peers) -> None:
    peers.mqs_is_away = True
    await tms.start()
    await peers.order(start())
    await eventually(lambda: tms.lines("inbox paused"))
    assert peers.said(TaskforceSubmitFailed, UUID) == []
    peers.mqs_is_away = False
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))


async def test_a_cluster_whose_log_is_lost_is_noticed_by_the_sweep(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], condor: Path, tmp_path: Path
) -> None:
    """The taskforce's whole directory is gone, as after a disk was replaced: WMS still learns where it stands."""
    peers.answers = False
    await tms.start()
    await peers.order(start())
    await eventually(lambda: peers.said(TaskforceSubmitted, UUID))
    await tms.stop()
    shutil.rmtree(Path(environment["EWMS_TMS_DIR"]) / "taskforces")
    await tms.start()
    await eventually(lambda: len(peers.said(TaskforceSubmitted, UUID)) >= 2)
    # Neither does a start that comes again submit it twice: the schedd knows it, if no file does.
    await peers.order(start())
    await eventually(lambda: len(peers.said(TaskforceSubmitted, UUID)) >= 3)
    (cluster_id,) = {submitted.cluster_id for submitted in peers.said(TaskforceSubmitted, UUID)}
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=cluster_id))
    await eventually(lambda: peers.said(TaskforceRemoved, UUID))
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=cluster_id))
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))


def answer(url: str) -> int:
    """Return the status code of a GET; 0 if nobody listens."""
    try:
        return httpx2.get(url).status_code
    except httpx2.TransportError:
        return 0


async def test_a_log_that_was_replaced_is_read_anew_in_a_new_epoch(
    tms: TmsProcess, peers: Peers, environment: dict[str, str]
) -> None:
    environment["EWMS_PILOT_COMMAND"] = command(environment, "600", "0")
    await tms.start()
    await peers.order(start())
    running = {"RUNNING": {"Tasking": 3}}
    await eventually(lambda: peers.statuses(UUID) == running)
    before = peers.snapshots(UUID)[-1]
    log = Path(peers.said(TaskforceSubmitted, UUID)[0].job_event_log_fpath)
    records = log.read_bytes().split(b"...\n")
    log.write_bytes(b"...\n".join([*records[:3], b""]))
    await eventually(lambda: peers.statuses(UUID) != running)
    assert peers.snapshots(UUID)[-1].epoch == before.epoch + 1


async def test_a_broker_that_restarts_costs_no_word(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    go_on = tmp_path / "go on"
    environment["EWMS_PILOT_COMMAND"] = command(environment, str(go_on), "3")
    await tms.start()
    await peers.order(start())
    await eventually(lambda: "Tasking" in peers.statuses(UUID).get("RUNNING", {}))
    go_on.touch()
    await asyncio.get_running_loop().run_in_executor(FOR_EVER, rabbitmq.restart)
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    assert peers.statuses(UUID) == {"COMPLETED": {"Done": 3}}
    assert peers.snapshots(UUID)[-1].top_task_errors == {"RuntimeError: bad pixel": 3}
    other = UUID[:-1] + "5"
    await peers.order(start(taskforce_uuid=other))
    await eventually(lambda: peers.said(TaskforceCompleted, other))
