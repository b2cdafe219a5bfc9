import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from runtime.telemetry.redaction import redact, redact_text

JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiJhIn0.sIgNaTuRe-_123"


@pytest.mark.parametrize(
    "text",
    [
        JWT,
        f"Authorization: Bearer {JWT}",
        f"auth_token={JWT}&x=1",
        f"https://broker/?token={JWT}#x",
        f"'{JWT}'",
        f"first {JWT} second {JWT}",
        JWT.rsplit(".", 1)[0] + ".",
        f"amqp://user:{JWT}@broker:5672/ewms",
    ],
)
def test_no_part_of_a_token_survives_in_any_text(text: str) -> None:
    cleaned = redact_text(text)
    assert not any(part in cleaned for part in JWT.split("."))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("amqp://wms:hunter2@127.0.0.1:5672/ewms-control", "hunter2"),
        ("mongodb://root:p@ss:w0rd@127.0.0.1/", "p@ss:w0rd"),
        ("password=hunter2", "hunter2"),
        ('{"client_secret": "hunter2"}', "hunter2"),
        ("EWMS_CLIENT_SECRET: hunter2", "hunter2"),
        ("Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
        ("authorization: bearer abcdefghijkl", "abcdefghijkl"),
    ],
)
def test_passwords_are_taken_out_of_texts(text: str, secret: str) -> None:
    assert secret not in redact_text(text)


@pytest.mark.parametrize("text", ["TF-6b00e09f-926a610b", "amqp://user@host:5672/ewms", "3 tokens minted", "10:30:00"])
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize("key", ["password", "auth_token", "token", "Authorization", "CLIENT_SECRET", "private_key"])
def test_the_value_of_a_key_that_names_a_secret_is_never_shown(key: str) -> None:
    assert "hunter2" not in json.dumps(redact({"outer": [{key: "hunter2"}]}))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=10,
    )
)
def test_anything_becomes_plain_data_without_the_token_that_was_put_into_it(value: object) -> None:
    for hidden in ({"a": value, "b": [JWT]}, [value, JWT.encode()], {"x": {f"key {JWT}": value}}):
        assert JWT not in json.dumps(redact(hidden))


def test_a_secret_type_shows_itself_masked() -> None:
    assert "hunter2" not in json.dumps(redact({"x": SecretStr("hunter2"), "y": object()}))
