"""The rules of sources: what is refused, with the field and a remedy."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.automation.build_sources import (
    GIT_PROTOCOLS,
    check_directory,
    check_git_ref,
    check_git_url,
    check_subdirectory,
    names_host,
)


@pytest.mark.parametrize(
    "url", ["https://github.com/a/b", "https://git.example.org:8443/~ada/tasks.git", "https://[2606:2800:220:1::1]/a/b"]
)
def test_plain_addresses_are_allowed(url: str) -> None:
    assert check_git_url(url) == ""


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("github.com/sulochan/craton_tasks", "write https://github.com/sulochan/craton_tasks"),
        ("file:///etc", "the protocol 'file' is not allowed; use https://"),
        ("ssh://git@host/x", "the protocol 'ssh' is not allowed"),
        ("ext::sh -c id", "has a space"),
        ("ext::id", "is an option or a remote helper of git"),
        ("git::https://a.b/c", "is an option or a remote helper of git"),
        ("--upload-pack=id", "is an option or a remote helper of git"),
        ("/etc/passwd", "an address without a protocol"),
        ("git@host:path", "an address without a protocol"),
        ("https://ada:secret@host.org/x", "contains a user or a password"),
        ("https:///x", "has no valid host"),
        ("https://-oProxy=x/y", "has no valid host"),
        ("https://host.org", "the path may have"),
        ("https://host.org/a/../b", "no part that is .."),
        ("https://host.org/-x", "begins with -"),
        ("https://host.org/a?x=1", "ends with a query"),
        ("https://host.org/a\n", "unprintable"),
        ("https://host.org:port/a", "this is not an address"),
        ("https://[::1]/a", "no address of the internet, must stand in EWMS_BUILD_GIT_HOSTS"),
        ("https://127.0.0.1:8443/a", "no address of the internet"),
        ("https://169.254.169.254/latest", "no address of the internet"),
        ("https://10.1.2.3/a", "no address of the internet"),
    ],
)
def test_other_addresses_are_refused_with_the_remedy(url: str, says: str) -> None:
    problem = check_git_url(url)
    assert problem.startswith("url: ")
    assert says in problem
    assert "secret" not in problem


def test_the_operator_names_hosts() -> None:
    assert check_git_url("https://git.example.org/a", hosts=("*.example.org",)) == ""
    assert "the host github.com" in check_git_url("https://github.com/a", hosts=("*.example.org",))


def test_a_host_inside_and_one_over_git_must_be_named() -> None:
    assert check_git_url("https://10.1.2.3/a", hosts=("10.1.2.*",)) == ""
    assert check_git_url("https://10.1.2.3/a", hosts=("*", "10.1.2.3")) == ""
    assert "over git://" in check_git_url("git://git.example.org/a", GIT_PROTOCOLS)
    assert check_git_url("git://git.example.org/a", GIT_PROTOCOLS, ("*.example.org",)) == ""
    for wildcard in ("*", "*.*", "?*"):
        assert not names_host("git.example.org", (wildcard,))


@given(st.text(alphabet=string.printable, max_size=60))
def test_an_allowed_address_has_an_allowed_protocol_and_nothing_that_git_takes_for_an_option(text: str) -> None:
    if not check_git_url(text, GIT_PROTOCOLS):
        assert text.startswith(tuple(f"{one}://" for one in GIT_PROTOCOLS))
        assert "::" not in text.partition("//")[0]
        assert not any(mark in text for mark in (" ", "\n", "/-", "@host", "../"))


@pytest.mark.parametrize("ref", ["", "main", "release/1.2", "v1.0", "1" * 40, "feature_x-y"])
def test_names_are_refs(ref: str) -> None:
    assert check_git_ref(ref) == ""


@pytest.mark.parametrize(
    "ref",
    ["-x", "--upload-pack=x", "a b", "a..b", "a~1", "a^", "a:b", "*", "@", "a@{1}", "/a", "a.lock"],
)
def test_everything_else_is_no_ref(ref: str) -> None:
    assert check_git_ref(ref).startswith("ref: ")


@pytest.mark.parametrize(("path", "is_allowed"), [
    ("", True), ("a/b", True), ("tasks/one.two", True),
    ("/a", False), ("../a", False), ("a/../b", False), (".git/hooks", False), ("a/.GIT", False), ("-a", False),
    ("a\\b", False),
])  # fmt: skip
def test_a_subdirectory_stays_inside(path: str, is_allowed: bool) -> None:
    assert (check_subdirectory(path) == "") is is_allowed


@pytest.mark.parametrize(("path", "is_allowed"), [
    ("/tasks/a", True), ("/tasks", True),
    ("/tasks2", False), ("/tasks/../etc", False), ("tasks/a", False), ("/", False), ("/tasks/a\0b", False),
])  # fmt: skip
def test_a_directory_lies_below_a_root(path: str, is_allowed: bool) -> None:
    assert (check_directory(path, ("/tasks",)) == "") is is_allowed


def test_without_roots_no_directory_is_allowed() -> None:
    assert "EWMS_TASK_ROOTS" in check_directory("/tasks", ())
