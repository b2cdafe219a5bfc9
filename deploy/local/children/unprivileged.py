"""Run a command as an account of a launch that sees only the files it needs: `python unprivileged.py PLAN COMMAND…`.

Root runs this: root of the machine, or root of a user namespace with one id. `seclusion` makes PLAN, which is JSON. The
command gets, in this order:

    a mount namespace     shows of the launcher's closed directories only the files that the command needs
    a user namespace      has the ids 0 to n of the launch, which are high, unprivileged ids of the machine
    its own id there      0 is root among these ids only; on the machine it has no rights

If root is root of a namespace with one id, the command gets that id back under its former number: an ordinary user's.

With `opens`, an ordinary user runs this program, and the program first opens that namespace. The command then has a
user namespace of its own: the kernel hides the environment and the memory of processes outside. The command sees the
directory that it starts in, and the directories of the files that the variables `files` name.

An inner namespace cannot undo the mounts of the outer namespace, so the command cannot uncover a directory. The
machine's `sudo` does not work in the namespace either, because the machine's root has no id there.

The launcher starts this file by its path. This program imports nothing of EWMS and no site-packages. It replaces itself
by the command, which keeps the pid.

Each job and each program of a build starts by this program. pathlib, signal and typing would take a third of its CPU.
"""

from __future__ import annotations

import ctypes
import json
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Source: linux/sched.h, linux/mount.h, linux/prctl.h.
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_MS_RDONLY = 0x1
_MS_NOSUID = 0x2
_MS_NODEV = 0x4
_MS_NOEXEC = 0x8
_MS_REMOUNT = 0x20
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000
_MS_NOATIME = 0x400
_MS_NODIRATIME = 0x800
_MS_RELATIME = 0x200000
_PR_SET_PDEATHSIG = 1
_SIGKILL = 9
_CANNOT = 125

#: Flags of a mount, as statvfs(3) reports them and as mount(2) takes them.
_KEPT = (
    (os.ST_NOSUID, _MS_NOSUID),
    (os.ST_NODEV, _MS_NODEV),
    (os.ST_NOEXEC, _MS_NOEXEC),
    (os.ST_NOATIME, _MS_NOATIME),
    (os.ST_NODIRATIME, _MS_NODIRATIME),
    (os.ST_RELATIME, _MS_RELATIME),
)

_libc = ctypes.CDLL(None, use_errno=True)


def main(plan: dict[str, Any], command: list[str]) -> int:
    """Replace this process by `command`, as `plan` says. Return an exit status only if that fails."""
    parent = os.getppid()
    try:
        if plan["opens"]:
            _enter_namespace_of_one_id((0, 0), tuple(plan["id"]))
        else:
            _unshare_namespaces(_CLONE_NEWNS)
        _mount_path("none", "/", flags=_MS_REC | _MS_PRIVATE)
        here = [[place, True] for place in _own_directories(plan["files"])] if plan["opens"] else []
        covered = [one for one in plan["covered"] if os.path.isdir(one)]
        umask = os.umask(0o022)
        layers = [(directory, _open_directory(layer)) for directory, layer in plan["laid_over"].items()]
        _cover_directories(covered, [*plan["shown"], *here])
        for directory, layer in layers:
            _overlay_files(directory, layer)
        os.umask(umask)
        _reenter_directory()
        if plan["first_id"] is None:
            _enter_namespace_of_one_id(tuple(plan["id"]), (0, 0))
        else:
            # Each account sees only its own processes.
            _mount_path(
                "proc", "/proc", kind="proc", flags=_MS_NOSUID | _MS_NODEV | _MS_NOEXEC, options="hidepid=invisible"
            )
            _enter_user_namespace(plan["first_id"], plan["n_ids"])
            os.setgroups([])
            os.setresgid(plan["id"], plan["id"], plan["id"])
            os.setresuid(plan["id"], plan["id"], plan["id"])
    except OSError as error:
        os.write(2, f"cannot switch to an unprivileged account: {error}\n".encode())
        return _CANNOT
    # Do this last: a change of ids clears it.
    _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return 128 + _SIGKILL
    try:
        os.execvp(command[0], command)  # noqa: S606 - the launcher's own argv, never a shell
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        return 127


def _own_directories(files: list[str]) -> list[str]:
    """Return this job's directories: the current directory, and the directories of the files that the variables `files`
    name.
    """
    named = [os.path.dirname(os.environ[name]) for name in files if name in os.environ]
    return list(dict.fromkeys([os.getcwd(), *named]))


