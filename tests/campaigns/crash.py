"""`make crash`: strike a running system 88 times, and count what it lost of what it had confirmed.

One system as `make up` runs it, with HTCondor. Each run is a workflow of one task: its events are published, worked on
and taken while the plan's faults strike (tests/campaigns/faults.py). The publisher writes down each event that the
broker has confirmed; at the end of the run every one of them must be here or among the dead letters, and the workflow
over. The exit status is 1 if one event is lost or one workflow stuck.

    make crash                        88 runs, a random seed
    make crash ARGS='--runs 12 --seed 7'
    make crash ARGS='--seed 7 --only 31'
    make crash ARGS=engine                  the engine's own campaign, tests/campaigns/engine_crash.py
    make crash ARGS=trees                   that of decision trees, tests/campaigns/tree_crash.py
    make crash ARGS=jobs                    that of jobs on inventories, tests/campaigns/job_crash.py
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
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

from deploy.local.system.stack import Stack
from deploy.local.system.up import prepare_servers
from ewms import AlreadyThere, Client, EWMSError, PublishFailed
from ewms.client import Run
from schemas.broker.topology import DATA_VHOST, dead_queue
from tests.campaigns.crash_campaign import run_campaign
from tests.campaigns.engine_crash import ENGINE
from tests.campaigns.faults import Moment, PlannedRun, plan_runs
from tests.campaigns.job_crash import strike_jobs
from tests.campaigns.ledger import Verdict, judge_run
from tests.campaigns.strikes import Strikes
from tests.campaigns.struck_system import PATIENCE_S, persist, watched_system
from tests.campaigns.tree_crash import TREES
from tests.system.conftest import one_task
from tests.waiting import holds_within

N_EVENTS = 60
_BATCH = 10
#: Strikes of the moment `run` begin when so many events are back.
_N_BACK = 8
_SCRIPT = "sleep 0.1; cp $1 $2"


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign; return the exit status."""
    words = sys.argv[1:] if words is None else words
    for campaign in (ENGINE, TREES):
        if words[:1] == [campaign.word]:
            return run_campaign(campaign, words[1:])
    if words[:1] == ["jobs"]:
        return strike_jobs(words[1:])
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=88)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    parser.add_argument("--only", type=int, help="the number of the one run to repeat")
    parser.add_argument("--report", type=Path, help="a file for the verdicts as JSON")
    arguments = parser.parse_args(words)
    console = Console()
    planned = plan_runs(arguments.seed, arguments.runs)
    chosen = [run for run in planned if arguments.only in {None, run.number}]
    console.print(f"seed {arguments.seed}, {len(chosen)} runs, load {os.getloadavg()[0]:.1f}", highlight=False)
    verdicts: list[tuple[PlannedRun, Verdict]] = []
    with watched_system(console, prepare_servers(console, os.environ), pool="condor") as stack:
        for run in chosen:
            begin = time.monotonic()
            verdict = _carry_out(stack, run)
            verdicts.append((run, verdict))
            taken_s = time.monotonic() - begin
            console.print(_line(run, verdict, taken_s), highlight=False, markup=False, soft_wrap=True)
    console.print(_summary(verdicts))
    if arguments.report:
        rows = [{"run": str(run), "number": run.number, **_as_json(verdict)} for run, verdict in verdicts]
        arguments.report.write_text(json.dumps({"seed": arguments.seed, "runs": rows}, indent=1))
    return 0 if all(verdict.is_good for _, verdict in verdicts) else 1


class _Collector:
    """Takes the results in a thread of its own, and goes on after every failure until it is told to end."""

    def __init__(self, run: Run) -> None:
        self.counts: Counter[int] = Counter()
        self._run = run
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._collect)
        self._thread.start()

    def _collect(self) -> None:
        while not self._over.is_set():
            try:
                for event in self._run.queue("out").results(idle_timeout=2, prefetch=10):
                    self.counts[int(str(event.body))] += 1
            except EWMSError:
                self._over.wait(0.5)

    def end(self) -> None:
        self._over.set()
        self._thread.join()


