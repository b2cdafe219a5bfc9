"""Server-sent events as bytes, read back as a browser reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.web.news.sse_format import HEARTBEAT, StreamEvent, format_event, format_pause, is_event_id


def parse_stream(stream: bytes) -> list[tuple[str, str, str]]:
    """Return (id, name, data) of each event, as the standard says. Source: WHATWG HTML, 9.2.6."""
    found, last, name, data = [], "", "", []
    for line in stream.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                found.append((last, name, "\n".join(data)))
            name, data = "", []
        elif field == "id":
            last = value
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
    return found


def test_an_event_is_three_fields_and_a_blank_line() -> None:
    assert format_event(StreamEvent('{"a": 1}', id="42", name="step")) == b'id: 42\nevent: step\ndata: {"a": 1}\n\n'
    assert format_event(StreamEvent("x")) == b"data: x\n\n"
    assert format_pause(2.5) == b"retry: 2500\n\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_text_comes_back_with_plain_line_ends(texts: list[str]) -> None:
    events = [StreamEvent(text, id=str(n), name="x") for n, text in enumerate(texts)]
    stream = HEARTBEAT.join(map(format_event, events)) + HEARTBEAT
    assert parse_stream(stream) == [
        (str(n), "x", text.replace("\r\n", "\n").replace("\r", "\n")) for n, text in enumerate(texts)
    ]


@pytest.mark.parametrize("field", ["a\nid: 7", "a\r", "\0"])
def test_no_field_smuggles_another_one_in(field: str) -> None:
    for event in (StreamEvent("", id=field), StreamEvent("", name=field)):
        with pytest.raises(ValueError, match="one line"):
            format_event(event)


def test_an_id_that_comes_back_is_short_and_printable() -> None:
    assert is_event_id("")
    assert is_event_id("x" * 256)
    assert not is_event_id("x" * 257)
    assert not is_event_id("a\x1bb")
