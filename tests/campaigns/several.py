"""`make several`: run two of each service on three nodes of each server, and kill one part after the other.

    make several [ARGS='--parts RabbitMQ-2,wms --rate 4 --pool condor']

A user sends events at a steady rate through tasks at both access points, and another asks each gateway once a second.
Each part of `node_strikes.LIMITS_S` is killed with SIGKILL, is away for some time, and is brought back. At each kill a
process of step workers begins. The exit status is 1 if an event is lost, if the client's results bring one twice, or
if somebody waits for longer than `find_faults` allows.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx2
from pymongo import MongoClient
from rich.console import Console
from rich.table import Table

from deploy.local.children.interruption import Interrupted, raise_on_signals
from deploy.local.children.supervisor import Supervised
from deploy.local.choices.launch_options import LOCATION, SECOND_LOCATION
from deploy.local.errors import LaunchError
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.broker_definitions import ADMIN as BROKER_ADMIN
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers
from ewms import AsyncClient, EWMSError, Workflow
from ewms.workflows.run import AsyncRun
from schemas.broker.topology import CONTROL_VHOST
from schemas.engine.processes import ProcessStatus
from tests.campaigns.node_strikes import LEADERS, LIMITS_S, Ledger, Strike, choose_away_s, find_faults
from tests.campaigns.soak_clients import warm_task

_PROCESS = "create_node_enrollment"
_NODE = "ams-1"
#: How long the system rests after a part is back, and how long a part, a process or the last event may take.
_REST_S, _PATIENCE_S = 6.0, 120.0


class ProcessOfStack:
    """A process of EWMS, killed and started again like a server."""

    def __init__(self, stack: Stack, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        self._stack = stack
        self.name = name
        self._number = number

    def kill(self) -> None:
        self._stack.kill(self.name, self._number)

    def relaunch(self) -> object:
        return self._stack.begin(self.name)

    def is_ready(self) -> bool:
        return self._stack.is_ready(self.name)


def find_part(stack: Stack, part: str) -> "ProcessOfStack | Supervised":
    """Return the server or process that `part` of `LIMITS_S` means at this moment."""
    services = stack.services
    if part == "the primary mongod":
        with MongoClient(services.mongodb.url(ADMIN)) as client:
            client.admin.command("ping")
            primary = client.primary
        return next(one for one in (services.mongodb, *services.mongodb.peers) if primary == ("127.0.0.1", one.port))
    if part == "mqs on duty":
        return ProcessOfStack(stack, next(name for name in ("mqs", "mqs-2") if _is_on_duty(stack, name)))
    nodes = (services.rabbitmq, *services.rabbitmq.peers)
    if part in LEADERS:
        leader = _find_leader(services.rabbitmq.management_url(BROKER_ADMIN), LEADERS[part])
        return next(node for node in nodes if node.node_name == leader)
    return next((node for node in nodes if node.name == part), None) or ProcessOfStack(stack, part)


def _find_leader(management_url: str, queue: str) -> str:
    """Return the name of the broker's node that leads `queue` of the control vhost."""
    path = f"/api/queues/{quote(CONTROL_VHOST, safe='')}/{quote(queue, safe='')}"
    found = httpx2.get(f"{management_url}{path}", trust_env=False, timeout=10).raise_for_status().json()
    # A classic queue has no leader: it is on one node.
    return str(found.get("leader", found["node"]))


def _is_on_duty(stack: Stack, name: str) -> bool:
    (port,) = stack.find_ports(name).values()
    try:
        text = httpx2.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=10).text
    except httpx2.HTTPError:
        return False
    return "ewms_on_duty 1.0" in text


async def strike_part(stack: Stack, part: str, ews: AsyncClient) -> Strike:
    """Kill `part`, and bring it back as `take_away` does."""
    return await take_away(part, await asyncio.to_thread(find_part, stack, part), choose_away_s(part), ews)


