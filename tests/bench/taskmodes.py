"""What an event costs in each task mode: a process for each, a container for each, and warm ones fed a line an event.

    python -m tests.bench.taskmodes [--events N] [--repeat R]

All in one run, beside one posix_spawn of the same do-nothing task on the same machine: only the ratios travel. The
task is a shell that copies its event; in a container it is apptainer's on a folder.
"""

import argparse
import asyncio
import os
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local.fetch.cache import cache_directory, prepare_cache
from deploy.local.fetch.images import UnpackedApptainer, make_busybox_image
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.broker_admin import BrokerAdmin
from deploy.local.system.services import running_services
from tests.bench.pilot import bare_spawn, scratch, steady, with_pilot
from tests.integration.pilot.field import Field, opened

PAYLOAD = b'{"x":[%b]}' % b",".join([b"1.0"] * 250)
FILES = {"EWMS_PILOT_TASK_ARGS": "cp {{INFILE}} {{OUTFILE}}"}

#: Answers each line with its own data, in the shell's own words: nothing is started for an event.
ECHO = """while read -r line; do data=${line#*,\\"data\\":}; echo "${line%%,*},\\"data\\":${data%?}}"; done"""
LINES = {"EWMS_PILOT_TASK_MODE": "stream", "EWMS_PILOT_TASK_ARGS": f"sh -c '{ECHO}'"}


async def measure(field: Field, container: Mapping[str, Any], n: int, repeat: int) -> None:
    """Print the table."""
    modes: dict[str, tuple[dict[str, Any], int]] = {
        "a process for each event": (FILES, n),
        "a container for each event": ({**FILES, **container}, max(20, n // 5)),
        "stream, a warm process": (LINES, 5 * n),
        "stream, a warm container": ({**LINES, **container}, 5 * n),
    }
    spawns: list[tuple[float, float]] = []
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in modes}
    for _ in range(repeat):
        with scratch() as directory:
            spawns.append(await bare_spawn(200, directory))
        for name, (variables, n_events) in modes.items():
            costs[name].append(await steady(field, n_events, with_pilot(field, **variables), PAYLOAD))
    spawn_s, _ = medians(spawns)
    each_s, _ = medians(costs["a container for each event"])
    table = Table(title=f"An event in each task mode, one slot; median of {repeat}, load {os.getloadavg()[0]:.2f}")
    for column in ("mode", "wall", "pilot's CPU", "of a bare spawn", "a container each / this"):
        table.add_column(column, justify="left" if column == "mode" else "right")
    table.add_row("bare posix_spawn of cp", f"{spawn_s * 1e3:.2f} ms", "", "1.0 x", "")
    for name, figures in costs.items():
        wall_s, cpu_s = medians(figures)
        table.add_row(
            name,
            f"{wall_s * 1e3:.2f} ms",
            f"{cpu_s * 1e3:.2f} ms",
            f"{wall_s / spawn_s:.1f} x",
            f"{each_s / wall_s:.1f}",
        )
    Console(width=120).print(table)


def medians(figures: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the medians of both columns."""
    wall_s, cpu_s = zip(*figures, strict=True)
    return statistics.median(wall_s), statistics.median(cpu_s)


def main(arguments: list[str] | None = None) -> None:
    """Start the broker, make an image, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args(arguments)
    installed = prepare_cache(cache_directory(os.environ), Console(stderr=True))
    with run_directory() as run, running_services(installed, run) as services, scratch() as images:
        broker = services.rabbitmq
        with BrokerAdmin(broker.management_url("admin")) as admin:
            admin.add_vhosts(list(broker.users), control_vhost="bench-control", data_vhost="bench-data")
        container = {
            "_EWMS_PILOT_CONTAINER_PLATFORM": "apptainer",
            "EWMS_PILOT_APPTAINER": str(UnpackedApptainer(installed.containers).program),
            "EWMS_PILOT_TASK_IMAGE": make_busybox_image(installed.python_image, Path(images) / "busybox"),
        }

        async def run_all() -> None:
            with scratch() as directory:
                async with opened(broker, "bench-data", directory) as field:
                    await measure(field, container, options.events, options.repeat)

        asyncio.run(run_all())


if __name__ == "__main__":
    main()
