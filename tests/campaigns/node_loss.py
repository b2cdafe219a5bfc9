"""`make node-loss`: users finish workflows whose worker node has just died; every cluster must be gone soon.

One system as `make up` runs it, with HTCondor. In each round some workflows run side by side on the pool's one worker
node, one worker each. Then the node dies, in one of two ways in turn: its startd, starters and pilots are killed
(`killed`: the connections to them break), or they are frozen (`silent`: nothing comes back, as from a machine without
power). HTCondor's master is frozen meanwhile, so the node stays dead. All workflows are finished, and each one counts
as a run: hung is one that is not over within the patience. The exit status is 1 if one hangs.

    make node-loss                          100 runs
    make node-loss ARGS='--runs 16 --seed 7'
"""

import argparse
import json
import os
import random
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.local.files.run_directory import run_directory
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers
from ewms import Client, EWMSError
from ewms.client import Run
from tests.campaigns.sabotage import find_startd
from tests.campaigns.strikes import list_tree, start_watching
from tests.system.conftest import one_task
from tests.waiting import holds_within, wait_until

#: The way of dying of each round, in turn.
WAYS = ("killed", "silent")
#: Workflows that run at once: so many cores the worker node of `make up` has for them.
N_AT_ONCE = 8
#: A removal is forced a minute after it was asked for, and somebody looks every 15 s. More than twice that is a hang.
PATIENCE_S = 180.0
#: The master waits longer before each new start of a startd that dies again and again, up to ten minutes here.
_START_S = 900.0
_TASK = "sleep 600"


@dataclass(frozen=True, slots=True)
class Round:
    """Some runs on one node, how the node dies, and how long after that the workflows are finished."""

    number: int
    n_runs: int
    way: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class Finished:
    """How long one workflow took from `finish` until it was over; None: it hung, in `phases`."""

    workflow: str
    way: str
    taken_s: float | None
    phases: str = ""


def plan_rounds(seed: int, n_runs: int) -> list[Round]:
    """Return the rounds of a campaign; the same seed gives the same."""
    rng = random.Random(seed)
    sizes = [min(N_AT_ONCE, n_runs - start) for start in range(0, n_runs, N_AT_ONCE)]
    return [
        Round(number, size, WAYS[(number + seed) % len(WAYS)], round(rng.uniform(0.0, 4.0), 1))
        for number, size in enumerate(sizes)
    ]


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign; return the exit status."""
    parser = argparse.ArgumentParser(prog="make node-loss", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    parser.add_argument("--report", type=Path, help="a file for the times as JSON")
    arguments = parser.parse_args(words)
    console = Console()
    rounds = plan_rounds(arguments.seed, arguments.runs)
    console.print(f"seed {arguments.seed}, {arguments.runs} runs, load {os.getloadavg()[0]:.1f}", highlight=False)
    found: list[Finished] = []
    with (
        run_directory(keep_logs=lambda: True) as directory,
        running_stack(prepare_servers(console, os.environ), directory, pool="condor") as stack,
        Client(stack.gateway, token=stack.token, cluster="local", timeout=60) as client,
    ):
        console.print(f"logs: {stack.logs}", highlight=False, markup=False)
        start_watching(stack)
        for planned in rounds:
            ended = _carry_out(stack, client, planned)
            found += ended
            console.print(_line(planned, ended), highlight=False, markup=False, soft_wrap=True)
            if arguments.report:
                arguments.report.write_text(json.dumps([asdict(one) for one in found], indent=1))
    console.print(_summary(found))
    return 1 if any(one.taken_s is None for one in found) else 0


def _carry_out(stack: Stack, client: Client, planned: Round) -> list[Finished]:
    """Start the runs of a round, let their node die, finish them; return how each ended."""
    runs = [client.submit(one_task(_TASK, n_workers=1)) for _ in range(planned.n_runs)]
    holds_within(lambda: all(_is_running(run) for run in runs), _START_S, pause_s=1)
    idle = [Finished(run.id, planned.way, None, "its worker never ran") for run in runs if not _is_running(run)]
    with dead_node(stack, planned.way):
        time.sleep(planned.delay_s)
        with ThreadPoolExecutor(len(runs)) as threads:
            return [*threads.map(lambda run: _finish(run, planned.way), runs), *idle]


def _is_running(run: Run) -> bool:
    return bool(run.statuses().get("RUNNING"))


def _finish(run: Run, way: str) -> Finished:
    begin = time.monotonic()
    try:
        run.finish()
        run.wait("over", timeout=PATIENCE_S)
    except EWMSError as error:
        phases = ", ".join(str(taskforce.phase) for taskforce in run.show().taskforces)
        return Finished(run.id, way, None, f"{phases}: {error}")
    return Finished(run.id, way, round(time.monotonic() - begin, 1))


@contextmanager
def dead_node(stack: Stack, way: str) -> Iterator[None]:
    """Have the worker node dead for the block."""
    condor = stack.services.condor
    assert condor is not None
    master = condor.child.pid or 0
    wait_until(lambda: find_startd(master), within_s=_START_S, pause_s=1)
    # Those that only have the master as their ancestor go on: the schedd, the negotiator, the collector.
    nodes = [pid for startd in find_startd(master) for pid in list_tree(startd)]
    assert nodes, "no startd found"
    masters = [pid for pid in list_tree(master) if _command(pid) == "condor_master"]
    _send(masters, signal.SIGSTOP)
    _send(nodes, signal.SIGKILL if way == "killed" else signal.SIGSTOP)
    try:
        yield
    finally:
        # A machine that comes back has nothing of what it ran.
        _send(nodes, signal.SIGKILL)
        _send(masters, signal.SIGCONT)


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _send(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _line(planned: Round, ended: Sequence[Finished]) -> str:
    times = " ".join("HUNG" if one.taken_s is None else f"{one.taken_s:.0f}" for one in ended)
    hung = "".join(f"\n     {one.workflow}: {one.phases}" for one in ended if one.taken_s is None)
    return f"{planned.number:3} {planned.way}, finished after {planned.delay_s} s; over after s: {times}{hung}"


def _summary(found: Sequence[Finished]) -> Table:
    table = Table("node", "runs", "hung", "median s", "worst s", title="node loss campaign")
    for way in WAYS:
        ended = [one for one in found if one.way == way]
        times = sorted(one.taken_s for one in ended if one.taken_s is not None)
        median, worst = (f"{times[len(times) // 2]:.0f}", f"{times[-1]:.0f}") if times else ("", "")
        table.add_row(way, str(len(ended)), str(len(ended) - len(times)), median, worst)
    return table


if __name__ == "__main__":
    sys.exit(main())
