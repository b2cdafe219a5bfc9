"""The commands `ewms` and `awx`, as tests call them: a process that has imported them already forks for each call.

A start of `ewms` takes a second of a core, and nearly all of it is imports. A fork has the arguments, environment,
directory, streams and exit status of a start. Tests of the terminal, of signals and of what a start imports start the
command themselves, as do those of `ewms worker` and `ewms up`. Modules that go on running: `tests.forked_processes`.
"""

import asyncio
import atexit
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ewms.cli.groups import GROUPS, name_module
from tests.campaigns.fork_server import ForkServer

_EWMS = (
    "ewms.cli.app",
    "ewms.cli.text.fleet.tables",
    "ewms.client",
    "ewms.queue_client",
    "ewms.catalogue.plain_catalogue",
    "ewms.inventories.plain_hosts",
    "ewms.inventories.plain_inventories",
    "ewms.jobs.plain_jobs",
    "ewms.secrets.plain_secrets",
    "ewms.trees.plain_trees",
    "ewms.workflows.dead_letters",
    *map(name_module, GROUPS),
)
#: The script that a user's shell finds.
AWX = str(Path(sys.executable).with_name("awx"))


def run_ewms(
    *words: str, environment: Mapping[str, str], stdin: str = "", directory: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `ewms` with these words; return how it ended."""
    server = start_server(*_EWMS)
    return server.run("ewms.cli", *words, stdin=stdin, environment=environment, directory=directory)


async def call_ewms(
    gateway: str,
    token: str,
    *words: str,
    status: int = 0,
    stdin: str = "",
    directory: Path | None = None,
) -> str:
    """Run `ewms` as the user of `token`, beside a WMS in this process; it must end with `status`. Return its output."""
    environment = {
        "EWMS_GATEWAY": gateway,
        "EWMS_TOKEN": token,
        "PATH": "/usr/bin:/bin",
        "HOME": str(directory or "/tmp"),
        "COLUMNS": "200",
    }
    ended = await asyncio.to_thread(run_ewms, *words, environment=environment, stdin=stdin, directory=directory)
    assert ended.returncode == status, (words, ended.stdout, ended.stderr)
    return ended.stdout + ended.stderr


def run_awx(*words: str, environment: Mapping[str, str], stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the `awx` command with these words; return how it ended."""
    return start_server("awxkit.cli").run(AWX, *words, stdin=stdin, environment=environment)


@cache
def start_server(*modules: str) -> ForkServer:
    """Return a process that has imported `modules`. It ends with this process."""
    server = ForkServer(*modules)
    server.__enter__()
    atexit.register(server.__exit__)
    return server
