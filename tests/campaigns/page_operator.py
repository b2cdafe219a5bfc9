"""An operator who types the commands of a how-to page at a system that runs on this machine.

`systemctl` starts and stops the parts of the system. Paths of a deployment become places of this campaign.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from deploy.local.system.stack import Stack
from tests.campaigns.page_commands import fill_command
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 180.0
#: A unit of systemd -> the processes of the system.
_UNITS: Mapping[str, str] = {"ewms-wms": "wms", "ewms-mqs": "mqs", "ewms-tms": "tms"}
BROKER_UNIT = "rabbitmq-server"


def build_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without EWMS's settings, with EWMS's modules, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EWMS_")}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **more}


class PageOperator:
    """Types commands. `tell` gets a line for each command."""

    def __init__(self, stack: Stack, directory: Path, tell: Callable[[str], None], *, condor: Path) -> None:
        """`directory` is empty; settings, and what the operator saves, go there. `condor` has HTCondor's programs."""
        self._stack = stack
        self._condor = condor
        self._tell = tell
        root = stack.services.data.root
        settings, backup = directory / "etc", directory / "backup"
        for one in (settings, backup):
            one.mkdir(mode=0o700)
        for name in ("wms", "mqs"):
            variables = {key: one for key, one in stack.get_variables(name).items() if key.startswith("EWMS_")}
            (settings / f"{name}.env").write_text("".join(f"{key}={one}\n" for key, one in variables.items()))
            (settings / f"{name}.env").chmod(0o600)
        self._names = {
            "/etc/ewms": str(settings),
            "/backup": str(backup),
            "/var/lib/rabbitmq": str(root / "rabbitmq"),
            "/var/lib/ewms": str(root / "tms"),
            "/var/lib/ewms/tms-osg": str(root / "tms" / stack.pool),
        }

    def type_block(self, commands: Sequence[str], **names: str) -> str:
        """Type `commands` with `names` filled in, wait until what they started is ready, and return what they printed.

        Raises:
            AssertionError: a command failed, or something is not ready in time.
        """
        printed = [self._type_one(command, names) for command in commands]
        self._await_ready()
        return "".join(printed)

    def _await_ready(self) -> None:
        for name in self._stack.names:
            if self._stack.get_child(name).is_running:
                wait_until(partial(self._stack.is_ready, name), within_s=_PATIENCE_S, pause_s=0.3)

    def _type_one(self, command: str, names: Mapping[str, str]) -> str:
        self._tell(f"  $ {command}")
        verb, *words = command.split()
        if verb == "systemctl":
            self._change_units(*words)
            return ""
        if verb == "condor_rm" and self._stack.services.condor is None:
            self._tell("    (left out: this pool is not HTCondor)")
            return ""
        filled = fill_command(command, {**self._names, **names})
        if verb == "ewms":
            # A person would type it again until the gateway answers.
            self._await_ready()
        return run_shell(filled, self._environment())

    def _environment(self) -> dict[str, str]:
        condor = self._stack.services.condor
        path = f"{self._condor}:{os.environ['PATH']}"
        told = {"CONDOR_CONFIG": str(condor.config), "PATH": path} if condor else {}
        # An operator has all rights.
        token = self._stack.list_endpoints()["admin_token"]
        return build_environment(EWMS_GATEWAY=self._stack.gateway, EWMS_TOKEN=token, **told)

    def _change_units(self, verb: str, *units: str) -> None:
        """Start or stop `units`; with several of a service, each of them."""
        for unit in units:
            if unit == BROKER_UNIT:
                self._change_broker(verb)
                continue
            service = _UNITS[unit.partition("@")[0]]
            for name in (one for one in self._stack.names if one.partition("-")[0] == service):
                if verb == "start" and not self._stack.get_child(name).is_running:
                    self._stack.begin(name)
                elif verb == "stop":
                    self._stack.get_child(name).stop(grace_s=60.0)

    def _change_broker(self, verb: str) -> None:
        broker = self._stack.services.rabbitmq
        if verb == "stop":
            broker.stop()
            return
        broker.relaunch()
        wait_until(broker.is_ready, within_s=_PATIENCE_S, pause_s=0.5)


def run_shell(command: str, environment: Mapping[str, str], *, directory: Path | None = None) -> str:
    """Run `command` in a shell that has EWMS's commands, and return what it printed.

    Raises:
        AssertionError: it failed.
    """
    modules = {"ewms": "ewms.cli", "ewms-admin": "deploy.admin"}
    functions = [f'{name}() {{ {sys.executable} -m {module} "$@"; }}' for name, module in modules.items()]
    done = subprocess.run(
        ["bash", "-c", "\n".join(["set -e", *functions, command])],
        check=False,
        env=dict(environment),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout + done.stderr
