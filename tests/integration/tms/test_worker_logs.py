"""What a worker printed can be asked for over the bus once its job has ended."""

import json
import sys
from pathlib import Path

from schemas.events import TaskforceCompleted, TaskforceStop, TaskforceSubmitted
from schemas.questions.worker_logs import LogAnswer, LogQuery, LogsAnswer, LogsQuery, LogStream
from tests.integration.tms.conftest import SCHEDD, Peers
from tests.integration.tms.process import TmsProcess
from tests.integration.tms.test_story import start
from tests.unit.tms.orders import UUID
from tests.waiting import eventually

COPYING = Path(__file__).with_name("copying.py")


async def test_the_logs_of_ended_jobs_can_be_asked_for(tms: TmsProcess, peers: Peers, pool_kind: str) -> None:
    await tms.start()
    await peers.order(start(n_workers=2))
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    listing = await peers.ask(LogsQuery(taskforce_uuid=UUID))
    assert isinstance(listing, LogsAnswer)
    assert [file.name for file in listing.files] == ["0.err", "0.out", "1.err", "1.out"]
    log = await peers.ask(LogQuery(taskforce_uuid=UUID, proc=1, stream=LogStream.OUT))
    assert isinstance(log, LogAnswer)
    assert b"ewms_pilot_task.json" in log.data
    tail = await peers.ask(LogQuery(taskforce_uuid=UUID, proc=1, stream=LogStream.OUT, offset=-6))
    assert isinstance(tail, LogAnswer)
    assert tail.data == log.data[-6:] == b"0o600\n"


async def test_a_taskforce_that_keeps_no_logs_has_none(tms: TmsProcess, peers: Peers) -> None:
    await tms.start()
    worker = {"worker_memory": "64M", "worker_disk": "1M", "do_transfer_worker_stdouterr": False}
    await peers.order(start(worker=worker))
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    assert await peers.ask(LogsQuery(taskforce_uuid=UUID)) == LogsAnswer(files=[], next_proc=None)


async def test_what_failed_is_in_the_log_while_the_worker_lives_and_after_its_removal(
    tms: TmsProcess, peers: Peers, environment: dict[str, str], pool_kind: str
) -> None:
    environment["EWMS_PILOT_COMMAND"] = json.dumps([sys.executable, str(COPYING)])
    await tms.start()
    await peers.order(start(n_workers=1))
    query = LogQuery(taskforce_uuid=UUID, proc=0, stream=LogStream.ERR)
    log = Path(environment["EWMS_TMS_DIR"]) / "taskforces" / UUID

    def is_told() -> bool:
        return any(b"event 5f0e failed: bad pixel" in path.read_bytes() for path in log.glob("cluster-*/0.err"))

    await eventually(is_told)
    await eventually(lambda: "RUNNING" in peers.statuses(UUID))
    (submitted,) = peers.said(TaskforceSubmitted, UUID)
    await peers.order(TaskforceStop(taskforce_uuid=UUID, schedd=SCHEDD, cluster_id=submitted.cluster_id))
    await eventually(lambda: peers.said(TaskforceCompleted, UUID))
    answer = await peers.ask(query)
    assert isinstance(answer, LogAnswer)
    assert b"event 5f0e failed: bad pixel" in answer.data
    # HTCondor's log tells the end of the run before the removal, so the file may have become that of a run before.
    (file,) = (path for path in log.glob("cluster-*/0.err*") if path.stat().st_size)
    assert file.stat().st_mode & 0o777 == 0o600
