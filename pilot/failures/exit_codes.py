"""Explain a container's exit code: a signal killed the program, or the program could not be run. (core)"""

from collections.abc import Mapping

from schemas.rules.sizes import print_size

MIB = 1024 * 1024

_SIGKILL = 9

#: Source: signal(7). The other signals do not end a program by default, or have no short explanation.
_SIGNALS: Mapping[int, tuple[str, str]] = {
    1: ("SIGHUP", ""),
    2: ("SIGINT", "it was interrupted"),
    3: ("SIGQUIT", ""),
    4: ("SIGILL", "an instruction that this worker's processor does not have"),
    6: ("SIGABRT", "it gave up by itself: a failed assertion, or an exception that nothing caught"),
    7: ("SIGBUS", "memory that is not there: a file that shrank while it was mapped, or a full /dev/shm"),
    8: ("SIGFPE", "a division by zero"),
    _SIGKILL: ("SIGKILL", "most often out of memory"),
    11: ("SIGSEGV", "an invalid memory access"),
    13: ("SIGPIPE", "it wrote to a program that had ended"),
    14: ("SIGALRM", ""),
    15: ("SIGTERM", "another process asked it to end"),
    24: ("SIGXCPU", "its limit of CPU time was reached"),
    25: ("SIGXFSZ", "its limit of a file's size was reached"),
    31: ("SIGSYS", "a system call that this worker does not allow"),
}

_SHELLS: Mapping[int, str] = {
    126: "the command was found but cannot be executed: is it executable, and built for this kind of machine?",
    127: "the command was not found: is it in the image, and in its PATH?",
}


def explain_exit(exit_code: int, *, memory_bytes: int | None = None) -> str:
    """Return what `exit_code` means, for example "killed by SIGSEGV (an invalid memory access)". Return "" if unknown.

    128 + n means signal n, in shells and here. `memory_bytes` is the memory that was requested for the worker.
    """
    known = _SIGNALS.get(exit_code - 128)
    if known is None:
        return _SHELLS.get(exit_code, "")
    name, why = known
    if name == "SIGKILL" and memory_bytes:
        why = f"{why}; worker_memory was {print_size(memory_bytes)}"
    return f"killed by {name}" + (f" ({why})" if why else "")


def round_bytes(n_bytes: int) -> int:
    """Return the size, rounded up to two digits in MiB, so that error texts do not differ from event to event."""
    n_mib = max(1, round(n_bytes / MIB))
    step = int("1".ljust(len(str(n_mib)) - 1, "0"))
    return -(-n_mib // step) * step * MIB
