"""Streams of one feed share each reading and each encoding, and every one of them ends up knowing the newest state."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.web.news.shared_feed import SharedFeed
from schemas.errors import Unavailable
from tests.fake_clock import run_on_fake_clock


@dataclass(frozen=True)
class Number:
    """A state that is a number."""

    id: str


class Source:
    """A number that changes, and how often it was read and encoded."""

    def __init__(self) -> None:
        self.now = "1"
        self.is_away = False
        self.n_reads = 0
        self.encoded: list[str] = []
        self.feed = SharedFeed(self.read, encode_whole=self.encode_whole, encode_change=self.encode_change, pause_s=2.0)

    async def read(self) -> Number:
        self.n_reads += 1
        if self.is_away:
            raise Unavailable("the database is away")
        return Number(self.now)

    def encode_whole(self, state: Number) -> bytes:
        self.encoded.append(state.id)
        return state.id.encode()

    def encode_change(self, before: Number, state: Number) -> bytes:
        self.encoded.append(f"{before.id}-{state.id}")
        return f"{before.id}-{state.id}".encode()


async def collect(parts: AsyncIterator[bytes], heard: list[bytes]) -> None:
    async for part in parts:
        heard += [part]


async def end(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_many_streams_cost_one_reading_and_one_encoding_of_each_state() -> None:
    async def main() -> None:
        source = Source()
        heard: list[list[bytes]] = [[] for _ in range(50)]
        tasks = [asyncio.create_task(collect(source.feed.follow_state(""), each)) for each in heard]
        await asyncio.sleep(1)
        source.now = "2"
        await asyncio.sleep(10)
        assert heard == [[b"1", b"1-2"]] * 50
        assert (source.n_reads, source.encoded) == (6, ["1", "1-2"])
        await end(*tasks)

    run_on_fake_clock(main())


def test_with_many_streams_a_feed_reads_less_often() -> None:
    async def main() -> None:
        source = Source()
        tasks = [asyncio.create_task(collect(source.feed.follow_state(""), [])) for _ in range(200)]
        await asyncio.sleep(11)
        assert source.n_reads == 3
        await end(*tasks)

    run_on_fake_clock(main())


def test_a_client_that_knows_the_state_gets_changes_only() -> None:
    async def main() -> None:
        source, heard = Source(), list[bytes]()
        task = asyncio.create_task(collect(source.feed.follow_state("1"), heard))
        await asyncio.sleep(3)
        assert heard == []
        source.now = "2"
        await asyncio.sleep(3)
        assert heard == [b"1-2"]
        await end(task)

    run_on_fake_clock(main())


def test_nothing_is_read_once_the_last_stream_has_ended() -> None:
    async def main() -> None:
        source = Source()
        tasks = [asyncio.create_task(collect(source.feed.follow_state(""), [])) for _ in range(2)]
        await asyncio.sleep(1)
        await end(tasks[0])
        assert not source.feed.is_over
        await end(tasks[1])
        assert source.feed.is_over
        await asyncio.sleep(60)
        assert source.n_reads == 1

    run_on_fake_clock(main())


def test_a_failed_reading_ends_all_streams() -> None:
    async def main() -> None:
        source = Source()
        tasks = [asyncio.create_task(collect(source.feed.follow_state(""), [])) for _ in range(3)]
        await asyncio.sleep(1)
        source.is_away = True
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(ended, Unavailable)
        assert source.feed.is_over
        with pytest.raises(Unavailable):
            await anext(source.feed.follow_state(""))

    run_on_fake_clock(main())


def test_a_slow_client_hears_nothing_of_a_change_and_its_opposite() -> None:
    async def main() -> None:
        source = Source()
        other = asyncio.create_task(collect(source.feed.follow_state(""), []))
        async with aclosing(source.feed.follow_state("")) as parts:
            assert await anext(parts) == b"1"
            for number in ("2", "1"):
                source.now = number
                await asyncio.sleep(3)
            coming = asyncio.create_task(anext(parts))
            await asyncio.sleep(3)
            assert not coming.done()
            source.now = "3"
            assert await coming == b"1-3"
        await end(other)

    run_on_fake_clock(main())


@given(st.lists(st.tuples(st.sampled_from("123"), st.booleans()), max_size=12))
def test_a_slow_client_misses_steps_and_no_change(steps: list[tuple[str, bool]]) -> None:
    async def main() -> None:
        source = Source()
        # The other stream keeps the feed going while the slow one takes nothing.
        other = asyncio.create_task(collect(source.feed.follow_state(""), []))
        async with aclosing(source.feed.follow_state("")) as parts:
            known = (await anext(parts)).decode()
            for number, is_taken in steps:
                source.now = number
                await asyncio.sleep(3)
                if is_taken and number != known:
                    before, _, known = (await anext(parts)).decode().partition("-")
                    assert (before != known, known) == (True, number)
        await end(other)

    run_on_fake_clock(main())
