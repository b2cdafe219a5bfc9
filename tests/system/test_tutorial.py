"""The tutorial's commands do what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

from deploy.local.system.stack import Stack

ROOT = Path(__file__).parents[2]


def test_the_tutorials_commands_run_as_they_are_printed(stack: Stack) -> None:
    commands = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/tutorial.md").read_text(), re.DOTALL)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    server = {"EWMS_GATEWAY": stack.gateway, "EWMS_TOKEN": stack.token, "PATH": path}
    outcome = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
        env={**os.environ, **server},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert {'"HELLO"', '"EVENT"', '"WORKFLOW"'} <= set(outcome.stdout.split())
