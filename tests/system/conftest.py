"""The whole system on real services, started once for all system tests; each test brings its own workflow."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local.cache import Installed
from deploy.local.rundir import run_directory
from deploy.local.services import Servers
from deploy.local.stack import Stack, running_stack
from ewms import Client, Task, Workflow

CLUSTER = "local"


@pytest.fixture(scope="session")
def stack(installed: Installed, servers: Servers | None, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Everything that `make up` starts, with HTCondor; the developer's own settings stay out.

    Logs are kept when a test has failed.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EWMS_")}
    with (
        run_directory(keep_logs=lambda: request.session.testsfailed > 0) as run,
        running_stack(installed, run, pool="condor", environment=environment, servers=servers) as running,
    ):
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    """A signed-in user's client."""
    with Client(stack.gateway, token=stack.token, cluster=CLUSTER, timeout=60) as ews:
        yield ews


def shell_task(script: str, *, inputs: list[str], outputs: list[str], n_workers: int = 4, **pilot: Any) -> Task:
    """Return a task that runs `script` by a shell on the worker itself; `$1` is the infile and `$2` the outfile."""
    return Task(
        image="none",
        args=f"sh -ec '{script}' sh {{{{INFILE}}}} {{{{OUTFILE}}}}",
        inputs=inputs,
        outputs=outputs,
        clusters=[CLUSTER],
        n_workers=n_workers,
        memory="64M",
        disk="64M",
        pilot={"_EWMS_PILOT_CONTAINER_PLATFORM": "none", **pilot},
    )


def one_task(script: str, *, n_workers: int = 4, **pilot: Any) -> Workflow:
    """Return a workflow of one shell task between the public queues `in` and `out`."""
    task = shell_task(script, inputs=["in"], outputs=["out"], n_workers=n_workers, **pilot)
    return Workflow(public=["in", "out"], tasks=[task])
