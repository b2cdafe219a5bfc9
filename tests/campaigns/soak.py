"""`make soak`: run everything for half an hour under load, and see whether a process of ours grows.

    make soak [MINUTES=30] [RATE=500] [POOL=condor|local] [REPORT=file.json] [LOGS=directory, if there are problems]

One user sends events through a warm task, each confirmed, answered by a pilot, taken and acknowledged; another submits,
finishes and aborts workflows, asks for tokens and looks at queues. Every few seconds each process's memory, file
descriptors and threads are noted. The exit status is 1 if one of ours grows by 1 MB or a descriptor a minute after the
warm-up, is restarted, or leaves queues or unsent events behind; or if an event is missing or comes twice.

Workflows, taskforces and their queues' records stay in the database when they are over: those counts are shown only.
"""

import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx2
from pymongo import MongoClient
from rich.console import Console
from rich.table import Table

from deploy.local.children.interruption import Interrupted, raise_on_signals
from deploy.local.choices.launch_options import LOCATION
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers
from deploy.local.system.wiring import PoolName
from schemas.broker.topology import DATA_VHOST
from tests.campaigns.growth import JUDGED_FROM_S, Growth, Sample, find_problems, growth_of, rate, restarts

_SAMPLE_EVERY_S = 5.0
_SAY_EVERY_S = 60.0
#: How long the counts may take to return once the users have ended.
_RETURN_S = 120.0
_END_S = 400.0

#: Queues that are empty go soon, so that they can be seen to go within the campaign.
_ENVIRONMENT = {"EWMS_RETIRE_LOOK_S": "1", "EWMS_RETIRE_UNUSED_S": "5"}

#: What must be as before when the users have ended.
_RETURNING = ("queues", "WMS_DB.outbox", "MQS_DB.outbox")


