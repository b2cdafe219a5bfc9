"""Count what a running system does: commands that the database took, channels and queues of the broker, CPU.

The servers count by themselves, so nothing in the services has to be traced. What the system does anyway, without
requests, is measured first and taken off.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pymongo
from rich.table import Table

from deploy.local.servers.broker_definitions import ADMIN as BROKER_ADMIN
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.stack import Stack
from tests.bench.peers.process_time import measure_cpu_s

#: The commands that a service's call of the driver becomes, one each.
_CALLS = ("find", "getMore", "insert", "update", "delete", "findAndModify", "aggregate", "count", "commitTransaction")
_SERVICES = ("wms", "mqs", "tms")
#: The broker's management reports counters of channels and queues this late, in seconds.
_REPORT_S = 3.0


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums since the servers started: calls by name, and CPU seconds by process."""

    at_s: float
    calls: Counter[str]
    cpu_s: Counter[str]


class SystemCounts:
    """Reads the counters of a system's servers and processes."""

    def __init__(self, stack: Stack) -> None:
        self._database: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(stack.services.mongodb.url(ADMIN))
        self._broker = httpx2.Client(
            base_url=stack.services.rabbitmq.management_url(BROKER_ADMIN), timeout=30, trust_env=False
        )
        children = {
            "broker": stack.services.rabbitmq.child,
            "mongod": stack.services.mongodb.child,
            **{name: stack.get_child(name) for name in _SERVICES},
        }
        self._pids = {name: child.pid for name, child in children.items() if child.pid is not None}

    def read_counts(self) -> Counts:
        """Return the sums so far."""
        commands = self._database.admin.command("serverStatus")["metrics"]["commands"]
        calls = Counter({f"database {name}": int(commands[name]["total"]) for name in _CALLS if name in commands})
        churn = self._broker.get("/api/overview").raise_for_status().json()["churn_rates"]
        calls["channels opened"] = churn["channel_created"]
        calls["queues declared"] = churn["queue_declared"]
        return Counts(time.monotonic(), calls, Counter({n: _to_us(pid) for n, pid in self._pids.items()}))

    def measure_each(self, act: Callable[[], int], *, idle_s: float = 10.0) -> "CostOfOne":
        """Do `act`, which returns how many things it did, and return what one of them cost beyond the idle system."""
        before = self.read_counts()
        time.sleep(idle_s)
        idle = self.read_counts()
        n = act()
        time.sleep(_REPORT_S)
        after = self.read_counts()
        share = (after.at_s - idle.at_s) / (idle.at_s - before.at_s)

        def divide(first: Counter[str], second: Counter[str], third: Counter[str]) -> dict[str, float]:
            return {name: (third[name] - second[name] - (second[name] - first[name]) * share) / n for name in third}

        return CostOfOne(divide(before.calls, idle.calls, after.calls), divide(before.cpu_s, idle.cpu_s, after.cpu_s))

    def close(self) -> None:
        """Close the connections to the servers."""
        self._database.close()
        self._broker.close()


@dataclass(frozen=True, slots=True)
class CostOfOne:
    """What one workflow cost: calls by name, and CPU microseconds by process."""

    calls: dict[str, float]
    cpu_us: dict[str, float]

    @property
    def n_round_trips(self) -> float:
        """How many calls of the database it took."""
        return sum(number for name, number in self.calls.items() if name.startswith("database"))


def _to_us(pid: int) -> int:
    return int(measure_cpu_s([pid]) * 1e6)


def make_cost_table(cost: CostOfOne, title: str) -> Table:
    """Return the table of one workflow's costs."""
    table = Table("what a workflow costs", "number", title=title)
    table.add_row("round trips to the database", f"{cost.n_round_trips:.1f}")
    for name, number in cost.calls.items():
        if abs(number) >= 0.05:
            table.add_row(f"  {name}" if name.startswith("database") else name, f"{number:.1f}")
    table.add_row("ms of CPU", f"{sum(cost.cpu_us.values()) / 1e3:.0f}")
    for name, us in cost.cpu_us.items():
        table.add_row(f"  {name}", f"{us / 1e3:.1f}")
    return table
