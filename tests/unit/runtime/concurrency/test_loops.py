"""A background loop calls its step when it is woken or when it is time, and outlives whatever the step raises."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from runtime.concurrency.loops import BackgroundLoop, jittered_up_to
from runtime.telemetry import configure_logging
from schemas.errors import Rejected, Unavailable
from tests.fake_clock import run_on_fake_clock

AWAY = Unavailable("the broker is away")


class Script:
    """A step that returns or raises what its script says, call after call. It notes when it was called."""

    def __init__(self, *outcomes: BaseException | float | None, took_s: float = 0.0) -> None:
        self._outcomes: Iterator[BaseException | float | None] = iter(outcomes)
        self._took_s = took_s
        self.called_s: list[float] = []

    async def __call__(self) -> float | None:
        self.called_s.append(asyncio.get_running_loop().time())
        if self._took_s:
            await asyncio.sleep(self._took_s)
        outcome = next(self._outcomes, None)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def called_at(script: Script, *, for_s: float, wake_s: tuple[float, ...] = (), **options: Any) -> list[float]:
    """Run a loop for `for_s` seconds of its clock, wake it at `wake_s`, and return when it called the step."""

    async def main() -> None:
        loop = BackgroundLoop(script, name="test", failed="queues not counted", **options)
        for at_s in wake_s:
            asyncio.get_running_loop().call_at(at_s, loop.wake)
        loop.start()
        await asyncio.sleep(for_s)
        await loop.stop()

    run_on_fake_clock(main())
    return [round(at_s, 3) for at_s in script.called_s]


def test_a_step_that_asks_for_nothing_is_called_once_and_then_whenever_the_loop_is_woken() -> None:
    assert called_at(Script(), for_s=1000, wake_s=(30, 40)) == [0, 30, 40]


def test_the_step_says_when_it_wants_to_be_called_again() -> None:
    assert called_at(Script(5, 0, 7), for_s=100) == [0, 5, 5, 12]


def test_waking_comes_before_the_time_that_the_step_asked_for() -> None:
    assert called_at(Script(50, 50), for_s=70, wake_s=(10,)) == [0, 10, 60]


def test_a_wake_during_a_call_leads_to_one_more_call() -> None:
    assert called_at(Script(took_s=4), for_s=100, wake_s=(1, 2, 3)) == [0, 4]


def test_a_periodic_loop_pauses_after_each_call() -> None:
    assert called_at(Script(took_s=2), for_s=31, every_s=10) == [0, 12, 24]
    assert called_at(Script(), for_s=31, every_s=10, begins_after_s=10) == [10, 20, 30]


def test_between_two_calls_lies_the_rest_even_if_the_loop_is_woken() -> None:
    assert called_at(Script(), for_s=100, wake_s=(0.1, 0.2, 5), rest_s=1) == [0, 1, 5]


def test_after_failures_it_rests_longer_and_longer_and_calls_again_by_itself() -> None:
    fails = Script(AWAY, ZeroDivisionError(), AWAY, None, AWAY)
    assert called_at(fails, for_s=100, wake_s=(50,), back_off=lambda n: 2.0**n) == [0, 1, 3, 7, 50, 51]


def test_nothing_wakes_it_while_it_rests_after_a_failure() -> None:
    assert called_at(Script(AWAY), for_s=100, wake_s=(1, 2), back_off=lambda _: 10) == [0, 10]


def test_a_periodic_loop_goes_on_at_its_pace_after_a_failure() -> None:
    assert called_at(Script(AWAY, AWAY), for_s=25, every_s=10) == [0, 10, 20]


def test_the_jittered_back_off_is_bounded() -> None:
    pauses = [jittered_up_to(5.0)(n) for n in range(200)]
    assert all(0 <= pause_s <= 5 for pause_s in pauses)
    assert max(pauses[:2]) <= 1


def test_each_failure_is_logged_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="test", format="json")
    fails = Script(AWAY, Rejected("no such queue"), ZeroDivisionError("mine"))
    called_at(fails, for_s=100, back_off=lambda _: 1, level="info", details=lambda: {"n_queues": 3})
    away, rejected, defect = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (away["event"], away["level"], away["reason"]) == ("queues not counted", "info", "the broker is away")
    assert (rejected["level"], rejected["reason"]) == ("warning", "no such queue")
    assert (defect["event"], defect["level"]) == ("queues not counted", "error")
    assert "ZeroDivisionError: mine" in defect["exception"]
    assert [line["n_queues"] for line in (away, rejected, defect)] == [3, 3, 3]


def test_stopping_cuts_off_a_call_and_returns_once_it_has_ended() -> None:
    ended: list[str] = []

    async def wait_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            ended.append("call")

    async def main() -> None:
        loop = BackgroundLoop(wait_for_ever, name="test", failed="x")
        loop.start()
        await asyncio.sleep(5)
        await loop.stop()
        ended.append("stop")

    run_on_fake_clock(main())
    assert ended == ["call", "stop"]


def test_stopping_a_loop_that_never_began_does_nothing() -> None:
    script = Script()

    async def main() -> None:
        await BackgroundLoop(script, name="test", failed="x").stop()

    run_on_fake_clock(main())
    assert script.called_s == []
