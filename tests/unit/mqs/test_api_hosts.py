import pytest

from mqs.api_hosts import split_hosts


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://mqs:pw@one:15672", ["http://mqs:pw@one:15672"]),
        ("http://mqs:pw@one:1,two:2", ["http://mqs:pw@one:1", "http://mqs:pw@two:2"]),
        ("https://one:1,two:2/rabbit", ["https://one:1/rabbit", "https://two:2/rabbit"]),
        ("http://mqs:a%2Cb@one:1,[::1]:2/", ["http://mqs:a%2Cb@one:1/", "http://mqs:a%2Cb@[::1]:2/"]),
    ],
)
def test_each_host_gets_the_same_login_and_path(url: str, expected: list[str]) -> None:
    assert split_hosts(url) == expected
