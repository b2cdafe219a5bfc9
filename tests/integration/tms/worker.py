"""A stand-in for the pilot: tells where it is, says what it is told to by chirp, waits, and ends as it is told to.

worker.py <seconds to stay, or a file to wait for> <exit code> [<file for the pid of a child that left its session>]

An exit code of 0 stands for that of a pilot whose queues are gone: the job is over.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def chirp(attribute: str, text: str) -> None:
    line = f'HTChirpEWMSPilot{attribute}: "{text}"'
    if fd := os.environ.get("EWMS_PILOT_HTCHIRP_FD"):
        os.write(int(fd), f"{line}\n".encode())
        return
    from htchirp import HTChirp

    with HTChirp() as htchirp:
        htchirp.ulog(line)


def wait(stay: str) -> None:
    if not stay.startswith("/"):
        time.sleep(float(stay))
        return
    while not Path(stay).exists():
        time.sleep(0.05)


def main() -> None:
    stay, exit_code, *pid_file = sys.argv[1:]
    print(dict(os.environ), flush=True)
    print(sorted(path.name for path in Path().glob("ewms_*")), flush=True)
    print(oct(Path("ewms_pilot_token").stat().st_mode & 0o777), flush=True)
    if (secrets := Path("ewms_pilot_secrets")).exists():
        named = sorted(json.loads(secrets.read_bytes()))
        print(f"secrets {named} of mode {secrets.stat().st_mode & 0o777:o}", flush=True)
    Path("left behind").write_text("not to be brought home")
    if pid_file:
        child = subprocess.Popen(["/bin/sleep", "3600"], start_new_session=True)
        Path(pid_file[0]).write_text(str(child.pid))
    chirp("Status", "Tasking")
    if exit_code != "0":
        chirp("Error", "RuntimeError: bad pixel")
    wait(stay)
    chirp("Status", "Done")
    sys.exit(int(exit_code) or 3)


main()
