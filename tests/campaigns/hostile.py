"""`make hostile`: one hostile user of each kind against a running system, while another user works.

For each kind the other user's requests are timed and its events counted, and the memory of WMS is watched. It is good
if 99 of 100 requests take less than two seconds and none fails, events flow, and the memory is bounded and comes back.
The exit status is 1 if one kind is not good.

    make hostile                               every kind, 20 s each
    make hostile ARGS='--kinds unread idle --seconds 60'
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

from deploy.local.files.run_directory import run_directory
from deploy.local.servers.issued_tokens import mint_token
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers
from ewms import Client, EWMSError
from tests.campaigns.attackers import KINDS
from tests.system.conftest import one_task

P99_S = 2.0
#: WMS may need so much more than before, at most, and so much after.
_PEAK_MB, _AFTER_MB = 1000, 250
_BACK_WITHIN_S = 90.0
_N_TASKS, _TASK_BYTES = 60, 60_000


@dataclass
class Measure:
    """What the other user met, and what WMS needed."""

    kind: str
    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    n_sent: int = 0
    n_back: int = 0
    before_mb: float = 0
    peak_mb: float = 0
    after_mb: float = 0

    def quantile(self, part: float) -> float:
        """Return the time within which this part of the requests was answered."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(part * len(self.seconds)))] if self.seconds else 0.0

    @property
    def is_good(self) -> bool:
        """Whether the other user had the service, and the memory its bounds."""
        return (
            bool(self.seconds)
            and self.quantile(0.99) < P99_S
            and not self.failures
            and self.n_back > 0
            and self.peak_mb < self.before_mb + _PEAK_MB
            and self.after_mb < self.before_mb + _AFTER_MB
        )


