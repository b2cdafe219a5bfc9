"""A workflow is observed until it is over: at each change that a stream tells, and regularly without one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ewms.errors import NotThere, Unreachable
from ewms.gateway.event_reader import StreamedEvent
from ewms.workflows.progress import Observation
from ewms.workflows.run import AsyncRun
from schemas.fleet.phases import Deactivated, Phase
from schemas.ids import WorkflowId
from tests.fake_clock import run_on_fake_clock
from tests.unit.ewms.facts import facts, state, taskforce

GOING = state(taskforce())
OVER = state(taskforce(Phase.CONDOR_COMPLETE, {}), ended=Deactivated.FINISHED)


class Gateway:
    """A gateway whose stream sends the state at once, and again at these times."""

    def __init__(self, *times: float, has_stream: bool = True) -> None:
        self.times = times
        self.has_stream = has_stream

    async def follow(self, _: str) -> AsyncIterator[StreamedEvent]:
        if not self.has_stream:
            raise NotThere("an older server")
        yield StreamedEvent("workflow", "{}", "0")
        for at_s in self.times:
            await asyncio.sleep(at_s - asyncio.get_running_loop().time())
            yield StreamedEvent("workflow", "{}", str(at_s))
        raise Unreachable("the server has ended")


class ObservedRun(AsyncRun):
    """A workflow that is over after so many seconds, on a server that is away between two times."""

    def __init__(self, gateway: Any, over_s: float, away: tuple[float, float] = (-1, -1)) -> None:
        super().__init__(gateway, WorkflowId("WF-1"))
        self.over_s = over_s
        self.away = away
        self.looked: list[float] = []

    async def look(self, **_: Any) -> Observation:
        now_s = asyncio.get_running_loop().time()
        self.looked.append(now_s)
        if self.away[0] <= now_s < self.away[1]:
            # The real one repeats its calls until the server is back.
            await asyncio.sleep(self.away[1] - now_s)
        return facts(now_s, OVER if now_s >= self.over_s else GOING)


def observe(run: ObservedRun) -> list[bool]:
    """Return for each observation whether the workflow is over then."""

    async def main() -> list[bool]:
        async with asyncio.timeout(600):
            return [seen.state.over async for seen in run.observe()]

    return run_on_fake_clock(main())


def test_with_a_stream_it_looks_at_changes_only_and_shows_each_second() -> None:
    run = ObservedRun(Gateway(20, 40), over_s=40)
    seen = observe(run)
    assert run.looked == [0, 0, 20, 40]
    assert seen[-1]
    assert not any(seen[:-1])
    assert len(seen) >= 40


def test_without_a_stream_it_looks_each_second() -> None:
    run = ObservedRun(Gateway(has_stream=False), over_s=10)
    assert observe(run)[-1]
    assert len(run.looked) >= 10


@pytest.mark.parametrize("back_s", [5.0, 28.0])
def test_a_restart_of_the_server_is_waited_for_as_long_as_each_call_is_repeated(back_s: float) -> None:
    run = ObservedRun(Gateway(3), over_s=back_s + 2, away=(3, back_s))
    assert observe(run)[-1]
    assert run.looked[:4] == [0, 0, 3, 3] or run.looked[:3] == [0, 0, 3]


def test_the_first_refusal_of_a_look_ends_it() -> None:
    class Refusing(ObservedRun):
        async def look(self, **_: Any) -> Observation:
            raise NotThere("no such workflow")

    with pytest.raises(NotThere):
        observe(Refusing(Gateway(), over_s=1))
