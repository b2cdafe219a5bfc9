import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.amqp import broker_url
from schemas.errors import Rejected

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln-_x"


@pytest.mark.parametrize(
    ("address", "host", "port", "user", "vhost"),
    [
        ("broker.example", "broker.example", 5672, None, ""),
        ("broker.example:5673", "broker.example", 5673, None, ""),
        ("user@broker.example:5672/ewms", "broker.example", 5672, "user", "/ewms"),
        ("amqp://wms:secret@127.0.0.1:29637/ewms-control", "127.0.0.1", 29637, "wms", "/ewms-control"),
        ("amqps://user@broker.example/ewms", "broker.example", 5671, "user", "/ewms"),
        ("amqp://[::1]:5672/ewms", "::1", 5672, None, "/ewms"),
    ],
)
def test_every_form_of_the_contracts_address_is_understood(
    address: str, host: str, port: int, user: str | None, vhost: str
) -> None:
    url = broker_url(address)
    assert (url.host, url.port, url.user, url.path.rstrip("/")) == (host, port, user, vhost)


def test_the_token_takes_the_place_of_the_password() -> None:
    assert broker_url("user:old@broker/ewms", token=TOKEN).password == TOKEN


def test_a_token_needs_some_user_name_because_plain_does() -> None:
    assert broker_url("broker/ewms", token=TOKEN).user


def test_a_user_name_with_escapes_stays_what_it_was() -> None:
    assert broker_url("amqp://tms.ewms%2B40localhost:x@127.0.0.1:1/ewms-control").user == "tms.ewms+40localhost"


@pytest.mark.parametrize("address", ["", "http://broker/ewms", "amqp://", "host:port", "host:99999", "a b"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(Rejected):
        broker_url(address)


@given(st.text(max_size=80))
def test_no_text_can_fail_in_another_way_or_be_repeated_with_its_password(text: str) -> None:
    said = ""
    try:
        broker_url(f"user:hunter2secret@{text}")
    except Rejected as error:
        said = error.reason
    assert "hunter2secret" not in said
