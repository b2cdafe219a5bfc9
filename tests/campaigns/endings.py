"""`make endings`: 60 workflows that each meet a trouble; every run must end by itself, and its user must see why.

One system as `make up` runs it, with HTCondor, and several runs at a time on it. A run's good events must come back,
its bad ones must lie among the dead letters with their own bytes, and the workflow must end as *done* or *done with
failures* after its publisher has closed the inputs. What cannot run must be told as stalled. The runs are planned and
judged by tests/campaigns/troubles.py. The exit status is 1 if one run has a fault.

    make endings                            60 runs, a random seed
    make endings ARGS='--runs 10 --seed 7'
    make endings ARGS='--seed 7 --only 31'
    make endings ARGS='--runs 10 --trouble POISON --trouble BLACK_HOLE'
"""

import argparse
import json
import os
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from deploy.local.files.run_directory import run_directory
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers
from ewms import Client, EWMSError
from ewms.client import Run
from schemas.api.workflows.health import FAILING, StallCause
from tests.campaigns.sabotage import Saboteur, find_startd, plan_workflow, wrong_workflow
from tests.campaigns.strikes import start_watching
from tests.campaigns.troubles import N_EVENTS, UNSEEN_STALL_S, Ending, PlannedRun, Trouble, find_faults, plan_runs
from tests.waiting import holds_within

#: A run must be over within this time, whatever its trouble: quarantines and leases take minutes.
_PATIENCE_S = 600.0
#: All results must be there within this time after the end: a loop that ends again and again opens its queue often.
_RESULTS_S = 120.0
_LOOK_S = 2.0
_N_AT_ONCE = 3


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign; return the exit status."""
    parser = argparse.ArgumentParser(prog="make endings", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    parser.add_argument("--only", type=int, help="the number of the one run to repeat")
    names = [trouble.name for trouble in Trouble]
    parser.add_argument("--trouble", choices=names, action="append", help="only this trouble; may be repeated")
    parser.add_argument("--report", type=Path, help="a file for the faults as JSON")
    arguments = parser.parse_args(words)
    console = Console()
    planned = plan_runs(arguments.seed, arguments.runs, {Trouble[name] for name in arguments.trouble or names})
    chosen = [run for run in planned if arguments.only in {None, run.number}]
    console.print(f"seed {arguments.seed}, {len(chosen)} runs, load {os.getloadavg()[0]:.1f}", highlight=False)
    with (
        run_directory(keep_logs=lambda: True) as directory,
        running_stack(prepare_servers(console, os.environ), directory, pool="condor") as stack,
        TemporaryDirectory(prefix="ewms-endings-") as shared,
        ThreadPoolExecutor(_N_AT_ONCE) as workers,
    ):
        console.print(f"logs: {stack.logs}", highlight=False, markup=False)
        # Every slot's account makes its marks there.
        Path(shared).chmod(0o1777)
        start_watching(stack)
        found = list(workers.map(partial(_carry_out_and_tell, stack, Path(shared), console), chosen))
    console.print(_summary(chosen, found))
    if arguments.report:
        rows = [
            {"number": run.number, "run": str(run), "faults": faults} for run, faults in zip(chosen, found, strict=True)
        ]
        arguments.report.write_text(json.dumps({"seed": arguments.seed, "runs": rows}, indent=1))
    return 1 if any(found) else 0


def _carry_out_and_tell(stack: Stack, shared: Path, console: Console, run: PlannedRun) -> tuple[str, ...]:
    """Carry `run` out and print a line about it; return its faults."""
    begin = time.monotonic()
    (directory := shared / str(run.number)).mkdir()
    directory.chmod(0o1777)
    try:
        faults = find_faults(run, _carry_out(stack, run, directory))
    except EWMSError as error:
        faults = (f"{type(error).__name__}: {error}",)
    found = "; ".join(faults) or "good"
    line = f"{run.number:3} {time.monotonic() - begin:5.0f} s  {found}  [{run}]"
    console.print(line, highlight=False, markup=False, soft_wrap=True)
    return faults


def _carry_out(stack: Stack, planned: PlannedRun, directory: Path) -> Ending:
    """Run one workflow through its trouble; return how it ended."""
    with Client(stack.gateway, token=stack.token, cluster="local", timeout=60) as client:
        if planned.trouble is Trouble.WRONG_REQUEST:
            return _submit_wrong(client, planned)
        run = client.submit(plan_workflow(planned, directory))
        with ExitStack() as opened:
            watcher = _Watcher(run)
            opened.callback(watcher.end)
            if planned.trouble is Trouble.NO_SLOT:
                return _wait_for_stall(run)
            uuids = [taskforce.taskforce_uuid for taskforce in run.show().taskforces]
            condor = stack.services.condor
            assert condor is not None
            saboteur = Saboteur(planned, lambda: uuids, lambda: find_startd(condor.child.pid or 0))
            opened.enter_context(saboteur)
            collector = _Collector(run, planned)
            opened.callback(collector.end)
            with run.queue("in").publisher(active_timeout=120, close_inputs=True) as publisher:
                for number in range(N_EVENTS):
                    publisher.send(str(number), key=number)
            if planned.good:
                holds_within(lambda: bool(collector.counts), _PATIENCE_S, pause_s=0.3)
            saboteur.begin()
            outcome = ""
            with suppress(EWMSError):
                outcome = run.wait("over", timeout=_PATIENCE_S).word
            holds_within(lambda: planned.good <= collector.counts.keys(), _RESULTS_S, pause_s=0.3)
            dead, faults = _read_dead_letters(run)
            if planned.trouble is Trouble.ALL_FAIL and not {"all-bad", FAILING} & watcher.causes:
                faults = (*faults, f"nobody was told that the task fails on everything: {sorted(watcher.causes)}")
            if not outcome:
                faults = (*faults, *(f"stalled: {cause.text}" for cause in _causes(run)))
                run.abort()
    return Ending(collector.counts, dead, outcome, watcher.unseen_stall_s, watcher.end_took_s, faults)


def _submit_wrong(client: Client, planned: PlannedRun) -> Ending:
    workflow, word = wrong_workflow(planned.times)
    try:
        run = client.submit(workflow)
    except (EWMSError, ValueError) as error:
        faults = () if word in str(error) else (f"the refusal does not name {word}: {error}",)
    else:
        run.abort()
        faults = (f"{word}: the request was taken",)
    return Ending({}, frozenset(), "", faults=faults)


def _wait_for_stall(run: Run) -> Ending:
    """Publish to workers that no slot can take; return whether that was told in time."""
    with run.queue("in").publisher(active_timeout=120) as publisher:
        for number in range(N_EVENTS):
            publisher.send(str(number))
    begin = time.monotonic()
    holds_within(lambda: bool(_causes(run)), 4 * UNSEEN_STALL_S, pause_s=0.3)
    taken_s = time.monotonic() - begin
    causes = _causes(run)
    run.abort()
    faults = () if any("slot" in cause.text for cause in causes) else (f"no slot is named as the cause: {causes}",)
    # The last look may have begun just before the time was over.
    return Ending({}, frozenset(), "", unseen_stall_s=max(0.0, taken_s - _LOOK_S), faults=faults)


def _causes(run: Run) -> list[StallCause]:
    stall = run.stall()
    return [] if stall is None else list(stall.causes)


def _read_dead_letters(run: Run) -> tuple[frozenset[int], tuple[str, ...]]:
    """Return the numbers in the dead letters' own bytes, and what a user would miss in them."""
    numbers: set[int] = set()
    faults: list[str] = []
    for letter, body in run.failures.export():
        numbers.add(int(body))
        if not letter.error or not letter.task_id:
            faults.append(f"the dead letter of {int(body)} does not say why, or where: {letter.reason}")
    return frozenset(numbers), tuple(faults)


