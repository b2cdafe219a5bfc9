"""Find the pilots of a taskforce among the machine's processes."""

import json
from contextlib import suppress
from pathlib import Path


def find_pilots(taskforce_uuid: str) -> list[int]:
    """Return the pids of the pilots of a taskforce: those that work below a directory with its files."""
    pids = []
    for process in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if b"-m\0pilot" not in (process / "cmdline").read_bytes():
                continue
            # The root of the process: a pilot may live in a mount namespace of its own.
            cwd = process / "root" / (process / "cwd").readlink().relative_to("/")
            files = [folder / "ewms_pilot_task.json" for folder in (cwd, *cwd.parents)]
            facts = [json.loads(file.read_text())["environment"] for file in files if file.exists()]
            if any(fact.get("EWMS_PILOT_TASKFORCE_UUID") == taskforce_uuid for fact in facts):
                pids.append(int(process.name))
    return pids
