"""Which requests leave a build's network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.builds.sandbox.proxy_requests import ProxyRequest, RequestRefused, list_closed_hosts, read_request

HOSTS = ("pypi.example.org", "*.mirror.example.org")


def test_a_tunnel_goes_to_an_allowed_host() -> None:
    assert read_request(b"CONNECT pypi.example.org:443 HTTP/1.1\r\nHost: x", HOSTS) == ProxyRequest(
        "pypi.example.org", 443
    )
    assert read_request(b"CONNECT A.Mirror.example.org:443 HTTP/1.1", HOSTS).host == "a.mirror.example.org"


def test_a_plain_request_reaches_the_server_in_its_own_form() -> None:
    head = (
        b"GET http://pypi.example.org/simple?x=1 HTTP/1.1\r\nHost: pypi.example.org\r\n"
        b"Proxy-Connection: keep-alive\r\nConnection: keep-alive\r\nAccept: */*"
    )
    request = read_request(head, HOSTS)
    assert (request.host, request.port) == ("pypi.example.org", 80)
    assert request.head == (
        b"GET /simple?x=1 HTTP/1.1\r\nHost: pypi.example.org\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"CONNECT other.example.org:443 HTTP/1.1", "the host other.example.org is not open"),
        (b"CONNECT mirror.example.org:443 HTTP/1.1", "is not open"),
        (b"CONNECT pypi.example.org:22 HTTP/1.1", "the port 22 is not open"),
        (b"CONNECT pypi.example.org:99999 HTTP/1.1", "is not open"),
        (b"GET http://pypi.example.org:25/ HTTP/1.1", "the port 25 is not open"),
        (b"GET http://pypi.example.org@other.example.org/ HTTP/1.1", "no plain host"),
        (b"GET http://127.0.0.1/ HTTP/1.1", "the host 127.0.0.1 is not open"),
        (b"GET / HTTP/1.1", "no request to a proxy"),
        (b"PUT http://pypi.example.org/ HTTP/1.1", "no request to a proxy"),
        (b"GET http://[::1/ HTTP/1.1", "no address"),
        (b"GET http://pypi.example.org:x/ HTTP/1.1", "no address"),
        (b"", "no request to a proxy"),
        (b"SSH-2.0-x", "no request to a proxy"),
    ],
)
def test_any_other_request_is_refused(head: bytes, says: str) -> None:
    with pytest.raises(RequestRefused, match=says):
        read_request(head, HOSTS)


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(head: bytes) -> None:
    try:
        request = read_request(head, ("*",))
    except RequestRefused:
        return
    assert request.port in (80, 443)


def test_the_operator_bounds_what_a_task_may_ask_for() -> None:
    assert list_closed_hosts(["pypi.example.org", "a.mirror.example.org"], HOSTS) == []
    assert list_closed_hosts(["evil.example.org", "*", "*.mirror.example.org"], HOSTS) == [
        "evil.example.org",
        "*",
        "*.mirror.example.org",
    ]
    assert list_closed_hosts(["pypi.example.org"], ()) == ["pypi.example.org"]
