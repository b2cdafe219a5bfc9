"""What a worker printed can be asked for over the bus once its job has ended."""

from schemas.events import TaskforceCompleted
from schemas.logs import LogAnswer, LogQuery, LogsAnswer, LogsQuery, Stream
from tests.integration.tms.conftest import Peers
from tests.integration.tms.process import TmsProcess, until
from tests.integration.tms.test_story import start
from tests.unit.tms.orders import UUID


async def test_the_logs_of_ended_jobs_can_be_asked_for(tms: TmsProcess, peers: Peers, pool_kind: str) -> None:
    await tms.start()
    await peers.order(start(n_workers=2))
    await until(lambda: peers.said(TaskforceCompleted, UUID))
    listing = await peers.ask(LogsQuery(taskforce_uuid=UUID))
    assert isinstance(listing, LogsAnswer)
    assert [file.name for file in listing.files] == ["0.err", "0.out", "1.err", "1.out"]
    log = await peers.ask(LogQuery(taskforce_uuid=UUID, proc=1, stream=Stream.OUT))
    assert isinstance(log, LogAnswer)
    assert b"ewms_pilot_task.json" in log.data
    tail = await peers.ask(LogQuery(taskforce_uuid=UUID, proc=1, stream=Stream.OUT, offset=-6))
    assert isinstance(tail, LogAnswer)
    assert tail.data == log.data[-6:] == b"0o600\n"


async def test_a_taskforce_that_keeps_no_logs_has_none(tms: TmsProcess, peers: Peers) -> None:
    await tms.start()
    worker = {"worker_memory": "64M", "worker_disk": "1M", "do_transfer_worker_stdouterr": False}
    await peers.order(start(worker=worker))
    await until(lambda: peers.said(TaskforceCompleted, UUID))
    assert await peers.ask(LogsQuery(taskforce_uuid=UUID)) == LogsAnswer(files=[], next_proc=None)
