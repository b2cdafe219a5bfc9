"""Which logs a TMS shows, and that no name leads it elsewhere."""

import os
from pathlib import Path

import pytest

from runtime.bus.service_bus import Caller
from schemas import logs
from schemas.errors import Forbidden, NotFound, Rejected
from schemas.ids import TaskforceUuid, WorkflowId
from schemas.logs import LogQuery, LogsAnswer, LogsQuery, LogStream
from schemas.requests import DepthsQuery
from schemas.wire import answer_from_bytes, answer_to_bytes
from tests.unit.tms.orders import UUID
from tms.files import TmsDirectory
from tms.worker_logs import reading
from tms.worker_logs.answers import WorkerLogDesk


@pytest.fixture
def home(tmp_path: Path) -> TmsDirectory:
    return TmsDirectory(tmp_path)


def directory(home: TmsDirectory, cluster: int = 7) -> Path:
    path = home.taskforce_files(UUID).directory / f"cluster-{cluster}"
    path.mkdir(parents=True)
    return path


def read(home: TmsDirectory, proc: int = 0, stream: str = "out", **more: int) -> logs.LogAnswer:
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
