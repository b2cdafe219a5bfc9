"""The file of received events: what it tells, for how long, and what it survives. The clock is the test's."""

import os
import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewms.queues.received_file import LIFE_S, KeptFile, ReceivedFile, file_name, find_outdated

NOW = 1_800_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ewms" / "received" / file_name("http://a", "q")


def opened(path: Path, *, now_s: float = NOW, max_events: int = 1000) -> ReceivedFile:
    return ReceivedFile.open_or_make(path, now_s=now_s, max_events=max_events)


def test_what_was_recorded_is_known_when_the_file_is_opened_again(path: Path) -> None:
    file = opened(path)
    assert file.find_known(["a", "b"], now_s=NOW) == set()
    file.record_events(["a", "ä\ud800"], now_s=NOW)
    file.close()
    assert opened(path).find_known(["a", "b", "ä\ud800"], now_s=NOW) == {"a", "ä\ud800"}


def test_more_events_than_one_statement_takes_are_looked_up(path: Path) -> None:
    file = opened(path, max_events=5000)
    ids = [str(number) for number in range(2500)]
    file.record_events(ids, now_s=NOW)
    assert file.find_known([*ids, "other"], now_s=NOW) == set(ids)


def test_an_event_is_known_for_seven_days_and_then_again_from_when_it_came_again(path: Path) -> None:
    file = opened(path)
    file.record_events(["a"], now_s=NOW)
    assert file.find_known(["a"], now_s=NOW + LIFE_S - 1) == {"a"}
    assert file.find_known(["a"], now_s=NOW + LIFE_S) == set()
    # A repeat within the time does not prolong it: the first time counts.
    file.record_events(["a"], now_s=NOW + 100)
    assert file.find_known(["a"], now_s=NOW + LIFE_S) == set()
    file.record_events(["a"], now_s=NOW + LIFE_S)
    assert file.find_known(["a"], now_s=NOW + 2 * LIFE_S - 1) == {"a"}


def n_rows(path: Path) -> int:
    with sqlite3.connect(path) as database:
        n: int = database.execute("SELECT count(*) FROM received").fetchone()[0]
        return n


def test_what_is_too_old_leaves_the_file(path: Path) -> None:
    file = opened(path)
    file.record_events([f"old-{number}" for number in range(300)], now_s=NOW)
    for number in range(3):
        file.record_events([f"new-{number}"], now_s=NOW + LIFE_S)
    assert n_rows(path) == 3


def test_the_file_holds_the_newest_events_and_no_more_than_it_may(path: Path) -> None:
    file = opened(path, max_events=50)
    for start in range(0, 400, 40):
        file.record_events([str(number) for number in range(start, start + 40)], now_s=NOW + start)
    assert n_rows(path) <= 50
    assert file.find_known([str(number) for number in range(400)], now_s=NOW + 400) == set(map(str, range(350, 400)))


def test_only_its_owner_can_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        opened(path).record_events(["a"], now_s=NOW)
    finally:
        os.umask(before)
    assert [oct(each.stat().st_mode & 0o777) for each in (path.parent.parent, path.parent, path)] == [
        "0o700",
        "0o700",
        "0o600",
    ]
    assert {oct(each.stat().st_mode & 0o777) for each in path.parent.iterdir()} == {"0o600"}


@pytest.mark.parametrize("content", [b"no database at all, and long enough to be read as one" * 40, b"\x00" * 5000])
def test_a_file_that_is_no_database_is_replaced(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    file = opened(path)
    file.record_events(["a"], now_s=NOW)
    assert file.find_known(["a"], now_s=NOW) == {"a"}


def test_a_file_that_is_torn_further_in_is_gone_after_the_first_failure(path: Path) -> None:
    file = opened(path, max_events=5000)
    file.record_events([str(number) for number in range(2000)], now_s=NOW)
    file.close()
    whole = path.read_bytes()
    # The first page, which says what there is, is left.
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(sqlite3.DatabaseError):
        opened(path).find_known([str(number) for number in range(2000)], now_s=NOW)
    assert not path.exists()
    opened(path).record_events(["a"], now_s=NOW)


def test_a_directory_of_somebody_elses_is_not_trusted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir(parents=True)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(PermissionError, match="another user"):
        opened(path)


def test_several_that_write_at_once_lose_nothing(path: Path) -> None:
    def write(name: str) -> None:
        file = opened(path)
        for number in range(40):
            file.record_events([f"{name}-{number}", f"both-{number}"], now_s=NOW)
        file.close()

    writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    wanted = {f"{name}-{number}" for name in ("a", "b", "c", "both") for number in range(40)}
    assert opened(path).find_known(list(wanted), now_s=NOW) == wanted
    assert n_rows(path) == 160


def test_other_queues_files_that_nobody_wrote_for_long_are_removed(path: Path) -> None:
    other = path.with_name(file_name("http://a", "other"))
    for each in (path, other):
        opened(each).record_events(["a"], now_s=NOW)
        os.utime(each, (NOW - LIFE_S, NOW - LIFE_S))
    (path.parent / "something else").write_text("stays")
    opened(path)
    assert sorted(each.name for each in path.parent.iterdir() if "journal" not in each.name) == sorted(
        [path.name, "something else"]
    )


@given(st.lists(st.tuples(st.floats(NOW - 2 * LIFE_S, NOW), st.integers(0, 100)), max_size=20))
def test_the_files_that_stay_are_the_newest_and_within_the_limit(drawn: list[tuple[float, int]]) -> None:
    files = [KeptFile(Path(str(number)), at, n) for number, (at, n) in enumerate(drawn)]
    gone = set(find_outdated(files, now_s=NOW, max_bytes=300))
    stay = [file for file in files if file.path not in gone]
    assert sum(file.n_bytes for file in stay) <= 300
    assert all(file.written_at > NOW - LIFE_S for file in stay)
    young = [file for file in files if file.written_at > NOW - LIFE_S]
    assert sum(file.n_bytes for file in young) > 300 or len(stay) == len(young)


def test_each_queue_of_each_server_has_a_file_of_its_own() -> None:
    names = {file_name(gateway, queue) for gateway in ("http://a", "http://b") for queue in ("p", "q")}
    assert len(names) == 4
