"""The README's first workflow does what the README says."""

import os
import re
import subprocess
import sys
from pathlib import Path

from deploy.local.system.stack import Stack

README = Path(__file__).parents[2] / "README.md"


def test_the_first_workflow_runs_as_it_is_printed(stack: Stack, tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    server = {"EWMS_GATEWAY": stack.gateway, "EWMS_TOKEN": stack.token, "EWMS_CLUSTER": "local"}
    outcome = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **server},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert sorted(outcome.stdout.split()) == ["EVENT", "HELLO", "WORKFLOW"]
