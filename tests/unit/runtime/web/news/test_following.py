"""When a stream reads again: a backlog of rows comes without a pause, and each read of a whole object is followed by
one.
"""

from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from runtime.web.news import event_streams
from runtime.web.news.event_streams import follow_object, follow_rows
from runtime.web.news.sse_format import StreamEvent


class Source:
    """Gives one event for each read, and notes in which order things happen. A read takes 3 s."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.now_s = 0.0
        monkeypatch.setattr(event_streams, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        monkeypatch.setattr(event_streams, "asyncio", SimpleNamespace(sleep=self.pause))

    async def pause(self, pause_s: float) -> None:
        self.done.append(f"pause {pause_s:.0f}")

    async def read_after(self, after: str) -> Sequence[StreamEvent]:
        self.done.append("read")
        self.now_s += 3
        n = int(after or 0) + 1
        return [StreamEvent("{}", id=str(n), name="end" if n == 3 else "news")]

    async def wait(self) -> None:
        self.done.append("wait")


def is_end(event: StreamEvent) -> bool:
    return event.name == "end"


async def test_an_object_that_changes_all_the_time_is_read_for_half_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Source(monkeypatch)
    events = [each async for each in follow_object(source.read_after, after="", wait=source.wait, is_over=is_end)]
    assert [event.id for event in events] == ["1", "2", "3"]
    assert source.done == ["read", "pause 3", "wait", "read", "pause 3", "wait", "read"]


async def test_a_backlog_of_rows_comes_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(monkeypatch)
    events = [each async for each in follow_rows(source.read_after, after="", wait=source.wait, is_over=is_end)]
    assert (len(events), source.done) == (3, ["read"] * 3)
