"""`make upgrade`: upgrade a running system from an earlier commit, process by process, and roll it back.

    make upgrade [ARGS='--from HEAD~20 --rate 4 --one-way']

Two of each service run, with three nodes of the broker and the database. All processes begin with the earlier version.
Then each is stopped (SIGTERM) and started with the version here, while a user sends events at a steady rate, another
asks the gateways, and a process of step workers begins at each stop. So both versions run side by side for most of the
time. Then each goes back to the earlier version. The exit status is 1 if an event is lost, if the results bring one
twice, or if somebody waits for longer than for a killed process (`node_strikes.OTHERS_S`).

Both versions run with the packages that are installed here.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from deploy.local.children.interruption import Interrupted, raise_on_signals
from deploy.local.errors import LaunchError
from deploy.local.files.run_directory import run_directory
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers
from ewms import AsyncClient, EWMSError
from tests.campaigns.node_strikes import OTHERS_S, Strike, find_faults
from tests.campaigns.several import ProcessOfStack, print_verdict, run_strikes, take_away

ROOT = Path(__file__).parents[2]
#: What a process of EWMS imports.
PACKAGES = ("schemas", "runtime", "wms", "mqs", "tms", "pilot", "ewms", "processes", "deploy")
#: The processes in the order of their upgrades: as the manual says, any order is good.
PROCESSES = ("mqs", "wms", "tms", "worker", "mqs-2", "wms-2", "tms-2", "worker-2")


def unpack_version(revision: str, directory: Path, *, root: Path = ROOT) -> str:
    """Write the packages of `revision` of the repository `root` into `directory`, and return the commit's id.

    Raises:
        subprocess.CalledProcessError: git does not know the revision.
    """
    git = ("git", "-C", str(root))
    commit = subprocess.run([*git, "rev-parse", "--short", revision], check=True, capture_output=True, text=True)
    packed = subprocess.run([*git, "archive", revision, *PACKAGES], check=True, capture_output=True)
    # Python 3.11.3 and older have no safe way to unpack.
    subprocess.run(["tar", "-x", "-C", str(directory)], input=packed.stdout, check=True)
    return commit.stdout.strip()


def choose_variables(name: str, variables: Mapping[str, str], source: Path | None) -> dict[str, str]:
    """Return the variables by which process `name`, and the pilots of a TMS, import EWMS from `source`.

    `variables` are those with which the process began. If `source` is None, it imports the version here.
    """
    sources = [str(source)] if source else []
    # Otherwise `python -m` imports from the working directory first, which may be this repository.
    chosen = {"PYTHONSAFEPATH": "1", "PYTHONPATH": ":".join([*sources, *filter(None, [variables.get("PYTHONPATH")])])}
    if name.startswith("tms"):
        pilots = json.loads(variables.get("EWMS_PILOT_ENVIRONMENT", "{}"))
        chosen["EWMS_PILOT_ENVIRONMENT"] = json.dumps({**pilots, "PYTHONPATH": ":".join(sources)})
    return chosen


class UpgradedProcess(ProcessOfStack):
    """A process of EWMS that is stopped as an operator does, and comes back with other variables."""

    def __init__(self, stack: Stack, name: str, variables: Mapping[str, str]) -> None:
        super().__init__(stack, name, signal.SIGTERM)
        self._variables = variables

    def relaunch(self) -> object:
        self._stack.set_variables(self.name, self._variables)
        return super().relaunch()


class Versions:
    """The variables of each process with the earlier version, which lies in `earlier`, and with the one here."""

    def __init__(self, earlier: Path) -> None:
        self._earlier = earlier
        self.old: dict[str, dict[str, str]] = {}
        self.new: dict[str, dict[str, str]] = {}

    def begin_earlier(self, stack: Stack) -> None:
        """Let all processes begin with the earlier version."""
        for name in PROCESSES:
            variables = stack.get_variables(name)
            self.old[name] = choose_variables(name, variables, self._earlier)
            self.new[name] = choose_variables(name, variables, None)
            stack.set_variables(name, self.old[name])

    def list_blows(self, stack: Stack, *, one_way: bool) -> list[Callable[[AsyncClient], Awaitable[Strike]]]:
        """Return the replacements of processes in their order: of each by the version here, and of each back."""
        there = [(f"{name}: upgrade", UpgradedProcess(stack, name, self.new[name])) for name in PROCESSES]
        back = [(f"{name}: way back", UpgradedProcess(stack, name, self.old[name])) for name in PROCESSES]
        return [partial(_replace_process, *each) for each in (there if one_way else [*there, *back])]


async def _replace_process(part: str, process: UpgradedProcess, ews: AsyncClient) -> Strike:
    return await take_away(part, process, 0.0, ews)


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign, and return the exit status."""
    parser = argparse.ArgumentParser(prog="make upgrade")
    parser.add_argument("--from", dest="revision", default="HEAD~1", help="the earlier version, as git names it")
    parser.add_argument("--one-way", action="store_true", help="upgrade, and do not roll back")
    parser.add_argument("--rate", type=float, default=3.0, help="how many events a second are sent")
    arguments = parser.parse_args(words)
    console = Console(highlight=False)
    raise_on_signals()

    def tell(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    faults = ["the campaign did not end"]
    try:
        with run_directory(keep_logs=lambda: bool(faults)) as run:
            earlier = run / "earlier"
            earlier.mkdir(mode=0o755)
            commit = unpack_version(arguments.revision, earlier)
            versions = Versions(earlier)
            installed = prepare_servers(console, os.environ)
            with running_stack(
                installed,
                run,
                pool="local",
                report_step=tell,
                shared=[earlier],
                with_examples=True,
                n_nodes=3,
                before_start=versions.begin_earlier,
            ) as stack:
                tell(f"load {os.getloadavg()[0]:.1f}; logs: {run}; every process has the version {commit}")
                Path(stack.list_endpoints()["examples"], "network").mkdir(exist_ok=True)
                blows = versions.list_blows(stack, one_way=arguments.one_way)
                ledger, strikes = asyncio.run(run_strikes(stack, blows, arguments.rate, tell))
                faults = find_faults(ledger, strikes, dict.fromkeys((strike.part for strike in strikes), OTHERS_S))
    except subprocess.CalledProcessError as error:
        tell(f"git cannot unpack {arguments.revision!r}: {(error.stderr or b'').strip()!r}; name a commit with --from")
        return 2
    except (Interrupted, EWMSError, LaunchError) as error:
        tell(f"the campaign stopped: {error!r}")
        return 1
    return print_verdict(console, strikes, ledger, faults)


if __name__ == "__main__":
    sys.exit(main())