def _carry_out(stack: Stack, planned: PlannedRun) -> Verdict:
    """Run one workflow under the faults of `planned`; return what became of its events."""
    with ExitStack() as opened:
        client = opened.enter_context(Client(stack.gateway, token=stack.token, cluster="local", timeout=60))
        uuids: list[str] = []
        strikes = opened.enter_context(Strikes(stack, planned.faults, lambda: uuids))
        if planned.moment is Moment.SUBMIT:
            strikes.begin()
        run = persist(lambda: client.submit(one_task(_SCRIPT, n_workers=3)))
        collector = _Collector(run)
        opened.callback(collector.end)
        uuids += [taskforce.taskforce_uuid for taskforce in persist(run.show).taskforces]
        confirmed = set(range(_BATCH)) - _publish(run, range(_BATCH))
        if planned.moment is Moment.RUN:
            holds_within(lambda: len(collector.counts) >= _N_BACK, PATIENCE_S, pause_s=0.3)
            strikes.begin()
        for start in range(_BATCH, N_EVENTS, _BATCH):
            batch = range(start, start + _BATCH)
            confirmed |= set(batch) - _publish(run, batch)
        dead: set[int] = set()

        def is_settled() -> bool:
            dead.update(_read_dead_letters(stack, run))
            return confirmed <= collector.counts.keys() | dead

        holds_within(is_settled, PATIENCE_S, pause_s=0.3)
        if planned.moment is Moment.END:
            strikes.begin()
        stuck = _end(run)
        # What comes in while the last taskforce leaves still counts.
        holds_within(is_settled, 20, pause_s=0.3)
        verdict = judge_run(confirmed, collector.counts, dead=dead, stuck=stuck)
        _abort_others(client)
    return verdict


def _publish(run: Run, batch: range) -> set[int]:
    """Publish the numbers of `batch`; return those that the broker has not confirmed."""
    ids: dict[str, int] = {}
    try:
        with run.queue("in").publisher(timeout=30, active_timeout=PATIENCE_S) as publisher:
            for number in batch:
                ids[publisher.send(str(number), key=number)] = number
    except PublishFailed as error:
        return {ids[id_] for id_, _ in error.failures}
    except EWMSError:
        # The queue could not be opened: nothing of the batch is promised.
        return set(batch)
    return set()


def _abort_others(client: Client) -> None:
    """End the workflows of submissions whose answer a fault cut off."""
    for workflow in persist(lambda: client.workflows({"deactivated": None})):
        with suppress(EWMSError):
            client.run(workflow.workflow_id).abort()


def _end(run: Run) -> str:
    """Finish the workflow and wait until it is over; return why it is stuck, or nothing."""
    try:
        with suppress(AlreadyThere):
            persist(run.finish)
        persist(lambda: run.wait("over", timeout=PATIENCE_S))
    except EWMSError as error:
        phases = ", ".join(f"{taskforce.phase}" for taskforce in persist(run.show).taskforces)
        return f"{error} (phases: {phases})"
    return ""


def _read_dead_letters(stack: Stack, run: Run) -> set[int]:
    """Return the numbers of the events in the workflow's dead-letter queue, which keeps them."""
    broker = stack.services.rabbitmq
    path = f"/api/queues/{DATA_VHOST}/{dead_queue(run.id)}/get"
    wanted = {"count": N_EVENTS, "ackmode": "ack_requeue_true", "encoding": "auto"}
    try:
        answer = httpx2.post(broker.management_url("admin") + path, json=wanted, timeout=20)
    except httpx2.HTTPError:
        return set()
    return {int(letter["payload"]) for letter in answer.json()} if answer.status_code == 200 else set()


def _line(run: PlannedRun, verdict: Verdict, taken_s: float) -> str:
    found = "good" if verdict.is_good else f"BAD lost={sorted(verdict.lost)} {verdict.stuck}"
    counts = f"{verdict.n_confirmed} confirmed, {verdict.n_received} back, {verdict.n_dead} dead"
    return f"{run.number:3} {taken_s:5.0f} s  {counts}, {verdict.n_repeats} repeats  {found}  [{run}]"


def _summary(verdicts: Sequence[tuple[PlannedRun, Verdict]]) -> Table:
    table = Table("runs", "confirmed", "lost", "dead", "repeats", "stuck runs", title="crash campaign")
    every = [verdict for _, verdict in verdicts]
    table.add_row(
        str(len(every)),
        str(sum(verdict.n_confirmed for verdict in every)),
        str(sum(len(verdict.lost) for verdict in every)),
        str(sum(verdict.n_dead for verdict in every)),
        str(sum(verdict.n_repeats for verdict in every)),
        str(sum(bool(verdict.stuck) for verdict in every)),
    )
    return table


def _as_json(verdict: Verdict) -> dict[str, Any]:
    return {**asdict(verdict), "lost": sorted(verdict.lost)}


if __name__ == "__main__":
    sys.exit(main())