class OtherUser:
    """Sends requests and events, and takes results, all in threads of its own."""

    def __init__(self, stack: Stack, client: Client, measure: Measure) -> None:
        self._stack = stack
        self._run = client.submit(one_task("cp $1 $2", n_workers=1))
        self._run.wait("active")
        self._measure = measure
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._request, self._send, self._take)]

    def begin(self) -> None:
        """Begin to work, once the first event is back: its pilot runs by then."""
        with self._run.queue("in").publisher() as publisher:
            publisher.send("first")
        assert next(iter(self._run.queue("out").results(idle_timeout=120))).body == "first"
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop, and end the workflow."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._run.abort()

    def _request(self) -> None:
        headers = {"Authorization": f"Bearer {self._stack.token}"}
        workflow = f"/v1/workflows/{self._run.id}"
        query = {"query": {"workflow_id": self._run.id}}
        n = 0
        while not self._over.is_set():
            # A connection is used for a while, as a program does, and then made anew.
            with httpx2.Client(base_url=self._stack.gateway, timeout=15, headers=headers) as http:
                for _ in range(20):
                    n += 1
                    calls = (
                        lambda http=http: http.get(workflow),
                        lambda http=http: http.post("/v1/query/taskforces", json=query),
                        lambda http=http: http.get(f"/v1/mqs/workflows/{self._run.id}/mq-profiles/public"),
                        lambda http=http: http.get(f"{workflow}/queues"),
                    )
                    self._time(calls[n % len(calls)])
                    if self._over.wait(0.05):
                        return

    def _time(self, call: Any) -> None:
        begin = time.monotonic()
        try:
            answer = call()
            if answer.status_code != 200:
                self._measure.failures[f"{answer.status_code} {answer.text[:80]}"] += 1
        except httpx2.HTTPError as error:
            self._measure.failures[type(error).__name__] += 1
        self._measure.seconds.append(time.monotonic() - begin)

    def _send(self) -> None:
        while not self._over.is_set():
            try:
                with self._run.queue("in").publisher(timeout=20) as publisher:
                    while not self._over.wait(0.5):
                        publisher.send(str(self._measure.n_sent))
                        self._measure.n_sent += 1
            except EWMSError as error:
                self._measure.failures[f"publisher: {type(error).__name__}"] += 1

    def _take(self) -> None:
        while not self._over.is_set():
            try:
                for _ in self._run.queue("out").results(idle_timeout=2):
                    self._measure.n_back += 1
            except EWMSError as error:
                self._measure.failures[f"results: {type(error).__name__}"] += 1


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign; return the exit status."""
    parser = argparse.ArgumentParser(prog="make hostile", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--kinds", nargs="+", choices=sorted(KINDS), default=list(KINDS))
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args(words)
    console = Console()
    measures: list[Measure] = []
    with (
        run_directory(keep_logs=lambda: True) as directory,
        running_stack(prepare_servers(console, os.environ), directory, pool="local") as stack,
    ):
        console.print(f"logs: {stack.logs}, load {os.getloadavg()[0]:.1f}", highlight=False)
        with Client(stack.gateway, token=stack.token, cluster="local", timeout=60) as client:
            target = _prepare(stack)
            for kind in arguments.kinds:
                measures.append(_attack(stack, client, kind, target, arguments.seconds))
                console.print(_line(measures[-1]), highlight=False, markup=False, soft_wrap=True)
    console.print(_summary(measures))
    return 0 if all(measure.is_good for measure in measures) else 1


def _prepare(stack: Stack) -> dict[str, str]:
    """Give the hostile user a workflow, and enough documents for large pages; return what an attacker knows."""
    token = mint_token(stack.issuer, "eve", {"groups": ["/tokens/ewms-dev"]}, life_s=86_400)
    with Client(stack.gateway, token=token, cluster="local", timeout=60) as eve:
        run = eve.submit(one_task("true", n_workers=1))
        run.wait("active")
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(base_url=stack.gateway, timeout=60, headers=headers) as http:
            task = http.post("/v1/query/task-directives", json={"query": {"workflow_id": run.id}}).json()
            request = _as_request(task["task_directives"][0])
            large = json.loads(json.dumps(request))
            large["tasks"][0]["task_args"] = "x" * _TASK_BYTES
            for _ in range(_N_TASKS):
                made = http.post("/v1/workflows", json=large).raise_for_status().json()
                http.post(f"/v1/workflows/{made['workflow']['workflow_id']}/actions/abort").raise_for_status()
            path = f"/v1/mqs/workflows/{run.id}/mq-profiles/public"
            profile = http.get(path).raise_for_status().json()["mqprofiles"][0]
    return {
        "gateway": stack.gateway,
        "token": token,
        "workflow_id": run.id,
        "request": json.dumps(request),
        "broker_address": profile["broker_address"],
        "queue_token": profile["auth_token"],
    }


def _as_request(task: dict[str, Any]) -> dict[str, Any]:
    return {
        "public_queue_aliases": ["in", "out"],
        "tasks": [
            {
                "cluster_locations": ["local"],
                "input_queue_aliases": ["in"],
                "output_queue_aliases": ["out"],
                "task_image": task["task_image"],
                "task_args": task["task_args"],
                "n_workers": 1,
                "worker_config": {
                    "do_transfer_worker_stdouterr": True,
                    "max_worker_runtime": 600,
                    "n_cores": 1,
                    "priority": 50,
                    "worker_disk": "1G",
                    "worker_memory": "512M",
                },
            }
        ],
    }


def _attack(stack: Stack, client: Client, kind: str, target: dict[str, str], seconds: float) -> Measure:
    measure = Measure(kind)
    with ExitStack() as ending:
        other = OtherUser(stack, client, measure)
        other.begin()
        ending.callback(other.end)
        measure.before_mb = measure.peak_mb = _wms_mb(stack)
        with subprocess.Popen(
            [sys.executable, "-m", "tests.campaigns.attackers"],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=Path(__file__).parents[2],
        ) as attacker:
            assert attacker.stdin is not None
            attacker.stdin.write(json.dumps({**target, "kind": kind}) + "\n")
            attacker.stdin.flush()
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                measure.peak_mb = max(measure.peak_mb, _wms_mb(stack))
                time.sleep(0.2)
            if attacker.poll() is not None:
                measure.failures["the attacker ended by itself"] += 1
            attacker.kill()
    deadline = time.monotonic() + _BACK_WITHIN_S
    while (mb := _wms_mb(stack)) > measure.before_mb * 1.2 + 20 and time.monotonic() < deadline:
        time.sleep(0.5)
    measure.after_mb = mb
    _end_all(Client(stack.gateway, token=target["token"], cluster="local", timeout=60), target)
    return measure


def _end_all(eve: Client, target: dict[str, str]) -> None:
    """End what the attacker has made, so that the next kind meets the same system."""
    with eve:
        for workflow in eve.workflows({"deactivated": None}):
            if workflow.workflow_id != target["workflow_id"]:
                eve.run(workflow.workflow_id).abort()


def _wms_mb(stack: Stack) -> float:
    pid = stack.get_child("wms").pid
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _line(measure: Measure) -> str:
    failures = "; ".join(f"{n} x {what}" for what, n in measure.failures.most_common(4)) or "none"
    return (
        f"{measure.kind:20} {'good' if measure.is_good else 'BAD '} p50 {measure.quantile(0.5):.3f} s, "
        f"p99 {measure.quantile(0.99):.3f} s, max {measure.quantile(1):.3f} s of {len(measure.seconds)}; events "
        f"{measure.n_sent} sent {measure.n_back} back; WMS {measure.before_mb:.0f} -> {measure.peak_mb:.0f} -> "
        f"{measure.after_mb:.0f} MB; failures: {failures}"
    )


def _summary(measures: Sequence[Measure]) -> Table:
    table = Table("kind", "good", "p50 s", "p99 s", "failures", "events back", "WMS MB before/peak/after")
    for each in measures:
        table.add_row(
            each.kind,
            "yes" if each.is_good else "NO",
            f"{each.quantile(0.5):.3f}",
            f"{each.quantile(0.99):.3f}",
            str(sum(each.failures.values())),
            f"{each.n_back}/{each.n_sent}",
            f"{each.before_mb:.0f}/{each.peak_mb:.0f}/{each.after_mb:.0f}",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