class _Collector:
    """Takes the results in a thread of its own, as slowly or as sleepily as the plan says."""

    def __init__(self, run: Run, planned: PlannedRun) -> None:
        self.counts: Counter[int] = Counter()
        self._run = run
        self._planned = planned
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._collect)
        self._thread.start()

    def _collect(self) -> None:
        while not self._over.is_set():
            with suppress(EWMSError):
                results = self._run.queue("out").results(idle_timeout=2, prefetch=N_EVENTS)
                # The watcher asks about stalls; each new loop would print them again.
                results.notify = lambda _: None
                for n, event in enumerate(results, start=1):
                    if self._planned.trouble is Trouble.SLOW_USER:
                        self._over.wait(0.5)
                    self.counts[int(str(event.body))] += 1
                    # All that lies in its hands and is not acknowledged comes again.
                    if self._planned.trouble is Trouble.SLEEPY_USER and n > self._planned.times:
                        break
            self._over.wait(0.2)

    def end(self) -> None:
        self._over.set()
        self._thread.join()


class _Watcher:
    """Looks at a run as its user could. Measures the longest time in which nothing worked and nothing said so, and how
    long the run took to end after its last event was settled.
    """

    def __init__(self, run: Run) -> None:
        self.unseen_stall_s = 0.0
        self.end_took_s = 0.0
        #: The causes that the run was stalled for.
        self.causes: set[str] = set()
        self._run = run
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        since: float | None = None
        unsettled_at = time.monotonic()
        while not self._over.wait(_LOOK_S):
            with suppress(EWMSError):
                if self._has_unsettled_events():
                    unsettled_at, self.end_took_s = time.monotonic(), 0.0
                elif self._run.show().workflow.deactivated is None:
                    self.end_took_s = time.monotonic() - unsettled_at
                self.causes |= {cause.cause for cause in _causes(self._run)}
                if not self._is_stalled_unseen():
                    since = None
                elif since is None:
                    since = time.monotonic()
                else:
                    self.unseen_stall_s = max(self.unseen_stall_s, time.monotonic() - since)

    def _has_unsettled_events(self) -> bool:
        # Tasks read all queues but that of the results.
        queues = [queue for queue in self._run.depths().queues if queue.alias != "out"]
        return any(queue.n_ready or queue.n_unacknowledged or queue.n_delayed for queue in queues)

    def _is_stalled_unseen(self) -> bool:
        waits = any(queue.n_ready for queue in self._run.depths().queues if queue.alias == "in")
        jobs = self._run.statuses()
        is_worked_on = any(sum(jobs.get(status, {}).values()) for status in ("RUNNING", "IDLE"))
        return waits and not is_worked_on and self._run.stall() is None and not self._run.show().over

    def end(self) -> None:
        self._over.set()
        self._thread.join()


def _summary(runs: Sequence[PlannedRun], found: Sequence[tuple[str, ...]]) -> Table:
    table = Table("trouble", "runs", "with a fault", title="endings campaign")
    counts: Counter[Trouble] = Counter(run.trouble for run in runs)
    bad: Counter[Trouble] = Counter(run.trouble for run, faults in zip(runs, found, strict=True) if faults)
    for trouble, n in sorted(counts.items()):
        table.add_row(trouble, str(n), str(bad[trouble]))
    return table


if __name__ == "__main__":
    sys.exit(main())
