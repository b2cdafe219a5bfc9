"""Make a command end with the pilot: if the pilot ends for any reason, all processes that the command started end too.

A task that works on one event ends by itself if its pilot is killed. A task that waits for the next line may not
notice. So a small process runs between the pilot and the command. The kernel signals this process when the pilot dies,
and makes it the parent of orphans among its descendants. It costs 15 ms and a few MB for each container. (core)
"""

import sys
from dataclasses import replace

from pilot.containers.command import Command

# Source: linux/prctl.h: PR_SET_PDEATHSIG is 1, PR_SET_CHILD_SUBREAPER 36. A death signal for the command itself does
# not work: the kernel forgets it when apptainer changes its credentials. Python ignores two signals that a program
# expects at their default. It may also add a locale to an environment without one.
_TETHER = """
import ctypes, os, signal, sys
parent, locale, program, *argv = sys.argv[1:]

def end(*_):
    spared = set()
    try:
        while True:
            with open(f"/proc/self/task/{os.getpid()}/children") as file:
                pids = set(file.read().split()) - spared
            for pid in pids:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except PermissionError:
                    spared.add(pid)
            if pids <= spared:
                break
            os.waitpid(-1, 0)
    except OSError:
        # This kernel has no such list. If the pilot is gone, kill this session; a living pilot does it itself.
        if os.getppid() != int(parent):
            try:
                os.killpg(os.getpid(), signal.SIGKILL)
            except OSError:
                pass
    os._exit(code)

code = 1
signal.signal(signal.SIGTERM, end)
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)
if os.getppid() != int(parent):
    sys.exit(1)
if not locale:
    os.environ.pop("LC_CTYPE", None)
try:
    default = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT)
    child = os.posix_spawn(program, argv, os.environ, setsigdef=default)
except OSError as error:
    sys.exit(f"{program}: {error.strerror}")
os.closerange(0, 3)
pid = 0
while pid != child:
    pid, status = os.waitpid(-1, 0)
code = os.waitstatus_to_exitcode(status)
code = code if code >= 0 else 128 - code
end()
"""


def tie_to_parent(command: Command, program: str, pid: int) -> Command:
    """Return a command that runs `command`, and ends if its parent `pid` ends. `program` is the path to execute."""
    locale = "1" if "LC_CTYPE" in command.environment else ""
    argv = (sys.executable, "-I", "-S", "-c", _TETHER, str(pid), locale, program, *command.argv)
    return replace(command, argv=argv)
