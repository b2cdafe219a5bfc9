"""The speed of the web page, and what it costs the gateway, each as a ratio of the limit that we accept.

    python -m tests.bench.page [--workflows N] [--repeat R] [--seconds S]

first paint   from the address to the drawn content, in Chromium with an empty cache. It is the paint of the sign-in,
              and the time from the token to the last box of the graph, or to the rows of the list
one tab       CPU of the gateway for a tab that stays open, as a share of a core
watchers      CPU of the gateway for 200 streams of all workflows, beside that for 10 (`tests.bench.page_watchers`)

No worker starts: the tasks are for a location that nobody serves. What the gateway does anyway is measured first, and
taken off.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
from playwright.sync_api import Browser
from rich.console import Console
from rich.table import Table

from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.issued_tokens import mint_token
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers
from deploy.page.building import build_page
from ewms import Client, Task, Workflow
from schemas.fleet.documents import WORKFLOWS
from tests.bench.page_watchers import CpuMeter, Watchers
from tests.system.browser import open_page, running_browser

#: A graph of three columns, and how long it may take to the drawn graph and to the drawn list.
N_NODES, _WIDTH = 60, 3
GRAPH_LIMIT_S, LIST_LIMIT_S = 0.5, 2.0
#: The share of a core that a tab may cost, and how often the cost of `FEW` watchers `MANY` may cost.
TAB_LIMIT, RATIO_LIMIT = 0.01, 1.0
FEW, MANY = 10, 200
_PLACE = "nowhere"
_PLACES = json.dumps({_PLACE: {"schedd": "nowhere.example.org", "served_by": "rest"}})
_PATIENCE_S = 60
_QUEUES_PATIENCE_S = 300
_SETTLED_MS = 10_000
LIST = "#/workflows"

#: Sends the token that is typed, and returns the seconds until CONDITION holds and is painted.
_TIME_CONTENT = """async () => {
    const paint = () => new Promise(requestAnimationFrame);
    const began = performance.now();
    document.querySelector("form").requestSubmit();
    while (!(CONDITION)) {
        if (performance.now() - began > PATIENCE) throw new Error("the page has not drawn it");
        await paint();
    }
    await paint();
    return (performance.now() - began) / 1000;
}"""
_FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure with its limit, in one unit."""

    what: str
    measured: float
    limit: float
    unit: str


def make_table(rows: list[Row], title: str) -> Table:
    """Return the table of figures, each as a ratio of its limit."""
    table = Table("what", "measured", "limit", "of the limit", title=title)
    for row in rows:
        measured, limit = (f"{number:.3g} {row.unit}".strip() for number in (row.measured, row.limit))
        table.add_row(row.what, measured, limit, f"{row.measured / row.limit:.2f}")
    return table


