"""A command that dies with the pilot: the kernel ends it when the pilot is gone, however that went. (core)

A task that works on one event ends by itself if its pilot is killed; one that waits for the next line may have nothing
to notice it by. Only a process can ask for this of itself, so a few lines of Python do, and become the command; what
they cost is paid once a container.
"""

import sys
from dataclasses import replace

from pilot.container import Command

# Source: linux/prctl.h (PR_SET_PDEATHSIG is 1). Python ignores two signals that a program expects at their default, and
# may add a locale to an environment that has none.
_TETHER = """
import ctypes, os, signal, sys
parent, locale, program, *argv = sys.argv[1:]
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(parent):
    sys.exit(1)
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
if not locale:
    os.environ.pop("LC_CTYPE", None)
try:
    os.execve(program, argv, os.environ)
except OSError as error:
    sys.exit(f"{program}: {error.strerror}")
"""


def tethered(command: Command, program: str, pid: int) -> Command:
    """Return `command`, whose program's file is `program`, as one that lives no longer than its parent `pid`."""
    locale = "1" if "LC_CTYPE" in command.environment else ""
    argv = (sys.executable, "-I", "-S", "-c", _TETHER, str(pid), locale, program, *command.argv)
    return replace(command, argv=argv)
