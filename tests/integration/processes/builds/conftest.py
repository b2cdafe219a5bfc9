"""A builder with real programs: buildah, git, apptainer, in real sandboxes."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from rich.console import Console

from deploy.local.children import accounts
from deploy.local.children.seclusion import choose_accounts
from deploy.local.fetch import packages
from deploy.local.fetch.cache import cache_directory, prepare_cache
from deploy.local.fetch.images import make_busybox_image
from processes.builds.programs import Programs
from processes.builds.settings import BuilderSettings
from processes.builds.workshop import Workshop
from schemas.automation.builds import BuildLimits, BuildOrder, DirectorySource, GitSource

MIB = 1 << 20


#: What the image `ewms/shell` has besides the applets of every image with busybox.
_APPLETS = ("chmod", "dd", "grep", "mkfifo")


@pytest.fixture(scope="session")
def programs(builder_directory: Path) -> Programs:
    """The builder's programs, fetched if they are missing.

    `ewms/shell` is an image of 2 MB. `ewms/python` takes much longer to copy, and is for what needs Python.
    """
    wanted = (packages.BUILDER, packages.CONTAINERS, packages.PYTHON_IMAGE)
    found = prepare_cache(
        cache_directory(os.environ), Console(stderr=True), wanted, mirror=os.environ.get("EWMS_DEBIAN_MIRROR")
    )
    # The account of builds sees the builder's directory.
    shell = make_busybox_image(found.python_image, builder_directory / "shell")
    for applet in _APPLETS:
        (shell / "usr/bin" / applet).symlink_to("busybox")
    return Programs(found.builder, found.containers, {"ewms/python": found.python_image, "ewms/shell": shell})


@pytest.fixture(scope="session")
def builder_directory(tests_directory: Path) -> Path:
    """The builder's directory, kept for all tests so that its base image is made once."""
    # A module elsewhere has this fixture once more.
    return Path(mkdtemp(prefix="builder-", dir=tests_directory))


@pytest.fixture(scope="session")
def account_settings(programs: Programs, builder_directory: Path, tests_directory: Path) -> dict[str, Any]:
    """Root builds under another account, as the launcher does it; an ordinary user under the own one."""
    (directory := Path(mkdtemp(prefix="accounts-", dir=tests_directory))).chmod(0o755)
    secluded = choose_accounts(directory, os.environ, readable=[programs.builder.parents[1]])
    if secluded is None:
        return {}
    secluded.give_alone(builder_directory, accounts.BUILDER)
    holder = secluded.account_command(accounts.BUILDER, writable=[builder_directory])
    return {"build_holder": tuple(holder), "build_account": secluded.accounts.machine_id(accounts.BUILDER)}


@pytest.fixture
def make_workshop(
    programs: Programs, builder_directory: Path, account_settings: dict[str, Any], tmp_path: Path
) -> Callable[..., Workshop]:
    """Return a function that makes a builder. Its arguments are settings."""

    def make(**settings: Any) -> Workshop:
        given = {
            "build_directory": builder_directory,
            "build_programs": tmp_path / "programs",
            "task_roots": (str(tmp_path),),
            "build_locations": {"north": {"directory": str(tmp_path / "north")}},
            **account_settings,
            **settings,
        }
        return Workshop(BuilderSettings(**given), programs)

    (tmp_path / "north").mkdir()
    return make


@pytest.fixture
def workshop(make_workshop: Callable[..., Workshop]) -> Workshop:
    """A builder with the location `north`, a directory."""
    return make_workshop()


@pytest.fixture
def git_workshop(make_workshop: Callable[..., Workshop]) -> Workshop:
    """A builder that may speak the protocol `git`."""
    made: Workshop = make_workshop(build_git_protocols=("git",), build_git_hosts=("127.0.0.1",))
    return made


class TaskFiles:
    """A task's directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()

    def write(self, dockerfile: str, **files: str) -> None:
        """Write the Dockerfile, and other files by name."""
        for name, text in {"Dockerfile": dockerfile, **files}.items():
            path = self.directory / name.replace("__", "/").replace("_py", ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def order(self, workshop: Workshop, *, build: str = "b1", **limits: Any) -> BuildOrder:
        """Return an order to build the directory as it is now."""
        source = DirectorySource(path=str(self.directory))
        order = BuildOrder(
            build=build, task=1, version=1, source=source, locations=("north",), limits=BuildLimits(**limits)
        )
        return order.model_copy(update={"commit": workshop.find_commit(order, "").commit})


@pytest.fixture
def task(tmp_path: Path) -> TaskFiles:
    """A directory for a task's files."""
    return TaskFiles(tmp_path / "task")


class GitServer:
    """A repository, served by `git daemon`."""

    def __init__(self, tree: Path, root: Path, port: int) -> None:
        self._git = str(tree / "usr/bin/git")
        self.repository = root / "tasks"
        self.url = f"git://127.0.0.1:{port}/tasks"
        self._environment = {
            "GIT_EXEC_PATH": str(tree / "usr/lib/git-core"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "HOME": str(root),
            "PATH": "/usr/bin:/bin",
            **{f"GIT_{who}_{what}": "ada@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        self.repository.mkdir(parents=True)
        self.run("init", "--quiet", "--template=", "--initial-branch=main")
        self._daemon = subprocess.Popen(
            [self._git, "daemon", "--export-all", "--listen=127.0.0.1", f"--port={port}", f"--base-path={root}"],
            env=self._environment,
            stderr=subprocess.DEVNULL,
        )

    def run(self, *words: str) -> str:
        """Run git in the repository, and return its output."""
        return subprocess.run(
            [self._git, "-C", str(self.repository), *words],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def commit(self, **files: str) -> str:
        """Commit files by name, and return the commit."""
        for name, text in files.items():
            path = self.repository / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.run("add", "--all")
        self.run("commit", "--quiet", "--message", f"Add {', '.join(sorted(files))}")
        return self.run("rev-parse", "HEAD")

    def source(self, ref: str = "", subdirectory: str = "") -> GitSource:
        """Return the repository as a task's source."""
        return GitSource(url=self.url, ref=ref, subdirectory=subdirectory)

    def stop(self) -> None:
        """End the daemon."""
        self._daemon.terminate()
        self._daemon.wait()


@pytest.fixture
def git_server(programs: Programs, tmp_path: Path) -> Iterator[GitServer]:
    """A repository at an address with the protocol `git`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = GitServer(programs.builder, tmp_path / "git", port)
    try:
        yield server
    finally:
        server.stop()
