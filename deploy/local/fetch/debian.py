"""Let apt-get choose, verify and download Debian packages as an ordinary user, in the cache's own directories."""

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from deploy.local.children.helper_programs import HelperPrograms
from deploy.local.choices.prerequisites import find_tool
from deploy.local.errors import LaunchError
from deploy.local.fetch.disk_space import disk_full_error
from deploy.local.fetch.packages import Archive, PackageSet, parse_archives, status_file
from deploy.local.fetch.progress import Bar

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def find_mirror(printed_uris: str) -> str | None:
    """Return the Debian mirror among the addresses that `apt-get --print-uris update` printed. Return None if there is
    none.
    """
    found = re.search(r"^'(https?://\S+?/debian)/dists/", printed_uris, re.MULTILINE)
    return found[1] if found else None


class PrivateApt:
    """apt-get for one suite, with its own lists, cache and status below `root`."""

    def __init__(self, root: Path, suite: str, helpers: HelperPrograms, *, mirror: str | None) -> None:
        self.suite = suite
        self.helpers = helpers
        self._root = root
        self._program = find_tool("apt-get")
        for directory in (
            "lists/partial",
            "archives/partial",
            "no-archives/partial",
            "state",
            "preferences.d",
            "status",
        ):
            (root / directory).mkdir(parents=True, exist_ok=True)
        signed_by = f" signed-by={_KEYRING}" if _KEYRING.exists() else ""
        address = mirror or self._machine_mirror()
        (root / "sources.list").write_text(f"deb [arch=amd64{signed_by}] {address} {suite} main\n")
        (root / "status/none").write_text("")

    @property
    def archives(self) -> Path:
        """The directory of downloaded packages."""
        return self._root / "archives"

    def update_lists(self) -> None:
        """Download the suite's package lists. Apt checks their signature.

        Raises:
            LaunchError: apt-get failed.
        """
        self._run_apt("update", what=f"the package lists of Debian's suite {self.suite}")

    def resolve_packages(self, packages: PackageSet) -> list[Archive]:
        """Return the archives of `packages` and of their dependencies. This downloads nothing.

        Raises:
            LaunchError: apt-get failed.
        """
        # Apt prints no address of a package in its archive (another set's, an interrupted try's). So hide the archive.
        printed = self._run_apt(
            "install", "--print-uris", "--yes", *packages.wanted,
            status=self._status_name(packages), archives="no-archives", what=" ".join(packages.wanted),
        )  # fmt: skip
        return parse_archives(printed)

    def download_packages(self, packages: PackageSet, chosen: Iterable[Archive], bar: Bar) -> list[Path]:
        """Download the archives that `resolve_packages` chose, and return their files. Apt verifies the checksums.

        Raises:
            LaunchError: apt-get failed, or left a file out.
        """
        files = [self.archives / one.file_name for one in chosen]
        self._run_apt(
            "install", "--download-only", "--yes", *packages.wanted,
            status=self._status_name(packages), what=" ".join(packages.wanted), bar=bar,
        )  # fmt: skip
        if missing := [file.name for file in files if not file.exists()]:
            raise LaunchError(
                f"apt-get finished but left out {', '.join(missing[:3])}",
                f"remove {self._root} and try again",
            )
        return files

    def _status_name(self, packages: PackageSet) -> str:
        """Write a status file for `packages`, and return its name. Sets that leave out the same packages share a
        file.
        """
        text = status_file(packages.left_out)
        name = hashlib.sha256(text.encode()).hexdigest()[:8]
        (self._root / "status" / name).write_text(text)
        return name

    def discard_downloads(self) -> None:
        """Remove the downloaded packages and lists. They are not needed after the unpacking."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _machine_mirror(self) -> str:
        empty = self._root / "no-lists"
        (empty / "partial").mkdir(parents=True, exist_ok=True)
        printed, _ = self.helpers.read_output(
            self.helpers.start_program(
                [
                    self._program,
                    "-o",
                    f"Dir::State::lists={empty}",
                    "-o",
                    "Debug::NoLocking=1",
                    "--print-uris",
                    "update",
                ],
                environment=_apt_environment(),
            )
        )
        if (mirror := find_mirror(printed)) is None:
            raise LaunchError(
                "this machine's apt configuration names no Debian mirror",
                "set EWMS_DEBIAN_MIRROR to the address of one (it ends in /debian)",
            )
        return mirror

    def _run_apt(
        self,
        verb: str,
        *arguments: str,
        what: str,
        status: str = "none",
        archives: str = "archives",
        bar: Bar | None = None,
    ) -> str:
        root = self._root
        options = {
            "Dir::State": root / "state",
            "Dir::State::lists": root / "lists",
            "Dir::State::status": root / "status" / status,
            "Dir::Cache": root,
            "Dir::Cache::archives": root / archives,
            "Dir::Cache::pkgcache": f"pkgcache-{status}.bin",
            "Dir::Cache::srcpkgcache": f"srcpkgcache-{status}.bin",
            "Dir::Etc::sourcelist": root / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferences": "-",
            "Dir::Etc::preferencesparts": root / "preferences.d",
            "Debug::NoLocking": 1,
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Install-Recommends": 0,
            # By default apt switches to the user _apt. An ordinary user cannot do that, and _apt cannot read our
            # directories if root owns them.
            "APT::Sandbox::User": "",
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            "Acquire::Retries": 3,
            "Binary::apt-get::APT::Keep-Downloaded-Packages": 1,
        }
        command = [self._program, "-qq", *(f"-o{key}={value}" for key, value in options.items()), verb, *arguments]
        process = self.helpers.start_program(command, environment=_apt_environment())
        with bar.follow_directory(self.archives) if bar else contextlib.nullcontext():
            printed, complaints = self.helpers.read_output(process)
        if process.returncode:
            raise _explain_failure(complaints, what, root / "apt.log")
        return printed


def _apt_environment() -> dict[str, str]:
    path = os.environ.get("PATH", "")
    return {**os.environ, "LC_ALL": "C", "PATH": f"{path}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"}


def _explain_failure(text: str, what: str, log: Path) -> LaunchError:
    if "No space left on device" in text:
        return disk_full_error(log.parent)
    log.write_text(text)
    first = next((line for line in text.splitlines() if line.startswith("E:")), "E: no reason given")[2:].strip()
    if "is expired" in text or "not valid yet" in text:
        remedy = (
            "the mirror's copy has passed its validity date, or this machine's clock is wrong: "
            "set EWMS_DEBIAN_MIRROR to another mirror, or allow it in apt.conf (Acquire::Check-Valid-Until)"
        )
    elif "NO_PUBKEY" in text or "not signed" in text:
        remedy = "install Debian's package `debian-archive-keyring`: without it apt cannot check the suite's signature"
    elif "Unable to locate" in text or "unmet dependencies" in text or "no installation candidate" in text:
        remedy = (
            "the suite lacks the package at the moment: try again later, or set EWMS_DEBIAN_MIRROR to another mirror"
        )
    else:
        remedy = "check that this machine reaches its Debian mirror (`apt-get update`), or set EWMS_DEBIAN_MIRROR"
    return LaunchError(f"apt-get could not get {what}: {first}", remedy, log=log)
