"""The lines of a stream as events."""

from collections.abc import AsyncIterator

from ewms.gateway.event_reader import StreamedEvent, read_events
from runtime.web.news.sse_format import HEARTBEAT, StreamEvent, format_event, format_pause


async def read(text: bytes) -> list[StreamedEvent]:
    async def list_lines() -> AsyncIterator[str]:
        for line in text.decode().split("\n"):
            yield line

    return [event async for event in read_events(list_lines())]


async def test_what_the_server_writes_is_read_back_without_heartbeats_and_pauses() -> None:
    sent = [StreamEvent('{"a": 1}', "1", "tree"), StreamEvent("two\nlines", "2"), StreamEvent(" x: y", "", "end")]
    text = format_pause(2) + b"".join(HEARTBEAT + format_event(each) for each in sent)
    assert await read(text) == [
        StreamedEvent("tree", '{"a": 1}', "1"),
        StreamedEvent("", "two\nlines", "2"),
        StreamedEvent("end", " x: y", "2"),
    ]


async def test_an_event_whose_end_is_missing_is_left_out() -> None:
    assert await read(b"event: tree\ndata: {") == []
