import pytest

from runtime.host_list import HostList, parse_hosts


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
    assert parse_hosts(address).name_addresses() == addresses


def test_the_parts_stand_alone() -> None:
    assert parse_hosts("mongodb://u:p@one:1,[::1]:2/db?tls=true#x") == HostList(
        "mongodb", "u:p", ("one:1", "[::1]:2"), "/db?tls=true#x"
    )
