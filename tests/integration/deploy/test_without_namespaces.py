"""Where no process may open a user namespace, as in most containers, `up` still works and still leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ewms import Client, Task, Workflow
from tests.integration.deploy.descendants import below, survivors

#: A namespace in which there can be no further one, and in which we are root.
FORBIDDEN = "echo 0 > /proc/sys/user/max_user_namespaces; exec {python} -m deploy.local up"
#: What `make` is to the launcher: its parent, of which nothing is known but that it is there.
PARENT = "import subprocess, sys; subprocess.run(sys.argv[1:])"


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory whose path is short enough for the servers' sockets."""
    with tempfile.TemporaryDirectory(prefix="e", ignore_cleanup_errors=True) as directory:
        (Path(directory) / "tmp").mkdir()
        yield Path(directory)


@pytest.mark.usefixtures("installed")
def test_up_takes_the_local_pool_with_a_notice_and_ends_with_the_make_that_runs_it(scratch: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EWMS_")}
    environment = {**kept, "TMPDIR": str(scratch / "tmp"), "PYTHONPATH": str(Path.cwd()), "MAKELEVEL": "1"}
    # Root with no ids to give has no account for tasks.
    environment["EWMS_TASKS_AS_ROOT"] = "on"
    script = FORBIDDEN.format(python=sys.executable)
    with (errors := scratch / "errors").open("w") as output:
        make = subprocess.Popen(
            [sys.executable, "-c", PARENT, "unshare", "--user", "--map-root-user", "sh", "-c", script],
            cwd=scratch, env=environment, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        while "EWMS is up" not in (said := errors.read_text()):
            assert make.poll() is None, said
            time.sleep(0.1)
        assert "HTCondor does not run here: HTCondor runs no jobs for root" in said

        endpoints = json.loads((scratch / ".ewms/endpoints.json").read_text())
        _works(endpoints)
        everything = below(make.pid)
        # RabbitMQ, mongod, the issuer, MQS, WMS, TMS, the step worker and the builder.
        assert sum("keeper.py" in process.command for process in everything) == 8
    finally:
        make.kill()
    assert survivors(everything) == set()
    assert "draining" in errors.read_text(), "it ended in order"
    assert list((scratch / "tmp").iterdir()) == []
    assert make.wait() == -signal.SIGKILL


def _works(endpoints: dict[str, str]) -> None:
    task = Task(
        image="none",
        args="sh -ec 'tr a-z A-Z < $1 > $2' sh {{INFILE}} {{OUTFILE}}",
        inputs=["in"],
        outputs=["out"],
        clusters=[endpoints["cluster"]],
        memory="64M",
        disk="64M",
        pilot={"_EWMS_PILOT_CONTAINER_PLATFORM": "none"},
    )
    with Client(endpoints["gateway"], token=endpoints["token"], timeout=90) as client:
        run = client.submit(Workflow(public=["in", "out"], tasks=[task]))
        with run.queue("in").publisher() as publisher:
            publisher.send("word")
        assert [event.body for event in run.queue("out").results(n=1, idle_timeout=60)] == ["WORD"]