class User:
    """One process of `soak_clients`, and what it has said."""

    def __init__(self, role: str, environment: Mapping[str, str]) -> None:
        self.role = role
        self.said: list[tuple[float, dict[str, Any]]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaigns.soak_clients", role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(environment),
            text=True,
        )
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def last(self, key: str) -> int:
        """Return the number that it said last for `key`."""
        return next((int(words[key]) for _, words in reversed(self.said) if key in words), 0)

    def end(self) -> None:
        """Have it finish what it began, and wait for that."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_END_S)
        self.process.kill()
        self._listening.join(10)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append((time.monotonic(), json.loads(line)))


@dataclass
class Record:
    """What was seen of the processes, by name."""

    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    pids: dict[str, list[int | None]] = field(default_factory=lambda: defaultdict(list))
    servers: set[str] = field(default_factory=set)

    def look(self, at_s: float, ours: Mapping[str, int | None], servers: Mapping[str, int | None]) -> None:
        """Note how all processes are; a server counts with all that it started, except for pilots."""
        parents = _parents()
        pilots = {pid for pid in _below(os.getpid(), parents) if _is_pilot(pid)}
        for name, pid in ours.items():
            self.pids[name].append(pid)
            self._note(name, at_s, [pid] if pid else [])
        for pid in pilots:
            self._note(f"pilot {pid}", at_s, [pid])
        for name, pid in servers.items():
            self.servers.add(name)
            self._note(name, at_s, [pid, *_below(pid, parents, but=pilots)] if pid else [])

    def _note(self, name: str, at_s: float, pids: list[int]) -> None:
        looked = [found for pid in pids if (found := _looked(pid)) is not None]
        if looked:
            self.samples[name].append(Sample(at_s, *map(sum, zip(*looked, strict=True))))


def _parents() -> dict[int, list[int]]:
    """Return the children of every process of the machine."""
    children: dict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name, in brackets, may hold anything.
            fields = path.read_text().rpartition(")")[2].split()
            children[int(fields[1])].append(int(path.parent.name))
    return children


def _below(pid: int, children: Mapping[int, list[int]], *, but: Collection[int] = ()) -> list[int]:
    found: list[int] = []
    left = list(children.get(pid, ()))
    while left:
        one = left.pop()
        if one not in but:
            found.append(one)
            left += children.get(one, ())
    return found


def _is_pilot(pid: int) -> bool:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b"python" in Path(os.fsdecode(words[0])).name.encode() and b"pilot" in words
    return False


def _looked(pid: int) -> tuple[int, int, int] | None:
    """Return resident bytes, descriptors and threads of `pid`; None if it is gone."""
    try:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        n_fds = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return int(status.get("VmRSS", "0 kB").split()[0]) * 1024, n_fds, int(status["Threads"])
    except (OSError, KeyError):
        return None


def count_all(stack: Stack) -> dict[str, int]:
    """Return how many documents each collection has, and how many queues the data vhost."""
    counts = {}
    with MongoClient[dict[str, Any]](stack.services.mongodb.url(ADMIN)) as client:
        for database in client.list_database_names():
            if database not in ("admin", "config", "local"):
                for collection in client[database].list_collection_names():
                    counts[f"{database}.{collection}"] = client[database][collection].count_documents({})
    with httpx2.Client(base_url=stack.services.rabbitmq.management_url("admin"), timeout=20) as http:
        counts["queues"] = len(http.get(f"/api/queues/{DATA_VHOST}").raise_for_status().json())
    return counts


@contextmanager
def user(role: str, environment: Mapping[str, str]) -> Iterator[User]:
    """Have a user for the block, and no longer."""
    made = User(role, environment)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def soak(stack: Stack, run: Path, *, minutes: float, events_per_s: float, console: Console) -> dict[str, Any]:
    """Run the users against `stack` for so long, and return the report."""
    before = count_all(stack)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("EWMS_")},
        "EWMS_GATEWAY": stack.gateway,
        "EWMS_TOKEN": stack.token,
        "EWMS_CLUSTER": LOCATION,
        "EWMS_STATE_DIR": str(run / "state"),
        "SOAK_RATE": str(events_per_s),
    }
    record = Record()
    began = time.monotonic()
    with user("events", environment) as events, user("churn", environment) as churn:
        users = (events, churn)
        says_at = began + _SAY_EVERY_S
        while time.monotonic() < began + 60 * minutes and all(one.process.poll() is None for one in users):
            now = time.monotonic()
            record.look(now - began, _ours(stack, users), _servers(stack))
            if now >= says_at:
                says_at += _SAY_EVERY_S
                console.print(_progress(now - began, record, users), soft_wrap=True, highlight=False, markup=False)
            time.sleep(max(0.0, _SAMPLE_EVERY_S - (time.monotonic() - now)))
        died = [one.role for one in users if one.process.poll() is not None]
        console.print("ending: what is under way comes back ...", style="dim", markup=False)
        for one in users:
            one.end()
    after = _returned(lambda: count_all(stack), before)
    warm_up_s = min(6.0, minutes / 4) * 60
    received = [(at, words["received"]) for at, words in events.said if "received" in words and "is_last" not in words]
    growths = [
        found
        for name, samples in record.samples.items()
        if (found := growth_of(name, samples, since_s=warm_up_s, is_ours=name not in record.servers)) is not None
    ]
    # A pilot that was there for a moment says nothing; the others' slopes are of half the time at least.
    growths = [found for found in growths if found.span_s >= (60 * minutes - warm_up_s) / 2]
    problems = find_problems(
        growths,
        restarted={name: restarts(pids) for name, pids in record.pids.items()},
        left={name: (before.get(name, 0), after.get(name, 0)) for name in _RETURNING},
        n_confirmed=events.last("confirmed"),
        n_received=events.last("received"),
        n_repeated=events.last("repeated"),
    )
    problems += [f"the user {role!r} ended before its time" for role in died]
    return {
        "minutes": minutes,
        "machine": f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}",
        "pool": stack.pool,
        "wanted_per_s": events_per_s,
        "achieved_per_s": round(rate([one for one in received if one[0] - began >= warm_up_s]), 1),
        "n_events": events.last("received"),
        "churn": churn.said[-1][1] if churn.said else {},
        "warm_up_s": warm_up_s,
        "growth": [asdict(growth) for growth in growths],
        "counts": {name: [before.get(name, 0), n] for name, n in sorted(after.items())},
        "samples": {
            name: [[round(one.at_s), one.rss_bytes, one.n_fds, one.n_threads] for one in samples]
            for name, samples in record.samples.items()
        },
        "problems": problems,
    }


def _ours(stack: Stack, users: tuple[User, ...]) -> dict[str, int | None]:
    return {
        "launcher": os.getpid(),
        **{name: stack.get_child(name).pid for name in stack.names},
        **{f"user, {one.role}": one.process.pid for one in users},
    }


def _servers(stack: Stack) -> dict[str, int | None]:
    return {server.name: server.child.pid for server in stack.services.servers}


def _returned(count: Callable[[], dict[str, int]], before: Mapping[str, int]) -> dict[str, int]:
    """Return the counts once they are back at what they were, or after a time."""
    deadline = time.monotonic() + _RETURN_S
    while True:
        after = count()
        if time.monotonic() > deadline or all(after.get(name, 0) <= before.get(name, 0) for name in _RETURNING):
            return after
        time.sleep(1.0)


def _progress(at_s: float, record: Record, users: tuple[User, ...]) -> str:
    received = [(at, words["received"]) for at, words in users[0].said if "received" in words]
    recent = rate([one for one in received if one[0] >= time.monotonic() - _SAY_EVERY_S])
    memory = " ".join(
        f"{name} {samples[-1].rss_bytes >> 20}"
        for name, samples in record.samples.items()
        if samples[-1].at_s >= at_s - 2 * _SAMPLE_EVERY_S
    )
    churn = users[1]
    done = f"{churn.last('finished')} finished, {churn.last('aborted')} aborted, {churn.last('failed')} failed"
    return f"{at_s / 60:5.1f} min  {recent:6.0f} events/s  workflows: {done}  MB: {memory}"


def shown(report: Mapping[str, Any]) -> Table:
    """Return the report's processes as a table."""
    table = Table(
        title=f"{report['minutes']:g} min on {report['machine']}; {report['achieved_per_s']:.0f} events/s of "
        f"{report['wanted_per_s']:g} wanted, {report['n_events']} in all; churn: {report['churn']}",
        title_justify="left",
    )
    for column in ("process", "MB/min", "first MB", "last MB", "peak MB", "fds", "fds/min", "threads"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for growth in (Growth(**found) for found in report["growth"]):
        table.add_row(
            growth.name if growth.is_ours else f"({growth.name})",
            f"{growth.mb_per_min:+.2f}",
            *(f"{megabytes:.0f}" for megabytes in (growth.first_mb, growth.last_mb, growth.peak_mb)),
            "{} -> {}".format(*growth.n_fds),
            f"{growth.fds_per_min:+.2f}",
            "{} -> {}".format(*growth.n_threads),
        )
    return table


def _is_judged(report: Mapping[str, Any]) -> bool:
    return max(growth["span_s"] for growth in report["growth"]) >= JUDGED_FROM_S


def main() -> int:
    """Run the campaign; return the exit status."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    minutes = float(os.environ.get("MINUTES") or 30)
    events_per_s = float(os.environ.get("RATE") or 500)
    pool = cast(PoolName, os.environ.get("POOL") or "condor")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EWMS_")} | _ENVIRONMENT
    raise_on_signals()
    try:
        installed = prepare_servers(console, os.environ)
        with run_directory() as run, running_stack(installed, run, pool=pool, environment=environment) as stack:
            report = soak(stack, run, minutes=minutes, events_per_s=events_per_s, console=console)
            if report["problems"] and (keep := os.environ.get("LOGS")):
                subprocess.run(["cp", "-r", str(stack.logs), keep], check=False)
    except Interrupted:
        console.print("interrupted; the soak test has stopped everything")
        return 130
    if os.environ.get("REPORT"):
        Path(os.environ["REPORT"]).write_text(json.dumps(report, indent=1) + "\n")
    console.print(shown(report))
    for name, (before, after) in report["counts"].items():
        console.print(f"  {name:32} {before:8} -> {after:8}", markup=False, highlight=False)
    for problem in report["problems"]:
        console.print(f"PROBLEM: {problem}", style="red", markup=False, highlight=False)
    verdict = (
        "flat" if report["growth"] and _is_judged(report) else "no problem, but too short to judge memory (MINUTES=10)"
    )
    console.print(f"soak: {verdict}" if not report["problems"] else f"soak: {len(report['problems'])} problem(s)")
    return 1 if report["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
