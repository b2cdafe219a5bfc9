"""Frames written by hand are the library's frames, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from runtime.amqp.wire import frames
from runtime.amqp.wire.properties import DecodedProperties, EventProperties
from schemas.errors import Rejected

SHORT = st.text(max_size=60)
CHANNELS = st.integers(1, 65_535)
TAGS = st.integers(1, 2**63 - 1)
#: The library allows no other characters.
EXCHANGES = st.text("abcXYZ019-_.:@#/", max_size=100)
HEADERS = st.dictionaries(
    st.text(min_size=1, max_size=20), st.one_of(st.text(max_size=40), st.integers(0, 2**31 - 1), st.booleans())
)
PROPERTIES = st.builds(
    EventProperties,
    message_id=st.text(min_size=1, max_size=60),
    content_type=SHORT,
    headers=HEADERS,
    user_id=SHORT,
    correlation_id=SHORT,
    is_persistent=st.booleans(),
)


@given(CHANNELS, EXCHANGES, SHORT)
def test_a_publish_is_the_librarys(channel: int, exchange: str, routing_key: str) -> None:
    method = Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=True)
    assert frames.publish_frame(channel, exchange, routing_key) == frame.marshal(method, channel)


@given(CHANNELS, PROPERTIES, st.binary(max_size=200), st.integers(1, 90))
def test_a_content_is_the_librarys_in_frames_of_the_agreed_size(
    channel: int, properties: EventProperties, body: bytes, max_body: int
) -> None:
    header = ContentHeader(body_size=len(body), properties=properties.to_library())
    bodies = [body[start : start + max_body] for start in range(0, len(body), max_body)]
    expected = frame.marshal(header, channel) + b"".join(frame.marshal(ContentBody(part), channel) for part in bodies)
    assert frames.content_frames(channel, properties.encode(), body, max_body) == expected


@given(CHANNELS, TAGS, st.booleans())
def test_a_settlement_is_the_librarys(channel: int, tag: int, flag: bool) -> None:
    assert frames.ack_frame(channel, tag, and_earlier=flag) == frame.marshal(Basic.Ack(tag, flag), channel)
    assert frames.reject_frame(channel, tag, requeue=flag) == frame.marshal(Basic.Reject(tag, flag), channel)
    assert frames.release_frame(channel, tag) == frame.marshal(Basic.Nack(tag, requeue=True), channel)


@given(PROPERTIES)
def test_properties_are_read_as_they_were_written(properties: EventProperties) -> None:
    read = DecodedProperties(properties.encode())
    assert (read.message_id, read.content_type or "", read.headers or {}) == (
        properties.message_id,
        properties.content_type,
        properties.headers,
    )
    assert (read.user_id or "", read.correlation_id or "") == (properties.user_id, properties.correlation_id)


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (lambda text: frames.publish_frame(1, text, ""), "the exchange's name"),
        (lambda text: frames.publish_frame(1, "", text), "the routing key"),
        (lambda text: EventProperties(text).encode(), "the event's id"),
        (lambda text: EventProperties("1", text).encode(), "the content type"),
        (lambda text: EventProperties("1", user_id=text).encode(), "the user's name"),
        (lambda text: EventProperties("1", correlation_id=text).encode(), "the correlation id"),
    ],
)
def test_a_text_that_amqp_cannot_hold_is_named(write, name: str) -> None:  # type: ignore[no-untyped-def]  # a lambda
    write("x" * 255)
    with pytest.raises(Rejected, match=f"{name} has 256 bytes; AMQP allows 255"):
        write("é" * 128)