def make_graph() -> Workflow:
    """Return a workflow whose tasks stand in three columns. Each task leads to two of the next line."""

    def make_task(line: int, column: int) -> Task:
        beside = (column + 1) % _WIDTH
        return Task(
            image="none",
            args="cp {{INFILE}} {{OUTFILE}}",
            inputs=[f"down{line}-{column}", f"across{line}-{column}"],
            outputs=[f"down{line + 1}-{column}", f"across{line + 1}-{beside}"],
            clusters=[_PLACE],
            n_workers=1,
        )

    tasks = [make_task(line, column) for line in range(N_NODES // _WIDTH) for column in range(_WIDTH)]
    ends = [f"{kind}{line}-{column}" for kind in ("down", "across")
            for line in (0, N_NODES // _WIDTH) for column in range(_WIDTH)]  # fmt: skip
    return Workflow(public=ends, tasks=tasks)


def add_ended_workflows(stack: Stack, n: int) -> None:
    """Store `n` workflows that have ended just now: copies of one that a user has aborted."""
    task = Task(image="none", args="cp {{INFILE}} {{OUTFILE}}", inputs=["in"], outputs=["out"], clusters=[_PLACE])
    with Client(stack.gateway, token=stack.token, timeout=_PATIENCE_S) as ews:
        run = ews.submit(Workflow(public=["in", "out"], tasks=[task]))
        run.abort()
        run.wait("over", timeout=f"{_PATIENCE_S}s")
    with _open_workflows(stack) as workflows:
        one = workflows.find_one({"_id": run.id})
        assert one is not None
        names = ("_id", "workflow_id", "cursor")
        workflows.insert_many([one | {name: f"{one[name]}-{number}" for name in names} for number in range(n)])


@contextmanager
def _open_workflows(stack: Stack) -> Iterator[Any]:
    with pymongo.MongoClient[dict[str, Any]](stack.services.mongodb.url(ADMIN)) as client:
        yield client["WMS_DB"][str(WORKFLOWS)]


def time_paint_s(browser: Browser, stack: Stack, address: str, condition: str, repeat: int) -> float:
    """Return the median time from the address to the content, whose paint makes `condition` (JavaScript) true."""
    script = _TIME_CONTENT.replace("CONDITION", condition).replace("PATIENCE", str(_PATIENCE_S * 1000))
    taken = []
    for _ in range(repeat):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        watched = open_page(context, stack.gateway)
        watched.open(address)
        watched.page.get_by_label("Token").fill(stack.token)
        first: float = watched.page.evaluate(_FIRST_PAINT)
        content: float = watched.page.evaluate(script)
        taken.append(first + content)
        context.close()
    return statistics.median(taken)


def time_paints(browser: Browser, stack: Stack, graph: str, n_workflows: int, repeat: int) -> list[Row]:
    """Return the first paints of the workflow at `graph`, and of the list, which shows its first 100 rows at once."""
    boxes = f"document.querySelectorAll('.graph g[data-node]:not(.stub)').length >= {N_NODES}"
    listed = f"document.querySelectorAll('table tbody tr').length >= {min(100, n_workflows)}"
    graph_s = time_paint_s(browser, stack, graph, boxes, repeat)
    list_s = time_paint_s(browser, stack, LIST, listed, repeat)
    return [
        Row(f"first paint of a workflow with {N_NODES} nodes", graph_s, GRAPH_LIMIT_S, "s"),
        Row(f"first paint of a list of {n_workflows:,} workflows", list_s, LIST_LIMIT_S, "s"),
    ]


def measure_tabs(browser: Browser, stack: Stack, meter: CpuMeter, graph: str, seconds: float) -> list[Row]:
    """Return what the gateway spends on a tab that stays at the workflow at `graph`, and on one at the list."""
    rows = []
    for address, what in ((graph, f"a workflow with {N_NODES} nodes"), (LIST, "the list of workflows")):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        watched = open_page(context, stack.gateway)
        watched.open(address)
        watched.sign_in(stack.token)
        # The first look at everything is no part of what an open tab costs.
        watched.page.wait_for_timeout(_SETTLED_MS)
        end = meter.begin()
        watched.page.wait_for_timeout(seconds * 1000)
        rows.append(Row(f"one tab at {what}", end() * 100, TAB_LIMIT * 100, "% of a core"))
        context.close()
    return rows


def measure_watchers(stack: Stack, meter: CpuMeter, seconds: float) -> tuple[float, float]:
    """Return the shares of a core that the gateway spends on few watchers, and on many."""

    def mint(number: int) -> str:
        return mint_token(stack.issuer, f"watcher-{number}", {"ewms_role": "auditor"})

    with _open_workflows(stack) as workflows:
        watchers = Watchers(stack.gateway, mint, workflows)
        few, many = (asyncio.run(watchers.measure_share(n, meter, seconds)) for n in (FEW, MANY))
    return few, many


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark, and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workflows", type=int, default=1000, help="how many workflows to list")
    parser.add_argument("--repeat", type=int, default=5, help="how often to open the page for each first paint")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to watch the gateway's CPU each time")
    asked = parser.parse_args(arguments)
    console = Console()
    build_page()
    installed = prepare_servers(console, os.environ, (packages.BROKER,))
    environment = {**os.environ, "EWMS_CLUSTERS": _PLACES}
    with (
        run_directory() as directory,
        running_stack(installed, directory, pool="local", environment=environment) as stack,
    ):
        with Client(stack.gateway, token=stack.token, timeout=_PATIENCE_S) as ews:
            run = ews.submit(make_graph())
            # Its many queues must be there: their creation would slow everything else.
            run.wait("active", timeout=f"{_QUEUES_PATIENCE_S}s")
        graph = f"#/workflows/{run.id}"
        add_ended_workflows(stack, asked.workflows)
        pid = stack.get_child("wms").pid
        assert pid is not None
        meter = CpuMeter(pid)
        with tempfile.TemporaryDirectory() as scratch, running_browser(Path(scratch)) as browser:
            rows = time_paints(browser, stack, graph, asked.workflows, asked.repeat)
            meter.note_idle(lambda: time.sleep(asked.seconds))
            rows += measure_tabs(browser, stack, meter, graph, asked.seconds)
        # The browser's driver has an event loop of its own, and a thread can have only one.
        few, many = measure_watchers(stack, meter, asked.seconds)
    rows.append(Row(f"{MANY} watchers / {FEW} watchers", many / few, RATIO_LIMIT, ""))
    load = f"load {os.getloadavg()[0]:.1f}"
    console.print(make_table(rows, f"the web page, {asked.repeat} paints, {asked.seconds:.0f} s of CPU each, {load}"))
    console.print(f"the gateway's CPU: {FEW} watchers {few:.2%} of a core, {MANY} watchers {many:.2%}")


if __name__ == "__main__":
    main()
