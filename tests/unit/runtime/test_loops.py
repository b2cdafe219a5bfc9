"""A background loop outlives whatever its step raises, and says so."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from runtime.loops import repeat_forever
from runtime.telemetry import configure_logging
from schemas.errors import Unavailable


class Script:
    """A step that raises what its script says, call after call."""

    def __init__(self, *errors: BaseException | None) -> None:
        self._errors: Iterator[BaseException | None] = iter(errors)
        self.n_calls = 0
        self.done = asyncio.Event()

    async def __call__(self) -> None:
        self.n_calls += 1
        try:
            error = next(self._errors)
        except StopIteration:
            self.done.set()
            return
        if error is not None:
            raise error


async def test_it_goes_on_after_a_failure_and_after_a_defect(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="test", format="json")
    script = Script(Unavailable("the broker is away"), ZeroDivisionError("mine"), None)
    loop = asyncio.create_task(repeat_forever(script, every_s=0.001, failed="queues not counted"))
    await asyncio.wait_for(script.done.wait(), 5)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    away, defect = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (away["event"], away["level"], away["reason"]) == ("queues not counted", "warning", "the broker is away")
    assert (defect["event"], defect["level"]) == ("queues not counted", "error")
    assert "ZeroDivisionError: mine" in defect["exception"]


async def test_its_first_call_comes_at_once_or_after_the_pause() -> None:
    at_once, later = Script(), Script()
    loops = [
        asyncio.create_task(repeat_forever(at_once, every_s=60, failed="x")),
        asyncio.create_task(repeat_forever(later, every_s=60, failed="x", begins_with_pause=True)),
    ]
    await asyncio.wait_for(at_once.done.wait(), 5)
    assert (at_once.n_calls, later.n_calls) == (1, 0)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)


async def test_cancelling_ends_it_in_the_middle_of_a_call() -> None:
    entered = asyncio.Event()

    async def wait_for_ever() -> None:
        entered.set()
        await asyncio.Event().wait()

    loop = asyncio.create_task(repeat_forever(wait_for_ever, every_s=0, failed="x"))
    await asyncio.wait_for(entered.wait(), 5)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
