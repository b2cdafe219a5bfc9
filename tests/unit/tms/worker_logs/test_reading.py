"""Which logs a TMS shows, and that no name leads it elsewhere."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.bus.service_bus import Caller
from schemas.errors import Forbidden, NotFound, Rejected
from schemas.ids import TaskforceUuid, WorkflowId
from schemas.questions import worker_logs
from schemas.questions.queues import DepthsQuery
from schemas.questions.worker_logs import LogQuery, LogsAnswer, LogsQuery, LogStream
from schemas.wire import answer_from_bytes, answer_to_bytes
from tests.unit.tms.orders import UUID
from tms.files import TmsDirectory, keep_output
from tms.jobs.restarts import PAUSE_CODE
from tms.log.job_log import JobLog
from tms.pools.local import event_log
from tms.worker_logs import reading
from tms.worker_logs.answers import WorkerLogDesk


@pytest.fixture
def home(tmp_path: Path) -> TmsDirectory:
    return TmsDirectory(tmp_path)


def directory(home: TmsDirectory, cluster: int = 7) -> Path:
    path = home.taskforce_files(UUID).directory / f"cluster-{cluster}"
    path.mkdir(parents=True)
    return path


def read(home: TmsDirectory, proc: int = 0, stream: str = "out", **more: int) -> worker_logs.LogAnswer:
    return reading.read_log(home, LogQuery(taskforce_uuid=UUID, proc=proc, stream=LogStream(stream), **more))


def names(answer: LogsAnswer) -> list[str]:
    return [file.name for file in answer.files]


def test_logs_are_listed_by_proc_and_nothing_else_is(home: TmsDirectory, tmp_path: Path) -> None:
    assert reading.list_logs(home, LogsQuery(taskforce_uuid=UUID)) == LogsAnswer(files=[], next_proc=None)
    found = directory(home)
    for name in ("10.out", "9.err", "9.out", "x.out", "9.log", ".out", "².out"):
        (found / name).write_text(name)
    (found / "11.out").symlink_to(tmp_path / "epoch")
    os.mkfifo(found / "12.out")
    answer = reading.list_logs(home, LogsQuery(taskforce_uuid=UUID))
    assert names(answer) == ["9.err", "9.out", "10.out"]
    assert answer.files[2].n_bytes == 6
    assert names(reading.list_logs(home, LogsQuery(taskforce_uuid=UUID, first_proc=10))) == ["10.out"]


def test_a_long_list_comes_in_pages_without_losing_or_repeating(home: TmsDirectory) -> None:
    found = directory(home)
    for proc in range(10):
        (found / f"{proc}.out").touch()
        (found / f"{proc}.err").touch()
    seen: list[str] = []
    first_proc: int | None = 0
    while first_proc is not None:
        answer = reading.list_logs(home, LogsQuery(taskforce_uuid=UUID, first_proc=first_proc), limit=5)
        assert len(answer.files) <= 5
        seen += names(answer)
        first_proc = answer.next_proc
    assert len(seen) == len(set(seen)) == 20


@pytest.mark.parametrize(
    ("more", "data", "offset"),
    [
        ({}, b"0123456789", 0),
        ({"offset": 8}, b"89", 8),
        ({"offset": -3}, b"789", 7),
        ({"offset": -99}, b"0123456789", 0),
        ({"offset": 99}, b"", 99),
        ({"offset": 2, "max_bytes": 3}, b"234", 2),
    ],
)
def test_a_stretch_of_a_log(home: TmsDirectory, more: dict[str, int], data: bytes, offset: int) -> None:
    (directory(home) / "0.out").write_bytes(b"0123456789")
    answer = read(home, **more)
    assert (answer.data, answer.offset, answer.n_bytes) == (data, offset, 10)


def test_bytes_that_are_no_text_cross_the_bus_as_they_are(home: TmsDirectory) -> None:
    raw = bytes(range(256))
    (directory(home) / "3.err").write_bytes(raw)
    answer = read(home, 3, "err")
    assert answer_from_bytes(answer_to_bytes(answer)) == answer
    assert answer.data == raw


def test_links_pipes_and_absent_logs_are_not_found(home: TmsDirectory, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary")
    found = directory(home)
    (found / "0.out").symlink_to(tmp_path / "secret")
    os.mkfifo(found / "1.out")
    (found / "2.out").mkdir()
    for proc in range(4):
        with pytest.raises(NotFound):
            read(home, proc)


@pytest.mark.parametrize("uuid", ["../../..", "TF-6b00e09f/../x", "", f"{UUID}/..", f"{UUID}\n"])
def test_the_name_of_a_taskforce_is_no_path(home: TmsDirectory, uuid: str) -> None:
    with pytest.raises(NotFound):
        reading.list_logs(home, LogsQuery(taskforce_uuid=TaskforceUuid(uuid)))


def test_a_linked_cluster_directory_is_not_followed(home: TmsDirectory, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "0.out").write_text("canary")
    home.taskforce_files(UUID).create_directory()
    (home.taskforce_files(UUID).directory / "cluster-1").symlink_to(tmp_path / "elsewhere")
    assert reading.list_logs(home, LogsQuery(taskforce_uuid=UUID)).files == []


async def test_only_wms_is_answered_and_only_what_a_tms_knows(home: TmsDirectory) -> None:
    answers = WorkerLogDesk(home)
    for stranger in ("mqs", "tms.other", "", "wms.x"):
        with pytest.raises(Forbidden):
            await answers.answer_question(LogsQuery(taskforce_uuid=UUID), Caller(stranger))
    with pytest.raises(Rejected):
        await answers.answer_question(DepthsQuery(workflow_id=WorkflowId("WF-1")), Caller("wms"))
    answer = await answers.answer_question(LogsQuery(taskforce_uuid=UUID), Caller("wms"))
    assert isinstance(answer, LogsAnswer)


def test_the_run_before_is_the_beginning_of_a_log(home: TmsDirectory, tmp_path: Path) -> None:
    found = directory(home)
    (found / "0.err").write_text("killed ")
    (found / "0.out").touch()
    (found / "1.err").write_text("another")
    keep_output(found, {0, 2})
    # During the pause there is only the run before.
    assert read(home, stream="err").data == b"killed "
    (found / "0.err").write_text("again")
    answer = reading.list_logs(home, LogsQuery(taskforce_uuid=UUID))
    assert [(file.name, file.n_bytes) for file in answer.files] == [("0.err", 12), ("0.out", 0), ("1.err", 7)]
    assert read(home, stream="err").data == b"killed again"
    for offset, max_bytes, data in (
        (3, 6, b"led ag"),
        (0, 4, b"kill"),
        (8, 100, b"gain"),
        (-6, 3, b" ag"),
        (40, 5, b""),
    ):
        answer_ = read(home, stream="err", offset=offset, max_bytes=max_bytes)
        assert (answer_.data, answer_.n_bytes) == (data, 12)
    # The next end keeps the newest run only, and one without output keeps what is there.
    keep_output(found, {0})
    keep_output(found, {0})
    assert read(home, stream="err").data == b"again"
    # A link leads nowhere.
    (found / "3.err").symlink_to(tmp_path / "epoch")
    keep_output(found, {3})
    assert (found / "3.err").is_symlink()


@pytest.mark.parametrize("keeps_output", [True, False])
def test_the_end_of_a_run_in_the_job_event_log_keeps_its_output(home: TmsDirectory, *, keeps_output: bool) -> None:
    found, files = directory(home), home.taskforce_files(UUID)
    joblog = JobLog(files, n_workers=1, cluster_id=7, keeps_output=keeps_output)
    at = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
    for n, record in enumerate(
        (
            event_log.job_held(7, 0, at, "killed", code=PAUSE_CODE, subcode=9_000_015),
            event_log.job_requeued(7, 0, at, -9),
            event_log.job_executing(7, 0, at, "vm"),
        )
    ):
        (found / "0.err").write_text(f"run {n}")
        with files.log.open("a") as file:
            file.write(record)
        joblog.read_new()
        assert (found / "0.err").exists() == (not keeps_output or n == 2)
    assert read(home, stream="err").data == (b"run 1run 2" if keeps_output else b"run 2")


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_log_that_is_read_again_keeps_no_output_twice(home: TmsDirectory, *, is_replaced: bool) -> None:
    found, files = directory(home), home.taskforce_files(UUID)
    at = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
    (found / "0.err").write_text("first, ")
    files.log.write_text(event_log.job_evicted(7, 0, at, "preempted") + event_log.job_executing(7, 0, at, "vm"))
    joblog = JobLog(files, n_workers=1, cluster_id=7, keeps_output=True)
    joblog.read_new()
    (found / "0.err").write_text("second")
    if is_replaced:
        copy = files.log.with_name("copy")
        copy.write_bytes(files.log.read_bytes())
        copy.replace(files.log)
    else:
        # TMS crashed before it wrote the checkpoint.
        joblog = JobLog(files, n_workers=1, cluster_id=7, keeps_output=True)
    assert joblog.read_new() is is_replaced
    assert joblog.offset == files.log.stat().st_size
    assert read(home, stream="err").data == b"first, second"
    # The next end of a run is a new one, also if the log has grown before TMS reads it again.
    with files.log.open("a") as file:
        file.write(event_log.job_evicted(7, 0, at, "preempted"))
    again = JobLog(files, n_workers=1, cluster_id=7, keeps_output=True)
    again.read_new()
    assert again.is_behind
    again.read_new()
    assert again.offset == files.log.stat().st_size
    assert not (found / "0.err").exists()
    assert read(home, stream="err").data == b"second"
