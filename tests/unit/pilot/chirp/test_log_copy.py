"""When the pilot's own log is copied, and how much of it."""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from pilot.chirp.log_copy import MAX_BYTES, LogCopy, next_wait_s


class Proxy:
    """A chirp proxy that keeps what is written."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.modes: set[int] = set()
        self.refuses = False

    @contextmanager
    def open_connection(self) -> Iterator[Any]:
        if self.refuses:
            raise OSError("chirp: no space left")
        yield self

    def write(self, data: bytes, name: str, *, flags: str, mode: int) -> None:
        assert flags == "wct"
        self.files[name] = data
        self.modes.add(mode)


def record(name: str = "pilot.runners.run", level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, "event failed", (), None)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "pilot.log"
    path.write_bytes(b"event failed\n")
    return path


@pytest.fixture
def proxy() -> Proxy:
    return Proxy()


@pytest.fixture
async def copy(log: Path, proxy: Proxy) -> AsyncIterator[LogCopy]:
    fd = os.open(log, os.O_RDONLY)
    yield LogCopy("/tms/cluster-7/3.err", cast(Any, proxy), fd)
    os.close(fd)


async def test_what_was_warned_of_is_copied_at_the_latest_when_the_pilot_leaves(copy: LogCopy, proxy: Proxy) -> None:
    copy.start_copying()
    copy.emit(record())
    await copy.close_copy()
    # The warning came from this thread by way of the loop, which has had no turn before the end.
    copy.emit(record())
    copy.copy_now()
    await copy.close_copy()
    assert proxy.files == {"/tms/cluster-7/3.err": b"event failed\n"}
    assert proxy.modes == {0o600}


async def test_a_pilot_that_has_to_leave_copies_at_once_the_end_of_its_log(
    copy: LogCopy, proxy: Proxy, log: Path
) -> None:
    log.write_bytes(b"x" * MAX_BYTES + b"the end\n")
    copy.start_copying()
    copy.copy_now()
    await copy.close_copy()
    (data,) = proxy.files.values()
    assert len(data) == MAX_BYTES
    assert data.endswith(b"the end\n")


async def test_a_pilot_with_nothing_to_tell_copies_nothing(copy: LogCopy, proxy: Proxy) -> None:
    copy.start_copying()
    await copy.close_copy()
    assert proxy.files == {}


async def test_an_access_point_that_refuses_costs_nothing(copy: LogCopy, proxy: Proxy) -> None:
    proxy.refuses = True
    copy.start_copying()
    copy.copy_now()
    await copy.close_copy()
    assert proxy.files == {}


def test_copies_become_rarer_until_every_ten_minutes() -> None:
    waits = [2.0]
    while len(waits) < 12:
        waits.append(next_wait_s(waits[-1]))
    assert waits[:4] == [2, 4, 8, 16]
    assert waits[-1] == 600
