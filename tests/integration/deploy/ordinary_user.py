"""Run by `test_ordinary_user` as a user without any privilege: all servers, one job of the pool, one container."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import htcondor2
from rich.console import Console

from deploy.local.asked import SCHEDD
from deploy.local.cache import cache_directory, prepare
from deploy.local.images import Apptainer, busybox_image
from deploy.local.rundir import run_directory
from deploy.local.services import running


def _job_says(log_directory: Path) -> str:
    """Return what a job of the pool prints about the user it runs as."""
    schedd = htcondor2.Schedd(htcondor2.Collector().locate(htcondor2.DaemonType.Schedd, SCHEDD))
    description = htcondor2.Submit(
        {
            "executable": "/usr/bin/id",
            "arguments": "-u",
            "transfer_executable": "False",
            "should_transfer_files": "YES",
            "output": str(log_directory / "out"),
            "log": str(log_directory / "log"),
            "request_memory": "16",
            "request_disk": "1",
        }
    )
    schedd.submit(description)
    for event in htcondor2.JobEventLog(str(log_directory / "log")).events(60):
        if event.type == htcondor2.JobEventType.JOB_TERMINATED:
            return (log_directory / "out").read_text().strip()
    raise TimeoutError("the job has not ended within a minute")


def main() -> int:
    """Say `all is well` if it is."""
    assert os.getuid() != 0
    installed = prepare(cache_directory(os.environ), Console(stderr=True))
    with tempfile.TemporaryDirectory() as scratch, run_directory() as run, running(installed, run) as servers:
        assert servers.condor is not None
        assert _job_says(Path(scratch)) == str(os.getuid())
        apptainer = Apptainer(installed.containers)
        image = apptainer.build(busybox_image(installed.python_image, Path(scratch, "root")), Path(scratch, "image"))
        hello = subprocess.run(
            [apptainer.program, "exec", "--userns", "--containall", "--no-home", image, "echo", "hello"],
            env=apptainer.environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert hello.stdout == "hello\n"
    sys.stdout.write("all is well\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
