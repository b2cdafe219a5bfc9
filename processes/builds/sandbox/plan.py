"""Decide what a sandboxed program sees: the command line of bubblewrap. (core)

    /work           the directory of the build, writable
    /builder-tmp    a directory beside it, writable; also /tmp and /var/tmp
    /builder-home   a directory beside it, writable
    /etc            files that the builder wrote; with a network also the machine's name servers and certificates
    the tree        of the programs, at its own path, because programs hold the absolute path of their loader

Nothing else of the machine is there. The program is root of a user namespace with one id, the caller's. If bubblewrap
ends, the kernel ends every process of the sandbox, and its mounts are gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

WORK = "/work"
#: The directories for temporary files and for the programs' own files. A program cannot replace them: they are mounts,
#: and their directories on the machine lie beside that of the build.
TEMPORARY = "/builder-tmp"
HOME = "/builder-home"
#: The directory of files for the programs: containers' configuration, credentials.
CONF = "/conf"

_COMMON_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - the sandbox's own directories
_BYTES_PER_BLOCK = 512
_MAX_FILES = 8192
_SHARED_MEMORY_BYTES = 64 << 20
#: The programs of busybox in the sandbox.
_APPLETS = ("sh", "chmod", "du", "mkdir", "rm")
#: Sets the limits inside of the sandbox, where they count its own processes only, then becomes the program.
_LIMITED = 'ulimit -u "$1"; ulimit -f "$2"; ulimit -n "$3"; ulimit -c 0; shift 3; exec "$@"'
#: What name resolution and TLS need, if the program has a network.
_NETWORK_FILES = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/ssl",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What one program sees and may use."""

    #: The unpacked programs: bubblewrap, busybox, buildah, git, skopeo.
    tree: str
    #: The build's directory on the machine.
    work: str
    #: The directory with the sandbox's `etc`, its `sys`, and the programs' configuration.
    conf: str
    #: Further directories and files: path on the machine -> path in the sandbox. The program may only read them.
    readable: Mapping[str, str] = field(default_factory=dict)
    has_network: bool = False
    max_processes: int = 512
    max_file_bytes: int = 1 << 40
    #: The command that starts bubblewrap as another account of the machine.
    holder: tuple[str, ...] = ()

    def build_argv(self, command: Sequence[str], *, filter_fd: int, info_fd: int = -1, block_fd: int = -1) -> list[str]:
        """Return the command line that runs `command`. `filter_fd` is a file with the filter of system calls.

        Unless they are -1, bubblewrap writes the pid of the first process to `info_fd`, and starts `command` only when
        it can read from `block_fd`.
        """
        network = [("--ro-bind-try", path, path) for path in _NETWORK_FILES] if self.has_network else []
        readable = [("--ro-bind", path, place) for path, place in self.readable.items()]
        shell = f"{self.tree}/usr/bin/busybox"
        temporary, home = list_beside(Path(self.work))
        words: list[tuple[str, ...]] = [
            ("--unshare-user", "--uid", "0", "--gid", "0", "--unshare-pid", "--unshare-ipc", "--unshare-uts"),
            ("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--cap-add", "ALL"),
            () if self.has_network else ("--unshare-net",),
            ("--seccomp", str(filter_fd)),
            () if info_fd < 0 else ("--info-fd", str(info_fd)),
            () if block_fd < 0 else ("--block-fd", str(block_fd)),
            ("--bind", str(temporary), TEMPORARY),
            *self._place_common(temporary),
            ("--ro-bind", self.tree, self.tree),
            ("--ro-bind", self.conf, CONF),
            ("--ro-bind", f"{self.conf}/etc", "/etc"),
            ("--ro-bind", shell, "/bin/busybox"),
            *(("--symlink", "busybox", f"/bin/{name}") for name in _APPLETS),
            ("--bind", self.work, WORK),
            ("--bind", str(home), HOME),
            # buildah binds /sys into the containers of its RUN steps.
            ("--dir", "/sys"),
            ("--proc", "/proc"),
            ("--dev", "/dev"),
            # Files there would take memory that the memory limit does not see.
            ("--size", str(_SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"),  # noqa: S108 - the sandbox's own directory
            ("--remount-ro", "/dev"),
            *network,
            *readable,
            ("--chdir", WORK),
        ]
        n_blocks = max(1, self.max_file_bytes // _BYTES_PER_BLOCK)
        limited = ("/bin/sh", "-c", _LIMITED, "sh", str(self.max_processes), str(n_blocks), str(_MAX_FILES))
        options = [word for group in words for word in group]
        return [*self.holder, f"{self.tree}/usr/bin/bwrap", *options, "--", *limited, *command]

    def _place_common(self, temporary: Path) -> list[tuple[str, ...]]:
        """Return the options for /tmp and /var/tmp. One that holds programs of the machine has nothing else in it.

        A program that could write beside the tree could put a link in the tree's place for the next call.
        """
        mounts = [self.tree, *self.readable.values()]
        return [
            ("--size", str(_SHARED_MEMORY_BYTES), "--tmpfs", place)
            if any(Path(mount).is_relative_to(place) for mount in mounts)
            else ("--bind", str(temporary), place)
            for place in _COMMON_TEMPORARY
        ]


def list_beside(work: Path) -> tuple[Path, Path]:
    """Return the machine's directories of `TEMPORARY` and `HOME` for the sandbox with the directory `work`."""
    return work.with_name(f"{work.name}.tmp"), work.with_name(f"{work.name}.home")
