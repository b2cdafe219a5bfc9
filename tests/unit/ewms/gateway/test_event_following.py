"""A stream is followed over breaks; or it tells when to look, and without it one looks regularly."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from ewms.errors import NotThere, ServerDown, Unreachable
from ewms.gateway.event_following import ChangeWatch, follow_over_breaks
from ewms.gateway.event_reader import StreamedEvent
from tests.fake_clock import run_on_fake_clock

#: What a stream does: it sends an event with this id, raises, or says nothing for so many seconds.
Deed = str | Exception | float


@dataclass
class Streams:
    """A gateway whose streams a test has written down. After the last one there is none."""

    streams: list[list[Deed]]
    paths: list[str] = field(default_factory=list)
    n_open: int = 0

    async def follow(self, path: str) -> AsyncIterator[StreamedEvent]:
        self.paths.append(path)
        if not self.streams:
            raise NotThere("no such path")
        self.n_open += 1
        try:
            for deed in self.streams.pop(0):
                if isinstance(deed, Exception):
                    raise deed
                if isinstance(deed, str):
                    yield StreamedEvent("workflow", "{}", deed)
                else:
                    await asyncio.sleep(deed)
        finally:
            self.n_open -= 1


def follow(streams: Streams, after: str = "") -> tuple[list[str], type[Exception]]:
    """Return the ids that came, and the error at the end."""
    came: list[str] = []

    async def main() -> type[Exception]:
        try:
            async for event in follow_over_breaks(streams, "/events", after=after):
                came.append(event.id)  # noqa: PERF401 - the error at the end must not lose them
        except Exception as error:  # noqa: BLE001 - the test compares its class
            return type(error)
        raise AssertionError("it never ends by itself")

    return came, run_on_fake_clock(main())


def test_it_goes_on_after_the_last_event_until_the_server_refuses_it() -> None:
    streams = Streams([["a", "b", Unreachable("broken")], [ServerDown("restarts")], ["c"]])
    assert follow(streams, after="z") == (["a", "b", "c"], NotThere)
    assert streams.paths == [f"/events?last_event_id={known}" for known in ("z", "b", "b", "c")]


def test_a_server_that_stays_away_ends_it_and_one_answer_makes_the_count_begin_again() -> None:
    away: list[list[Deed]] = [[Unreachable("away")] for _ in range(30)]
    assert follow(Streams([*away, ["a"], *away])) == (["a"], NotThere)
    assert follow(Streams([*away, [Unreachable("away")]])) == ([], Unreachable)


def watch(streams: Streams, seconds: float, again_s: float = 1.0) -> list[tuple[float, bool]]:
    """Return when a watcher was told something within so many seconds, and whether it should look."""

    async def main() -> list[tuple[float, bool]]:
        loop, told = asyncio.get_running_loop(), list[tuple[float, bool]]()
        begun_at, changes = loop.time(), ChangeWatch(streams, "/events")
        while loop.time() - begun_at < seconds:
            is_due = await changes.wait_for_look(again_s)
            told.append((loop.time() - begun_at, is_due))
        await changes.close()
        return told

    told = run_on_fake_clock(main())
    assert streams.n_open == 0, "a stream stays open"
    return [(round(at_s, 3), is_due) for at_s, is_due in told]


def test_a_live_stream_alone_says_when_to_look() -> None:
    told = watch(Streams([["a", 3.5, "b", 100.0]]), 5)
    assert [at_s for at_s, is_due in told if is_due] == [0, 3.5]
    assert [at_s for at_s, is_due in told if not is_due] == [1, 2, 3, 4.5, 5.5]


@pytest.mark.parametrize(
    ("streams", "why"),
    [
        ([], "an older server has no such stream"),
        ([[100.0]], "a stream that has sent nothing may be one that a proxy keeps back"),
        ([[NotThere("no workflow")]], "a refused stream comes from nowhere"),
    ],
)
def test_without_a_live_stream_one_looks_as_often_as_before(streams: list[list[Deed]], why: str) -> None:
    told = watch(Streams(streams), 5)
    assert all(is_due for _, is_due in told), why
    gaps = [after - before for (before, _), (after, _) in pairwise(told)]
    assert max(gaps) <= 1, why
    assert len(told) >= 5, why


@pytest.mark.parametrize("end", [Unreachable("broken"), ServerDown("restarts"), None])
def test_a_break_is_a_reason_to_look_and_the_stream_is_opened_again(end: Exception | None) -> None:
    broken: list[Deed] = ["a", 1.5, *([end] if end is not None else [])]
    streams = Streams([broken, ["b", 100.0]])
    told = watch(streams, 8)
    assert (1.5, True) in told, "the break itself"
    assert len(streams.paths) == 2
    after = [is_due for at_s, is_due in told if at_s > 4.5]
    assert after
    assert not any(after), "the new stream says that nothing changes"


def test_a_refused_stream_is_asked_for_once_a_minute() -> None:
    streams = Streams([])
    watch(streams, 130)
    assert len(streams.paths) == 3
