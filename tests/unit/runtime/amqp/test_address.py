import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.amqp import broker_url
from runtime.amqp.address import broker_urls
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


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("user@one:5672/ewms", ["amqp://user:t@one:5672/ewms"]),
        ("user@one,two:5673/ewms", ["amqp://user:t@one:5672/ewms", "amqp://user:t@two:5673/ewms"]),
        ("amqps://u:p@one,[::1]:9/v?heartbeat=5", ["amqps://u:t@one:5671/v", "amqps://u:t@[::1]:9/v"]),
        ("one,two?heartbeat=5", ["amqp://ewms:t@one:5672", "amqp://ewms:t@two:5672"]),
    ],
)
def test_an_address_with_several_hosts_is_an_address_of_each(address: str, expected: list[str]) -> None:
    assert [str(url.with_query(None)) for url in broker_urls(address, token="t")] == expected


def test_the_options_of_an_address_hold_for_all_its_hosts() -> None:
    assert [url.query["heartbeat"] for url in broker_urls("one,two/ewms?heartbeat=5")] == ["5", "5"]


@pytest.mark.parametrize("address", ["one,/ewms", ",", "one,,two/ewms", "one,a b/ewms"])
def test_each_host_of_an_address_must_be_one(address: str) -> None:
    with pytest.raises(Rejected) as refused:
        broker_urls(address)
    assert "hunter2secret" not in refused.value.reason


@given(st.text(max_size=80))
def test_no_text_of_several_hosts_can_fail_in_another_way(text: str) -> None:
    said = ""
    try:
        broker_urls(f"user:hunter2secret@one,{text}")
    except Rejected as error:
        said = error.reason
    assert "hunter2secret" not in said