async def take_away(part: str, victim: "ProcessOfStack | Supervised", away_s: float, ews: AsyncClient) -> Strike:
    """End `victim`, bring it back after `away_s`, and return when it is ready and the process of meanwhile is over."""
    strike = Strike(part, time.monotonic())
    await asyncio.to_thread(victim.kill)  # type: ignore[union-attr]
    working = asyncio.create_task(_run_process(ews))
    await asyncio.sleep(away_s)
    await asyncio.to_thread(victim.relaunch)
    async with asyncio.timeout(_PATIENCE_S):
        while not await asyncio.to_thread(victim.is_ready):
            await asyncio.sleep(0.1)
    strike.back_at_s = time.monotonic()
    strike.process_s = await working
    await asyncio.sleep(_REST_S)
    strike.until_s = time.monotonic()
    return strike


async def _run_process(ews: AsyncClient) -> float | None:
    """Run a process of four steps, and return how long it took; None: it did not complete."""
    began_s = time.monotonic()
    (product,) = await ews.subscriptions.products()
    pages = [{"product": str(product.product_id)}, {"organisation": "default", "select_node": _NODE}]
    run = await ews.processes.start(_PROCESS, pages=pages)
    done = await run.wait(timeout=_PATIENCE_S)
    return time.monotonic() - began_s if done.status is ProcessStatus.COMPLETED else None


async def send_events(run: AsyncRun, ledger: Ledger, rate: float, ended: asyncio.Event) -> None:
    """Send `rate` events a second until `ended`. Note when the broker has confirmed each."""
    async with run.queue("in").publisher() as publisher:
        number = 0
        while not ended.is_set():
            await publisher.send({"number": number}, key=number)
            await publisher.flush()
            ledger.sent_at_s[number] = time.monotonic()
            number += 1
            await asyncio.sleep(1 / rate)


async def take_results(run: AsyncRun, ledger: Ledger) -> None:
    """Note each result."""
    async with run.queue("out").results() as results:
        async for event in results:
            ledger.received.append((event.body["number"], time.monotonic()))


async def ask_gateway(gateway: str, token: str, ledger: Ledger) -> None:
    """Ask `gateway` for the locations once a second, and note whether it answers."""
    answers = ledger.answers.setdefault(gateway, [])
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=gateway, headers=headers, trust_env=False, timeout=10) as http:
        while True:
            asked_at_s = time.monotonic()
            try:
                answer = await http.get("/v1/clusters")
                is_good = answer.status_code == 200
            except httpx2.HTTPError:
                is_good = False
            answers.append((asked_at_s, time.monotonic() if is_good else None))
            await asyncio.sleep(1.0)


@asynccontextmanager
async def in_background(*works: Awaitable[None]) -> AsyncIterator[None]:
    """Run `works` during the block, and raise the first error of one of them."""

    async def run_all() -> None:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)  # type: ignore[arg-type]

    running = asyncio.create_task(run_all())
    try:
        yield
    finally:
        running.cancel()
        (error,) = await asyncio.gather(running, return_exceptions=True)
        if isinstance(error, Exception):
            raise error


async def run_strikes(
    stack: Stack, blows: Sequence[Callable[[AsyncClient], Awaitable[Strike]]], rate: float, tell: Callable[[str], None]
) -> tuple[Ledger, list[Strike]]:
    """Strike one `blow` after the other while users work, and return what was seen."""
    ledger, strikes, ended = Ledger(), list[Strike](), asyncio.Event()
    token = stack.token
    gateways = stack.gateways
    async with AsyncClient(gateways[0], token=token, timeout=120) as ews:
        await _await_process(ews)
        task = replace(warm_task(LOCATION, n_workers=2), clusters=[LOCATION, SECOND_LOCATION])
        run = await ews.submit(Workflow(public=["in", "out"], tasks=[task]))
        tell(f"workflow {run.id}; warming up ...")
        asking = [ask_gateway(gateway, token, ledger) for gateway in gateways]
        async with in_background(take_results(run, ledger), *asking):
            sending = asyncio.create_task(send_events(run, ledger, rate, ended))
            async with asyncio.timeout(_PATIENCE_S):
                while len(ledger.received) < 10:
                    await asyncio.sleep(0.2)
            for strike_once in blows:
                strike = await strike_once(ews)
                strikes.append(strike)
                tell(_describe_strike(strike, ledger))
            ended.set()
            await sending
            deadline = time.monotonic() + _PATIENCE_S
            while ledger.lost and time.monotonic() < deadline:
                await asyncio.sleep(0.5)
        await run.abort()
    return ledger, strikes


