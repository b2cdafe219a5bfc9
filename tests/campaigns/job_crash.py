"""`make crash ARGS=jobs`: strike workers, WMS, TMS, MQS, broker and database while jobs on inventories go on.

One system as `make up` runs it, with the local pool. Each seed is a job of two tasks on eight hosts, in real
containers, with a secret. No host may run `reboot` twice, no job may hang, every host's end must be told and agree with
what the ledger of the tasks says, and no fleet workflow of a job may stay open.

    make crash ARGS=jobs                             12 seeds
    make crash ARGS='jobs --runs 30 --first 0'
    make crash ARGS='jobs --first 17 --runs 1'       one of them again
"""

import argparse
import asyncio
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import ExitStack

from pymongo import MongoClient
from rich.console import Console

from deploy.demo.image import build_image
from deploy.local.fetch import packages
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.services import images_directory
from deploy.local.system.stack import Stack
from deploy.local.system.up import prepare_servers
from ewms import Client, TimedOut
from runtime.kernel.store import Store
from schemas.fleet.documents import TASKFORCES, WORKFLOWS
from tests.campaigns.engine_judgement import Judgement
from tests.campaigns.faults import Moment
from tests.campaigns.job_ledger import SCRIPT, JobLedger, serve_ledger
from tests.campaigns.job_plan import AUDIT, N_HOSTS, REBOOT, HostEnd, PlannedJob, judge_job_end, plan_job
from tests.campaigns.strikes import Strikes
from tests.campaigns.struck_system import PATIENCE_S, persist, watched_system
from tests.ready_tasks import add_ready_tasks
from tests.waiting import holds_within

_PIN = "S3cret-of-the-campaign"
_TAKES_S = 1.5
_DATABASE = "WMS_DB"


class StruckJobs:
    """Runs one job after the other on a struck system."""

    def __init__(self, stack: Stack, ledger: JobLedger, client: Client, tasks: Sequence[int], inventory: int) -> None:
        self._stack = stack
        self._ledger = ledger
        self._client = client
        self._tasks = tasks
        self._inventory = inventory
        self._mongo: MongoClient[dict[str, object]] = MongoClient(stack.services.mongodb.url(ADMIN))

    def run_job(self, planned: PlannedJob) -> Judgement:
        """Run the job of a seed under its faults; return what is wrong with it."""
        jobs = self._client.jobs
        ran = self._ledger.runs[planned.seed]
        with Strikes(self._stack, planned.faults, self._list_taskforces) as strikes:
            if planned.moment is Moment.SUBMIT:
                strikes.begin()
            fields = {
                "tasks": list(self._tasks),
                "inventory": self._inventory,
                "strategy": planned.strategy,
                "secrets": [{"name": "pin"}],
                "payload": {"seed": planned.seed, "port": self._ledger.port, "takes_s": _TAKES_S},
                "max_fail_percentage": 50,
            }
            job = persist(lambda: jobs.start(fields)).id
            if planned.moment is not Moment.SUBMIT:
                holds_within(lambda: bool(ran), PATIENCE_S, pause_s=0.1)
                strikes.begin()
        try:
            is_over = persist(lambda: jobs.wait(job, timeout=PATIENCE_S)).ended_at is not None
        except TimedOut:
            is_over = False
        holds_within(lambda: not self._list_open_workflows(), 60, pause_s=0.5)
        hosts = [
            HostEnd(each.name, each.state, tuple((one.name, one.state, one.reason) for one in each.results))
            for each in persist(lambda: jobs.list_hosts(job))
        ]
        faults = judge_job_end(is_over=is_over, hosts=hosts, ran=list(ran), open_workflows=self._list_open_workflows())
        return Judgement(faults, n_calls=len(ran))

    def _list_taskforces(self) -> list[str]:
        found = self._mongo[_DATABASE][TASKFORCES].find({"ended_at": None, "phase": "condor-submit"})
        return [str(each["taskforce_uuid"]) for each in found]

    def _list_open_workflows(self) -> list[str]:
        return [str(each["_id"]) for each in self._mongo[_DATABASE][WORKFLOWS].find({"deactivated": None})]


def strike_jobs(words: Sequence[str] | None = None) -> int:
    """Run the campaign as the command line `words` asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="make crash ARGS=jobs")
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--first", type=int, default=secrets.randbelow(10_000), help="the first seed")
    arguments = parser.parse_args(words)
    console, n_bad, begun_at = Console(), 0, time.monotonic()
    console.print(f"first seed {arguments.first}, load {os.getloadavg()[0]:.1f}", highlight=False)
    wanted = (packages.BROKER, packages.CONTAINERS, packages.PYTHON_IMAGE)
    installed = prepare_servers(console, os.environ, wanted)
    environment = {**os.environ, "EWMS_JOB_WORKERS": "3"}
    with ExitStack() as opened:
        stack = opened.enter_context(watched_system(console, installed, pool="local", environment=environment))
        ledger = opened.enter_context(serve_ledger())
        image = build_image(installed, images_directory(stack.services.run) / "jobs")
        tasks = asyncio.run(_add_tasks(stack.services.mongodb.url(ADMIN), str(image)))
        token = stack.list_endpoints()["tokens"]["org-admin"]
        client = opened.enter_context(Client(stack.gateway, token=token, timeout=60))
        client.secrets.set_secret("pin", _PIN)
        inventory = client.inventories.create("lab", content=f"h[1:{N_HOSTS}]\n", form="ini")["id"]
        struck = StruckJobs(stack, ledger, client, tasks, inventory)
        for seed in range(arguments.first, arguments.first + arguments.runs):
            planned, began_at = plan_job(seed), time.monotonic()
            judgement = struck.run_job(planned)
            n_bad += bool(judgement.faults)
            line = f"{seed:6} {time.monotonic() - began_at:5.1f} s  {judgement}  [{planned}]"
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        has_secret = ledger.secrets == {_PIN}
    console.print(f"{arguments.runs} jobs, {n_bad} with faults, {time.monotonic() - begun_at:.0f} s", highlight=False)
    if not has_secret:
        console.print("BAD some task did not have its secret", highlight=False)
    return 1 if n_bad or not has_secret else 0


async def _add_tasks(url: str, image: str) -> list[int]:
    store = await Store.connect(url, database=_DATABASE, source="ewms/campaign")
    command = ["python3", "-S", "-E", "-c", SCRIPT]
    try:
        return [
            *await add_ready_tasks(store, [AUDIT], image=image, command=command, idempotent=True),
            *await add_ready_tasks(store, [REBOOT], image=image, command=command, idempotent=False),
        ]
    finally:
        await store.close()
