"""Run by `test_pool_access`: try every way to read, use or change a pool, and print as JSON how each try ended.

outsider.py <tree of HTCondor> <address of the collector> <address of the schedd> [<a try>…; none: all]
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import classad2
import htcondor2

DESCRIPTION = {"executable": "/usr/bin/id", "transfer_executable": "False", "hold": "True", "log": "outsider.log"}


def tool(tree: Path, *command: str) -> str:
    """Run a tool of HTCondor; raise what it says when it fails."""
    (program,) = tree.glob(f"usr/*bin/{command[0]}")
    done = subprocess.run(
        [program, *command[1:]], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=150
    )
    said = (done.stdout + done.stderr).strip()
    # `condor_config_val` says no with a status of success.
    if done.returncode or "an't send" in said or "denied" in said:
        raise RuntimeError(said)
    return said


def attempts(tree: Path, collector: str, schedd: str) -> dict[str, Callable[[], Any]]:
    """Return the tries by what they are; each raises when it is refused."""
    known = {"MyAddress": schedd, "MyType": "Scheduler", "Name": "ewms@localhost", "CondorVersion": htcondor2.version()}
    queue = htcondor2.Schedd(classad2.ClassAd(known))
    slot = classad2.ClassAd({"MyType": "Machine", "Name": "evil"})
    asked = htcondor2.Collector(collector)
    Path("submit").write_text("".join(f"{name} = {value}\n" for name, value in DESCRIPTION.items()) + "queue\n")

    def submit() -> int:
        cluster: int = queue.submit(htcondor2.Submit(DESCRIPTION)).cluster()
        return cluster

    return {
        "list the daemons": lambda: asked.query(htcondor2.AdType.Any),
        "list the slots": lambda: asked.query(htcondor2.AdType.Startd),
        "list the jobs": queue.query,
        "submit a job": submit,
        "release jobs": lambda: queue.act(htcondor2.JobAction.Release, "true"),
        "edit jobs": lambda: queue.edit("true", "Iwd", '"/root"'),
        "remove jobs": lambda: queue.act(htcondor2.JobAction.Remove, "true"),
        "advertise a slot": lambda: asked.advertise([slot], "UPDATE_STARTD_AD"),
        "condor_status": lambda: tool(tree, "condor_status"),
        "condor_q": lambda: tool(tree, "condor_q", "-all"),
        "condor_submit": lambda: tool(tree, "condor_submit", "submit"),
        "condor_rm": lambda: tool(tree, "condor_rm", "-all"),
        "condor_config_val -rset": lambda: tool(tree, "condor_config_val", "-address", schedd, "-rset", "A = 1"),
        "condor_config_val": lambda: tool(tree, "condor_config_val", "-address", schedd, "SPOOL"),
        "condor_off": lambda: tool(tree, "condor_off", "-addr", schedd, "-fast"),
        "condor_reconfig": lambda: tool(tree, "condor_reconfig", "-addr", schedd),
        "condor_token_fetch": lambda: tool(tree, "condor_token_fetch", "-type", "COLLECTOR"),
        "condor_token_request": lambda: tool(
            tree, "condor_token_request", "-identity", "ewms@ewms.local", "-type", "COLLECTOR"
        ),
    }


def main() -> None:
    """Print for each try what it gave: `["let in", …]` or `["refused", …]`."""
    tree, collector, schedd, *wanted = sys.argv[1:]
    ended = {}
    for name, attempt in attempts(Path(tree), collector, schedd).items():
        if wanted and name not in wanted:
            continue
        try:
            ended[name] = ("let in", repr(attempt())[:300])
        except (htcondor2.HTCondorException, RuntimeError, subprocess.TimeoutExpired) as error:
            ended[name] = ("refused", str(error)[:300])
    sys.stdout.write(json.dumps(ended))


main()
