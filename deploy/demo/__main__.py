"""`python -m deploy.demo`: start everything, send the tracks through, show what came out, stop everything.

POOL=condor|local      the real HTCondor pool (default), or pilots as plain child processes
REPORT=file.json       where to write the report as JSON
"""

import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast, get_args

from rich.console import Console

from deploy.demo import report as reporting
from deploy.demo.image import build_image
from deploy.demo.tracks import N_FITTERS, N_REFINERS, build_workflow, sample_events
from deploy.demo.traffic import DemoTraffic, run_workflow
from deploy.local.children.interruption import Interrupted, raise_on_signals
from deploy.local.choices.launch_options import LOCATION
from deploy.local.choices.prerequisites import check_pool
from deploy.local.errors import LaunchError, PoolCannotStart
from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.system.services import images_directory
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers, say_notices
from deploy.local.system.wiring import PoolName
from ewms import AsyncClient, EWMSError
from ewms.cli.text.fleet.watch import LiveDisplay
from ewms.workflows.state import WorkflowState

N_EVENTS = 500


class NotAllReturned(Exception):
    """The demonstration ran, but not every event came back. The run directory keeps its logs."""

    def __init__(self, traffic: DemoTraffic, logs: Path) -> None:
        super().__init__(f"{len(traffic.results)} of {traffic.n_events} events returned; the logs are in {logs}")
        self.traffic = traffic


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Run the demonstration, and return the exit status: 0 if every event came back."""
    begin = time.monotonic()
    console = Console(highlight=False)
    pool = environment.get("POOL") or "condor"
    if pool not in get_args(PoolName):
        console.print(f"POOL={pool}: choose condor or local", style="red", markup=False)
        return 2
    raise_on_signals()
    try:
        versions, traffic = run_demonstration(cast(PoolName, pool), console, environment)
    except LaunchError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        if isinstance(error, PoolCannotStart):
            console.print("Where HTCondor cannot run, `make demo POOL=local` runs pilots as plain processes.")
        return 1
    except EWMSError as error:
        console.print(f"{error.reason}\n{error.hint}".strip(), style="red", markup=False)
        return 1
    except Interrupted:
        console.print("interrupted; the demonstration has stopped everything")
        return 130
    report = reporting.build_report(_gather_result(traffic, versions, pool, wall_s=time.monotonic() - begin))
    if environment.get("REPORT"):
        Path(environment["REPORT"]).write_text(json.dumps(report, indent=2) + "\n")
    console.print(reporting.build_table(report))
    sys.stdout.write(reporting.last_line(report) + "\n")
    return 0 if reporting.has_succeeded(report) else 1


def run_demonstration(
    pool: PoolName, console: Console, environment: Mapping[str, str]
) -> tuple[dict[str, str], DemoTraffic]:
    def print_step(what: str) -> None:
        console.print(f"{what} ...", style="dim", markup=False)

    say_notices(console, environment)
    if pool == "condor":
        check_pool()
    wanted = packages.ALL if pool == "condor" else (packages.BROKER, packages.CONTAINERS, packages.PYTHON_IMAGE)
    installed = prepare_servers(console, environment, wanted)
    versions = {**installed.versions, "ewms": version("ewms"), "python": platform.python_version()}
    try:
        with (
            run_directory() as run,
            running_stack(installed, run, pool=pool, environment=environment, report_step=print_step) as stack,
        ):
            print_step("building the task image, simulating the tracks")
            image = build_image(installed, images_directory(run) / "tracks")
            traffic = asyncio.run(_run_on_stack(stack, image))
            if not traffic.is_complete:
                # Raise: an exception makes the run directory keep its logs.
                raise NotAllReturned(traffic, stack.logs)
    except NotAllReturned as missing:
        console.print(str(missing), style="red", markup=False)
        return versions, missing.traffic
    return versions, traffic


async def _run_on_stack(stack: Stack, image: Path) -> DemoTraffic:
    async with AsyncClient(stack.gateway, token=stack.token) as ews:
        with LiveDisplay() as show:
            return await run_workflow(ews, build_workflow(image, LOCATION), sample_events(N_EVENTS), show)


def _gather_result(
    traffic: DemoTraffic, versions: Mapping[str, str], pool: str, *, wall_s: float
) -> reporting.DemoResult:
    state = traffic.final
    return reporting.DemoResult(
        n_sent=traffic.n_sent,
        results=traffic.results,
        n_dead=traffic.n_dead,
        post_to_submitted_ms=1000 * traffic.post_to_submitted_s,
        events_s=max(0.0, traffic.last_back_s - traffic.first_sent_s),
        returning_s=traffic.last_back_s - traffic.first_back_s,
        wall_s=wall_s,
        workers={"linefit": N_FITTERS, "refine": N_REFINERS},
        phases=_list_phase_times(state) if state else {},
        pool=pool,
        versions=versions,
        workflow_id=state.workflow.workflow_id if state else "",
    )


def _list_phase_times(state: WorkflowState) -> dict[str, list[dict[str, Any]]]:
    """Return each taskforce's phases, keyed by its uuid, with the time in ms from the request to each phase."""
    return {
        taskforce.taskforce_uuid: [
            {"phase": change.target_phase, "at_ms": round(1000 * (change.timestamp - state.workflow.timestamp), 1)}
            for change in taskforce.phase_change_log
            if change.was_successful
        ]
        for taskforce in state.taskforces
    }


if __name__ == "__main__":
    sys.exit(main())
