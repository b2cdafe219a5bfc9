import pytest

from runtime.hosts.host_list import HostList, is_encrypted, parse_hosts


@pytest.mark.parametrize(
    ("address", "addresses"),
    [
        ("http://mqs:pw@one:15672", ["http://mqs:pw@one:15672"]),
        ("http://mqs:pw@one:1,two:2", ["http://mqs:pw@one:1", "http://mqs:pw@two:2"]),
        ("https://one:1,two:2/rabbit", ["https://one:1/rabbit", "https://two:2/rabbit"]),
        ("http://mqs:a%2Cb@one:1,[::1]:2/", ["http://mqs:a%2Cb@one:1/", "http://mqs:a%2Cb@[::1]:2/"]),
        ("user@one,two/v?heartbeat=5", ["user@one/v?heartbeat=5", "user@two/v?heartbeat=5"]),
        ("amqp://u:p@ss@one,two", ["amqp://u:p@ss@one", "amqp://u:p@ss@two"]),
        ("one", ["one"]),
        ("", [""]),
    ],
)
def test_each_host_gets_the_same_login_and_path(address: str, addresses: list[str]) -> None:
    parts = parse_hosts(address)
    assert parts.name_addresses() == addresses
    assert parts.join_parts() == address


def test_the_parts_stand_alone() -> None:
    assert parse_hosts("mongodb://u:p@one:1,[::1]:2/db?tls=true#x") == HostList(
        "mongodb", "u:p", ("one:1", "[::1]:2"), "/db?tls=true#x"
    )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("amqps://wms:x@h:5671/ewms-control", True),
        ("amqp://wms:x@h/ewms-control", False),
        ("user@h:5672/ewms", False),
        ("https://h", True),
        ("http://h?tls=false", False),
        ("mongodb://wms:x@db1,db2/WMS_DB?replicaSet=ewms&tls=true", True),
        ("mongodb://h/?ssl=true", True),
        ("mongodb://h/?replicaSet=r", False),
        ("mongodb+srv://h/", True),
    ],
)
def test_an_address_says_whether_it_needs_tls(address: str, expected: bool) -> None:
    assert is_encrypted(address) is expected
