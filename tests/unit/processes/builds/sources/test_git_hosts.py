"""From which hosts the builder fetches, and with which addresses."""

import pytest

from processes.builds.build_errors import BuildFailed
from processes.builds.sources.git_hosts import pin_git_host

PUBLIC = ["93.184.216.34", "2606:2800:220:1::1"]


@pytest.mark.parametrize("inner", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"])
def test_a_host_inside_is_refused_unless_the_operator_names_it(inner: str) -> None:
    url = "https://git.example.org/t"
    with pytest.raises(BuildFailed, match=r"not of the internet.*EWMS_BUILD_GIT_HOSTS"):
        pin_git_host(url, ("*",), lambda _host, _port: [*PUBLIC, inner])
    for named in (("git.example.org",), ("*.example.org",), ("*", "GIT.example.org")):
        assert pin_git_host(url, named, lambda _host, _port: [inner]) == ""


def test_git_gets_the_addresses_that_were_checked() -> None:
    found = pin_git_host("https://git.example.org/t", ("*",), lambda _host, _port: PUBLIC)
    assert found == "git.example.org:443:93.184.216.34,[2606:2800:220:1::1]"
    assert pin_git_host("http://git.example.org:81/t", ("*",), lambda _host, _port: PUBLIC[:1]).startswith(
        "git.example.org:81:"
    )


def test_an_unknown_host_fails_with_its_name() -> None:
    def find_none(_host: str, _port: int) -> list[str]:
        raise OSError("Name or service not known")

    with pytest.raises(BuildFailed, match=r"the host git\.example\.org is not known here"):
        pin_git_host("https://git.example.org/t", ("*",), find_none)
