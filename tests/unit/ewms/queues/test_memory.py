"""What a consumer remembers, with its file and without."""

import logging
import sqlite3
import sys
from pathlib import Path

import pytest

from ewms.queues.memory import EventMemory, received_directory
from ewms.queues.received_file import ReceivedFile
from tests.waiting import eventually


async def opened(directory: Path | None, before: EventMemory | None = None) -> EventMemory:
    return await EventMemory.open_for_queue(directory, gateway="http://a", queue="q", before=before or EventMemory())


async def test_one_program_learns_what_another_has_recorded_while_both_run(tmp_path: Path) -> None:
    first, second = await opened(tmp_path), await opened(tmp_path)
    await second.look_up(["a", "b"])
    assert second.is_handled("a") is False
    first.add_event("a")
    await first.record_events(["a", ""])
    # The answer holds for a moment; then the file is to be asked again.
    await eventually(lambda: second.is_handled("a") is None)
    await second.look_up(["a", "b"])
    assert (second.is_handled("a"), second.is_handled("b")) == (True, False)
    await first.close()
    await second.close()


async def test_an_event_without_an_id_is_never_known(tmp_path: Path) -> None:
    memory = await opened(tmp_path)
    memory.add_event("")
    await memory.record_events([""])
    await memory.look_up([""])
    assert memory.is_handled("") is False
    await memory.close()


async def test_without_a_file_nothing_is_looked_up_and_a_new_loop_keeps_what_the_last_one_knew() -> None:
    memory = await opened(None)
    assert memory.is_handled("a") is False
    memory.add_event("a")
    await memory.record_events(["a"])
    assert (await opened(None, memory)).is_handled("a") is True


@pytest.mark.parametrize("fails_at", ["open_or_make", "find_known", "record_events"])
async def test_a_file_that_fails_is_reported_once_and_done_without(
    tmp_path: Path, fails_at: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(ReceivedFile, fails_at, fail)
    with caplog.at_level(logging.WARNING, "ewms.queues.memory"):
        memory = await opened(tmp_path)
        await memory.look_up(["a"])
        await memory.record_events(["a"])
        await memory.look_up(["b"])
        await memory.close()
    assert memory.is_handled("b") is False
    assert len(caplog.records) == 1
    assert str(tmp_path) in caplog.text
    assert "EWMS_STATE_DIR" in caplog.text


async def test_a_python_without_sqlite_does_without_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # As it is where the module cannot be imported.
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    monkeypatch.delitem(sys.modules, "ewms.queues.received_file")
    with caplog.at_level(logging.WARNING, "ewms.queues.memory"):
        memory = await opened(tmp_path)
    memory.add_event("a")
    assert (memory.is_handled("a"), memory.is_handled("b")) == (True, False)
    assert "sqlite3" in caplog.text


async def test_a_place_that_is_no_directory_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = await opened(tmp_path / "file" / "received")
    memory.add_event("a")
    assert memory.is_handled("a") is True
    assert memory.is_handled("b") is False


@pytest.mark.parametrize(("remember", "most"), [(True, 10_000), (False, 200_000)])
async def test_what_is_in_a_file_need_not_be_in_memory(tmp_path: Path, remember: bool, most: int) -> None:
    memory = await opened(tmp_path if remember else None)
    for number in range(200_001):
        memory.add_event(str(number))
    assert len(memory._recent) == most
    await memory.close()


def test_where_received_events_are_kept_is_chosen_by_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EWMS_STATE_DIR", "/state")
    assert received_directory(remember=True) == Path("/state/received")
    assert received_directory(remember=False) is None
    assert received_directory("/elsewhere") == Path("/elsewhere")
