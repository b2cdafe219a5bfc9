"""Race the engines: chains of steps with one kilobyte of state, one at once and many, in rounds that alternate.

What slows the machine for a while slows all alike, so only the ratios inside a table hold.
"""

import asyncio
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from rich.table import Table

from tests.bench.peers.chain_trace import TraceReader
from tests.bench.peers.process_time import measure_cpu_s
from tests.bench.peers.racers import OURS, Racer

#: Chains at once, and the steps of each.
HEATS = ((1, 100), (10, 50), (100, 20))
_PATIENCE_S = 240.0
_SETTLE_S = 0.5


@dataclass(frozen=True, slots=True)
class HeatResult:
    """What one engine did in one heat."""

    first_ms: float
    p50_ms: float
    steps_per_s: float
    own_cpu_ms: float
    server_cpu_ms: float


async def run_heat(racer: Racer, reader: TraceReader, group: str, n_chains: int, n_steps: int) -> HeatResult:
    """Run chains, and return the result. CPU is that of a step.

    Raises:
        TimeoutError: the chains do not end.
    """
    own_s, servers_s = measure_cpu_s(racer.own), measure_cpu_s(racer.servers)
    began_ns = time.monotonic_ns()
    await racer.begin(group, n_chains, n_steps)
    async with asyncio.timeout(_PATIENCE_S):
        while len(chains := _find_ended(reader, group, n_steps)) < n_chains:
            await asyncio.sleep(0.02)
            reader.read_on()
    await asyncio.sleep(_SETTLE_S)
    n = n_chains * n_steps
    gaps = [after - before for chain in chains for before, after in pairwise(chain)]
    return HeatResult(
        first_ms=statistics.median(chain[0] - began_ns for chain in chains) / 1e6,
        p50_ms=statistics.median(gaps) / 1e6,
        steps_per_s=n / (max(chain[-1] for chain in chains) - began_ns) * 1e9,
        own_cpu_ms=(measure_cpu_s(racer.own) - own_s) / n * 1e3,
        server_cpu_ms=(measure_cpu_s(racer.servers) - servers_s) / n * 1e3,
    )


def _find_ended(reader: TraceReader, group: str, n_steps: int) -> list[list[int]]:
    """Return the times of all steps of the group's chains that have come to their last step."""
    return [
        [at for _, at in sorted(began.items())]
        for chain, began in reader.began_ns.items()
        if chain.startswith(f"{group}-") and len(began) == n_steps
    ]


async def race(racers: Sequence[Racer], reader: TraceReader, n_rounds: int) -> Table:
    """Run all heats in so many rounds, and return the table of the medians."""
    for number, racer in enumerate(racers):
        await run_heat(racer, reader, f"warm{number}", 2, HEATS[0][1])
    found: dict[tuple[int, str], list[HeatResult]] = defaultdict(list)
    for turn in range(n_rounds):
        for n_chains, n_steps in HEATS:
            for number in range(len(racers)):
                racer = racers[(number + turn) % len(racers)]
                group = f"r{turn}h{n_chains}e{racers.index(racer)}"
                found[n_chains, racer.name].append(await run_heat(racer, reader, group, n_chains, n_steps))
    return _make_table(found, [racer.name for racer in racers], n_rounds)


def _make_table(found: dict[tuple[int, str], list[HeatResult]], names: Sequence[str], n_rounds: int) -> Table:
    table = Table(
        *("chains", "engine", "p50 ms", "/ours", "steps/s", "/ours", "first ms", "CPU ms", "servers"),
        title="chains of steps with 1 kB of state: a step's time, all steps, the first step; CPU of a step",
        caption=(
            f"medians of {n_rounds} rounds, ratios within a round; "
            f"at {datetime.now(UTC):%H:%M}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        ),
    )
    for n_chains, n_steps in HEATS:
        ours = found[n_chains, OURS]
        for name in names:
            these = found[n_chains, name]
            pairs = list(zip(these, ours, strict=True))
            table.add_row(
                f"{n_chains} x {n_steps}",
                name,
                _median_text(one.p50_ms for one in these),
                _median_text((one.p50_ms / our.p50_ms for one, our in pairs), digits=2),
                _median_text((one.steps_per_s for one in these), digits=0),
                _median_text((one.steps_per_s / our.steps_per_s for one, our in pairs), digits=2),
                _median_text((one.first_ms for one in these), digits=0),
                _median_text(one.own_cpu_ms for one in these),
                _median_text(one.server_cpu_ms for one in these),
            )
        table.add_section()
    return table


def _median_text(values: Iterable[float], *, digits: int = 1) -> str:
    return f"{statistics.median(values):.{digits}f}"
