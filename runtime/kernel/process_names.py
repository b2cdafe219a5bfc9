"""Name this process so that another process of the same machine can see whether it still runs."""

from pathlib import Path


def describe_process() -> str:
    """Return a text that names this process among all of all machines; "" where the kernel does not tell."""
    try:
        return "/".join((*_name_machine(), str(_own_pid()), _read_start("self")))
    except OSError:
        return ""


def has_ended(process: str) -> bool:
    """Return whether `process`, as `describe_process` named it, was one of this machine and has ended.

    Return False for a process of another machine or of another container: this process cannot see it.
    """
    *machine, pid, start = process.split("/") if process.count("/") == 3 else ("", "", "")
    try:
        if machine != [*_name_machine()] or not pid.isdecimal():
            return False
        return _read_start(pid) != start
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return False


def _name_machine() -> tuple[str, str]:
    """Return the boot of this machine and the namespace of process ids: two processes of equal ones see each other."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip(), Path("/proc/self/ns/pid").readlink().name


def _own_pid() -> int:
    return int(Path("/proc/self/stat").read_text().split()[0])


def _read_start(pid: str) -> str:
    """Return when the process began, in ticks since the boot. Source: proc(5), field 22 of /proc/<pid>/stat."""
    return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[19]
