"""`python -m tms` as an account of a launch, for a process that has imported TMS already.

A launcher runs `deploy.local.children.unprivileged` first, which replaces itself by TMS. A fork cannot replace itself
without losing what it has imported. So here the last step of `unprivileged` runs TMS in the same process.

Usage: as_account.py PLAN, with the plan of `deploy.local.children.seclusion`.
"""

import ctypes
import json
import os
import runpy
import sys
from collections.abc import Sequence

from deploy.local.children import unprivileged

_PR_SET_DUMPABLE = 4


def run_tms(_program: str, _command: Sequence[str]) -> None:
    # A change of ids closes /proc/PID to the process's own account, and a start of a program opens it again.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    runpy.run_module("tms", run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    os.execvp = run_tms  # type: ignore[assignment]
    sys.exit(unprivileged.main(json.loads(sys.argv[1]), ["tms"]))
