"""Ctrl-C ends every command with status 130, and `consume` acknowledges no event that it has not written."""

import asyncio
import itertools
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ewms.cli.__main__ import main
from ewms.cli.context import GlobalOptions
from ewms.cli.interrupts import Interrupts, leave_on_interrupt
from ewms.loop_thread import LoopThread
from ewms.queue_client import Results
from ewms.queues.payloads import Event

_SWEPT = ("ewms/cli/__main__.py", "ewms/cli/interrupts.py", "ewms/cli/commands/events/queue.py",
          "ewms/cli/text/terminal/outlet.py", "ewms/queue_client.py", "ewms/loop_thread.py")  # fmt: skip


_NEVER = 10**9


class FakeResults:
    """Three events, as `AsyncResults` gives them."""

    def __init__(self) -> None:
        self.left = [1, 2, 3]
        self.current: int | None = None
        self.acknowledged: list[int] = []
        self.is_open = False
        self.is_left = False
        self.n_duplicates = 0

    async def __aenter__(self) -> None:
        self.is_open = True

    async def __aexit__(self, *_: object) -> None:
        self.is_open = False

    async def wait_for_arrival(self) -> bool:
        await asyncio.sleep(0)
        return bool(self.left) and not self.is_left

    def begin_event(self) -> Event | None:
        if not self.left or self.is_left:
            return None
        self.current = self.left.pop(0)
        return Event(f"id-{self.current}", self.current, b"", "application/json", {})

    def end_event(self) -> None:
        assert self.current is not None
        self.acknowledged.append(self.current)

    def settle_here(self, _: object) -> None:
        raise AssertionError("events of this queue have no deliveries")

    def leave(self) -> None:
        self.is_left = True


class FakeClient:
    """A client whose one queue has `FakeResults`."""

    def __init__(self, results: FakeResults) -> None:
        self.results_there = results
        self.portal = LoopThread()

    def __enter__(self) -> "FakeClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.portal.close()

    def run(self, _: str) -> "FakeClient":
        return self

    queue = run

    def results(self, **_: object) -> Results:
        return Results(self.portal, self.results_there)  # type: ignore[arg-type]


def test_an_interrupt_at_any_line_of_consume_loses_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    n_cut = 0
    # The first run is not cut: it imports the modules, whose lines would count otherwise.
    for n_line in itertools.chain([_NEVER], itertools.count()):
        results, output = FakeResults(), tmp_path / str(n_line)
        client = FakeClient(results)
        monkeypatch.setattr(GlobalOptions, "make_client", lambda _, client=client: client)
        with output.open("w") as file, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", file)
            with interrupted_at_line(n_line) as was_sent:
                status = main(["queue", "consume", "WF-1", "results", "-q"])
        client.portal.close()
        printed = [int(line) for line in output.read_text().split()]
        at = f"line {n_line}"
        assert printed == sorted(set(printed)), at
        # No event is acknowledged before it is written; and none is printed twice, because no interrupt comes between.
        assert results.acknowledged == printed, at
        if not was_sent():
            assert (status, printed, results.acknowledged) == (0, [1, 2, 3], [1, 2, 3])
            if n_line != _NEVER:
                break
            continue
        # An interrupt at the very last lines may find the command at its end already.
        assert status == 130 or (status == 0 and printed == [1, 2, 3]), at
        n_cut += len(printed) < 3
    assert n_cut > 50


@contextmanager
def interrupted_at_line(n_wanted: int) -> Iterator[Callable[[], bool]]:
    """Send this process a SIGINT at line number `n_wanted` of the command, counted from where it takes the signal."""
    n_seen = -1
    is_sent = False

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal n_seen, is_sent
        if not frame.f_code.co_filename.endswith(_SWEPT):
            return trace if n_seen < 0 else None
        if n_seen < 0 and frame.f_code.co_name != "_run_process":
            return trace
        if event == "line":
            n_seen += 1
            if n_seen >= n_wanted and not is_sent and frame.f_code.co_name not in ("main", "__exit__"):
                is_sent = True
                signal.raise_signal(signal.SIGINT)
        return trace

    sys.settrace(trace)
    try:
        yield lambda: is_sent
    finally:
        sys.settrace(None)


def test_a_block_that_ends_by_itself_gets_a_call_and_is_interrupted_at_its_end() -> None:
    calls: list[str] = []

    def run_block() -> None:
        with leave_on_interrupt(lambda: calls.append("leave")):
            signal.raise_signal(signal.SIGINT)
            # A terminal or `timeout` may send it twice.
            signal.raise_signal(signal.SIGINT)
            calls.append("goes on")

    with pytest.raises(KeyboardInterrupt):
        run_block()
    assert calls == ["leave", "goes on"]


def test_an_error_after_an_interrupt_is_the_interrupt() -> None:
    def run_block() -> None:
        with leave_on_interrupt(lambda: None):
            signal.raise_signal(signal.SIGINT)
            raise RuntimeError("the connection was closed")

    with pytest.raises(KeyboardInterrupt):
        run_block()


def test_a_second_interrupt_ends_the_process_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr("ewms.cli.interrupts._SAME_S", 0)
    monkeypatch.setattr("os._exit", ended.append)

    def run_block() -> None:
        with leave_on_interrupt(lambda: None):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_block()
    assert ended == [130]


def test_a_late_interrupt_ends_the_process_with_the_status_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr("os._exit", ended.append)
    before = signal.getsignal(signal.SIGINT)
    try:
        with Interrupts(is_whole_process=True) as interrupts:
            interrupts.stop_raising(8)
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended == [8]


def test_an_ignored_interrupt_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts(is_whole_process=False), leave_on_interrupt(lambda: None):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_the_command_is_imported_ends_it_without_a_traceback() -> None:
    code = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "ewms.cli.arguments":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from ewms.cli.entry import run
sys.exit(run())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=150, check=False)
    assert (done.returncode, done.stderr) == (130, "ewms: interrupted\n")