def _cover_directories(covered: list[str], shown: list[list[Any]]) -> None:
    """Cover the directories `covered` with empty ones, and mount the paths of `shown` at their places again.

    An entry of `shown` is a path and whether the path is writable.
    """
    # Open these paths before anything covers them: afterwards no path leads there.
    opened = [(path, writable, _open_directory(path)) for path, writable in shown]
    for directory in covered:
        _mount_path("tmpfs", directory, kind="tmpfs", flags=_MS_NOSUID | _MS_NODEV, options="mode=755,size=1m")
    for name, writable, descriptor in opened:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.makedirs(name, mode=0o755, exist_ok=True)
        elif not os.path.exists(name):
            os.makedirs(os.path.dirname(name), mode=0o755, exist_ok=True)
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
        _mount_path(f"/proc/self/fd/{descriptor}", name, flags=_MS_BIND | _MS_REC)
        os.close(descriptor)
        if not writable:
            _mount_path("none", name, flags=_MS_REMOUNT | _MS_BIND | _MS_RDONLY | _kept_flags(name))
    for directory in covered:
        _mount_path("none", directory, flags=_MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)


def _overlay_files(directory: str, layer: int) -> None:
    """Replace the files of `directory` that have the same names as files in `layer`, which is an open directory.

    A mount over a single file would not last: it ends when a program of the machine replaces the file, as `useradd`
    does with `/etc/passwd`. Source: mount_namespaces(7), "unlink, rename, or removal of a mount point".
    """
    beneath = _open_directory(directory)
    # An overlay leaves out the mounts below its layers; a container has such mounts, for example `/etc/resolv.conf`.
    mounts = [(point, _open_directory(point)) for point in _mount_points_below(directory)]
    options = f"lowerdir=/proc/self/fd/{layer}:/proc/self/fd/{beneath}"
    _mount_path("overlay", directory, kind="overlay", flags=_MS_RDONLY | _MS_NOSUID | _MS_NODEV, options=options)
    for point, descriptor in mounts:
        _mount_path(f"/proc/self/fd/{descriptor}", point, flags=_MS_BIND | _MS_REC)
    for descriptor in (layer, beneath, *(descriptor for _, descriptor in mounts)):
        os.close(descriptor)


def _mount_points_below(directory: str) -> list[str]:
    # The fifth word of a line is the mount point. Source: proc_pid_mountinfo(5).
    with open("/proc/self/mountinfo") as mounts:
        points = [line.split()[4] for line in mounts.read().splitlines()]
    texts = [point.encode().decode("unicode_escape") for point in points]
    return list(dict.fromkeys(text for text in texts if text.startswith(f"{directory}/")))


def _kept_flags(path: str) -> int:
    """Return the flags of the mount at `path` that a remount must repeat.

    The kernel refuses root of a user namespace a remount without these flags. Many machines mount /tmp and /home with
    `nosuid` and `nodev`. Source: mount_namespaces(7), restrictions.
    """
    found = os.statvfs(path).f_flag
    return sum(flag for mark, flag in _KEPT if found & mark)


def _open_directory(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _reenter_directory() -> None:
    """Enter the current directory again by its path: the open directory is the one below the cover."""
    try:
        os.chdir(os.getcwd())
    except OSError:
        os.chdir("/")


def _enter_namespace_of_one_id(inside: tuple[int, ...], outside: tuple[int, ...]) -> None:
    """Enter a new user namespace. This process has the ids `inside` in the namespace, and `outside` outside of it.

    Both are a pair of a user id and a group id.
    """
    _unshare_namespaces(_CLONE_NEWUSER | _CLONE_NEWNS)
    _write_text("/proc/self/setgroups", "deny")
    _write_text("/proc/self/uid_map", f"{inside[0]} {outside[0]} 1\n")
    _write_text("/proc/self/gid_map", f"{inside[1]} {outside[1]} 1\n")


def _enter_user_namespace(first_id: int, n_ids: int) -> None:
    """Enter a new user namespace with the ids 0 to `n_ids` - 1. Outside, they are the ids from `first_id` on."""
    ready, entered = os.pipe()
    me = os.getpid()
    # Only a process outside of the namespace may map more ids than its own.
    helper = os.fork()
    if helper == 0:
        try:
            os.close(entered)
            os.read(ready, 1)
            for name in ("uid_map", "gid_map"):
                _write_text(f"/proc/{me}/{name}", f"0 {first_id} {n_ids}\n")
            os._exit(0)
        except OSError as error:
            os.write(2, f"mapping ids: {error}\n".encode())
            os._exit(1)
    os.close(ready)
    _unshare_namespaces(_CLONE_NEWUSER | _CLONE_NEWNS)
    os.close(entered)
    if os.waitpid(helper, 0)[1]:
        raise OSError("the kernel refused to map the ids")


def _write_text(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _unshare_namespaces(flags: int) -> None:
    _check_result(_libc.unshare(flags), "unshare")


def _mount_path(source: str, target: str, *, kind: str = "", flags: int = 0, options: str = "") -> None:
    done = _libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, options.encode() or None)
    _check_result(done, f"mount {target}")


def _check_result(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2:]))
