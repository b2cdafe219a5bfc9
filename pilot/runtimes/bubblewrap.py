"""Run a task in a folder with bubblewrap: without an image format or a daemon, in a few milliseconds. (core)

The container's root is an empty tmpfs. Each entry of the folder is mounted read-only in that root. So bubblewrap can
make mount points that the folder lacks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pilot.containers.command import Command
from pilot.containers.mounts import Mount
from pilot.runtimes.bare import DEFAULT_PATH

#: Every container gets new directories with these names. The folder's own entries with these names are not mounted.
FRESH = frozenset({"proc", "dev", "tmp", "sys", "run"})


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry at the top of the folder. `link` is its target if it is a symbolic link, else empty."""

    name: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """Runs tasks in the folder `root`, the container's file system. `entries` are all entries at the folder's top."""

    binary: str
    root: str
    entries: tuple[Entry, ...]
    environment: Mapping[str, str]
    on_host: bool = False
    has_home: bool = False

    def build_command(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        mounts: Sequence[Mount],
        name: str,
        *,
        listens: bool = False,
    ) -> Command:
        """Return `bwrap ... -- ARGS`."""
        argv = [
            self.binary,
            "--unshare-user-try",
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--die-with-parent",
            "--new-session",
        ]
        targets = {PurePosixPath(mount.target).parts[1] for mount in mounts}
        for entry in self.entries:
            if entry.link and entry.name in targets:
                # Skip it: bubblewrap would make the mount point at the link's target, which may be on the worker.
                continue
            if entry.link:
                argv += ["--symlink", entry.link, f"/{entry.name}"]
            elif entry.name not in FRESH:
                argv += ["--ro-bind", f"{self.root}/{entry.name}", f"/{entry.name}"]
        argv += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - the container's own
        for mount in mounts:
            argv += ["--ro-bind" if mount.read_only else "--bind", mount.source, mount.target]
        argv += ["--chdir", "/", "--clearenv", "--setenv", "PATH", DEFAULT_PATH]
        for key, value in environment.items():
            argv += ["--setenv", key, value]
        return Command((*argv, "--", *arguments), self.environment)
