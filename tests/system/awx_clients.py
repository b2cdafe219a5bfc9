"""The clients of AWX as their users have them: the `awx` command, and awxkit as a library."""

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

from awxkit import config
from awxkit.api import Api

from tests.commands import AWX, run_awx


class AwxCommand:
    """The `awx` command with one person's token."""

    def __init__(self, gateway: str, token: str) -> None:
        self.environment = {
            **os.environ,
            "TOWER_HOST": gateway,
            "TOWER_OAUTH_TOKEN": token,
            "TOWER_COLOR": "f",
            "TOWER_FORMAT": "json",
        }

    def run(
        self, *words: str, code: int = 0, stdin: str = "", environment: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run the command, which must end with this status."""
        ended = run_awx(*words, environment={**self.environment, **(environment or {})}, stdin=stdin)
        assert ended.returncode == code, (words, ended.returncode, ended.stdout, ended.stderr)
        return ended

    def start(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Start the command as a shell does; return how it ended. `run` forks, which is forty times cheaper."""
        # A start imports awxkit, and each import warns of a module that awxkit uses.
        environment = {**self.environment, "PYTHONWARNINGS": "ignore"}
        return subprocess.run([AWX, *words], check=False, env=environment, capture_output=True, text=True, timeout=300)

    def call(self, *words: str, code: int = 0, stdin: str = "") -> Any:
        """Return what the command prints, read as JSON."""
        return json.loads(self.run(*words, code=code, stdin=stdin).stdout)


def open_library(gateway: str, token: str) -> Any:
    """Return the root of /api/v2 in awxkit, for one person's token."""
    config.base_url = gateway
    api = Api()
    api.connection.login(token=token)
    return api.get().current_version.get()
