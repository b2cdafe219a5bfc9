"""Properties are read as the library reads them, whatever a publisher has set."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from runtime.amqp.wire.frames import PROPERTIES_AT
from runtime.amqp.wire.properties import DecodedProperties, EventProperties

SHORT = st.none() | st.text(max_size=60)
HEADERS = st.dictionaries(
    st.text(min_size=1, max_size=20), st.one_of(st.text(max_size=40), st.integers(0, 2**31 - 1), st.booleans())
)
LIBRARY_PROPERTIES = st.builds(
    Basic.Properties,
    content_type=SHORT,
    content_encoding=SHORT,
    headers=st.none() | HEADERS,
    delivery_mode=st.sampled_from([None, 1, 2]),
    priority=st.none() | st.integers(0, 9),
    correlation_id=SHORT,
    reply_to=SHORT,
    expiration=SHORT,
    message_id=SHORT,
    timestamp=st.none() | st.just(datetime(2026, 1, 1, tzinfo=UTC)),
    message_type=SHORT,
    user_id=SHORT,
    app_id=SHORT,
)
NAMES = ("content_type", "headers", "correlation_id", "reply_to", "message_id", "user_id")


def encode(properties: Basic.Properties) -> bytes:
    return ContentHeader(properties=properties).marshal()[PROPERTIES_AT:]


@given(LIBRARY_PROPERTIES)
def test_properties_are_the_librarys(properties: Basic.Properties) -> None:
    encoded = encode(properties)
    theirs = ContentHeader()
    theirs.unmarshal(bytes(PROPERTIES_AT) + encoded)
    ours = DecodedProperties(encoded)
    assert {name: getattr(ours, name) for name in NAMES} == {name: getattr(theirs.properties, name) for name in NAMES}


@given(HEADERS)
def test_headers_are_the_same_at_each_look(headers: dict[str, object]) -> None:
    read = DecodedProperties(EventProperties("1", headers=headers).encode())
    assert (read.headers or {}, read.headers or {}) == (headers, headers)


@pytest.mark.parametrize("text", ["message_id", "content_type", "user_id"])
def test_a_text_that_is_not_utf_8_comes_with_escapes(text: str) -> None:
    encoded = encode(Basic.Properties(**{text: "ab"})).replace(b"ab", b"\xffb")
    assert getattr(DecodedProperties(encoded), text) == "\\xffb"