async def _await_process(ews: AsyncClient) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not any(one["name"] == _PROCESS for one in await ews.processes.workflows()):
            await asyncio.sleep(0.5)


def _describe_strike(strike: Strike, ledger: Ledger) -> str:
    took = "not completed" if strike.process_s is None else f"{strike.process_s:.1f} s"
    return (
        f"{strike.part}: away for {strike.back_at_s - strike.killed_at_s:.1f} s; an event took "
        f"{strike.longest_s(ledger.under_way):.1f} s at most, a process {took}, "
        f"no gateway answered for {ledger.longest_silence_s(strike):.1f} s at most"
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign, and return the exit status."""
    parser = argparse.ArgumentParser(prog="make several")
    parser.add_argument("--pool", choices=("condor", "local"), default="local")
    parser.add_argument("--parts", default=",".join(LIMITS_S), help="the parts to strike, in this order")
    parser.add_argument("--rate", type=float, default=3.0, help="how many events a second are sent")
    arguments = parser.parse_args(words)
    console, parts = Console(highlight=False), arguments.parts.split(",")
    if unknown := set(parts) - LIMITS_S.keys():
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}; known are {', '.join(LIMITS_S)}")
    raise_on_signals()

    def tell(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    faults = ["the campaign did not end"]
    try:
        with (
            run_directory(keep_logs=lambda: bool(faults)) as run,
            running_stack(
                prepare_servers(console, os.environ),
                run,
                pool=arguments.pool,
                environment=os.environ,
                report_step=tell,
                with_examples=True,
                n_nodes=3,
            ) as stack,
        ):
            tell(f"load {os.getloadavg()[0]:.1f}; logs: {run}")
            Path(stack.list_endpoints()["examples"], "network").mkdir(exist_ok=True)
            blows = [partial(strike_part, stack, part) for part in parts]
            ledger, strikes = asyncio.run(run_strikes(stack, blows, arguments.rate, tell))
            faults = find_faults(ledger, strikes)
    except (Interrupted, EWMSError, LaunchError) as error:
        tell(f"the campaign stopped: {error!r}")
        return 1
    return print_verdict(console, strikes, ledger, faults)


def print_verdict(console: Console, strikes: Sequence[Strike], ledger: Ledger, faults: Sequence[str]) -> int:
    """Print what was seen, and return the exit status: 1 if there are faults."""
    console.print(_make_table(strikes, ledger))
    lines = [f"{len(ledger.sent_at_s)} events confirmed, {len(ledger.lost)} lost, {len(ledger.repeated)} repeated"]
    for line in (*lines, *(f"FAULT {fault}" for fault in faults)):
        console.print(line, markup=False, soft_wrap=True)
    return 1 if faults else 0


def _make_table(strikes: Sequence[Strike], ledger: Ledger) -> Table:
    table = Table("part", "away [s]", "longest event [s]", "process [s]", "no gateway [s]")
    for strike in strikes:
        table.add_row(
            strike.part,
            f"{strike.back_at_s - strike.killed_at_s:.1f}",
            f"{strike.longest_s(ledger.under_way):.1f}",
            "-" if strike.process_s is None else f"{strike.process_s:.1f}",
            f"{ledger.longest_silence_s(strike):.1f}",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
