"""Ctrl-C on a terminal throws nothing away that the outlet has written."""

import fcntl
import os
import pty
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

#: Writes lines until it is interrupted, and then tells how many it has written.
_WRITER = """
import fcntl, sys, termios
from ewms.cli.text.terminal.outlet import Outlet
# This is the session's terminal, so that Ctrl-C reaches us.
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
n = 0
try:
    with Outlet() as outlet:
        while True:
            outlet.write_line(f"line {n}\\n")
            n += 1
except KeyboardInterrupt:
    sys.stderr.write(str(n))
"""


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The two ends of a terminal: the one that shows, and the one that a program writes to."""
    shown, own = pty.openpty()
    yield shown, own
    os.close(shown)
    os.close(own)


def test_what_a_terminal_has_not_shown_when_ctrl_c_comes_is_shown_later(terminal: tuple[int, int]) -> None:
    shown, own = terminal
    before = termios.tcgetattr(own)[3]
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER],
        stdin=own,
        stdout=own,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    _wait_until_full(shown)
    os.write(shown, b"\x03")
    text = b""
    assert writer.stderr is not None
    os.set_blocking(shown, False)
    deadline = time.monotonic() + 20
    while writer.poll() is None:
        assert time.monotonic() < deadline
        text += _read_some(shown)
    while more := _read_some(shown):
        text += more
    n_written = int(writer.stderr.read())
    writer.stderr.close()
    lines = [line for line in text.decode().splitlines() if line.startswith("line")]
    assert lines[:n_written] == [f"line {n}" for n in range(n_written)]
    assert n_written > 500, "more than a terminal keeps by itself"
    assert termios.tcgetattr(own)[3] == before


def _wait_until_full(shown: int) -> None:
    """Return when the program has written as much as the terminal holds."""
    unread, deadline = -1, time.monotonic() + 20
    while (now := _count_unread(shown)) != unread or now <= 0:
        assert time.monotonic() < deadline
        unread = now
        time.sleep(0.5)


def _count_unread(shown: int) -> int:
    answer = fcntl.ioctl(shown, termios.FIONREAD, b"\0" * 4)
    return int.from_bytes(answer, sys.byteorder)


def _read_some(shown: int) -> bytes:
    try:
        return os.read(shown, 65536)
    except BlockingIOError:
        time.sleep(0.01)
        return b""
