"""What this machine lacks is told in one error that says how to mend it."""

from pathlib import Path

import pytest

from deploy.local.choices.prerequisites import check_namespaces, check_platform, find_tool
from deploy.local.errors import LaunchError


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64"), ("Windows", "AMD64")])
def test_another_platform_is_named_and_sent_elsewhere(system: str, machine: str) -> None:
    with pytest.raises(LaunchError) as refused:
        check_platform(system, machine)
    assert f"{system} on {machine}" in refused.value.what
    assert "x86-64 Debian" in refused.value.remedy


def test_linux_on_x86_64_is_welcome() -> None:
    check_platform("Linux", "x86_64")


def test_a_missing_program_is_named_with_the_package_that_has_it() -> None:
    with pytest.raises(LaunchError) as refused:
        find_tool("no-such-program")
    assert "`no-such-program` is not installed" in refused.value.what
    assert "package `no-such-program`" in refused.value.remedy


def test_a_machine_without_user_namespaces_is_told_the_settings_that_allow_them() -> None:
    with pytest.raises(LaunchError) as refused:
        check_namespaces(["sh", "-c", "echo 'unshare failed: Operation not permitted' >&2; exit 1"])
    assert "Operation not permitted" in refused.value.what
    assert "user.max_user_namespaces" in refused.value.remedy


def test_an_error_is_three_lines_what_remedy_log() -> None:
    error = LaunchError("it broke", "mend it", log=Path("/run/logs/it.log"))
    assert str(error).splitlines() == ["it broke", "  remedy: mend it", "  log: /run/logs/it.log"]
    assert str(LaunchError("it broke", "mend it")).count("\n") == 1
