"""`make crash-queues`: kill the broker thirty times just after queues were made, and count what it lost.

A cycle makes queues on a real broker (MQS's or an inbox), waits for up to a second, publishes onto each of them until
the broker has confirmed every event, ends the broker with SIGKILL, starts it again, and takes what is there. The exit
status is 1 if one confirmed event is missing.

    make crash-queues                         30 cycles, a random seed
    make crash-queues ARGS='--cycles 8 --seed 7'
    make crash-queues ARGS='--unsealed'       without the cure: events are lost, so the campaign can fail
"""

import argparse
import asyncio
import contextlib
import logging
import os
import random
import secrets
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from unittest import mock

import aio_pika
import structlog
from rich.console import Console

from deploy.local.choices.launch_options import SCHEDD
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.broker_admin import BrokerAdmin
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.servers.rabbitmq import RabbitMQ
from deploy.local.system.services import running_services
from deploy.local.system.up import prepare_servers
from mqs.app import Mqs, run_mqs
from mqs.settings import MqsSettings
from runtime.amqp import Connection
from runtime.bus.service_bus import Bus
from schemas.broker.topology import dead_exchange, dead_queue, event_exchange, inbox_queue, tms_service
from schemas.events import QueuesActivated
from schemas.ids import Alias, EventId, Mqid, WorkflowId
from schemas.questions.queues import ActivateQuery, GroupAnswer, ReserveQuery
from tests.integration.mqs.conftest import Peer, Plan, peer

N_EVENTS = 10
_PATIENCE_S = 60.0
#: An event that does not come out of its queue within this time is not in it.
_SILENCE_S = 15.0


class Kind(StrEnum):
    """Which queues are young when the broker dies."""

    WORKFLOW = "a workflow's queues"
    BURST = "the queues of ten workflows at once"
    RESERVED = "queues of another WMS"
    INBOX = "the inbox of a TMS"
    MIDWAY = "queues that a first kill met half-made"


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle: whose queues, how old when published onto, and when a first kill strikes (`MIDWAY`)."""

    number: int
    kind: Kind
    age_s: float
    midway_s: float


def plan_cycles(seed: int, n_cycles: int) -> list[Cycle]:
    """Return the cycles of a campaign: kinds in turn, ages spread evenly from 0 to 1 s within each kind."""
    chance = random.Random(seed)
    kinds = list(Kind)
    n_rounds = -(-n_cycles // len(kinds))
    return [
        Cycle(number, kinds[number % len(kinds)], (number // len(kinds)) / max(n_rounds - 1, 1), chance.uniform(0, 0.1))
        for number in range(n_cycles)
    ]


@dataclass
class Ledger:
    """What the broker has confirmed, by queue, and where each queue is reached."""

    confirmed: dict[str, set[str]] = field(default_factory=dict)

    async def publish(self, connection: Connection, exchange: str, key: str, *, queue: str) -> None:
        """Publish `N_EVENTS` events; return when all are confirmed."""
        ids = [f"{queue}-{n}" for n in range(N_EVENTS)]
        await asyncio.gather(
            *(connection.publish(exchange, key, b"event", message_id=id_, timeout_s=_PATIENCE_S) for id_ in ids)
        )
        self.confirmed.setdefault(queue, set()).update(ids)

    async def lost(self, url: str) -> set[str]:
        """Return the confirmed events that are not in their queue behind `url`; takes those that are."""
        missing: set[str] = set()
        connection = await aio_pika.connect(url)
        async with connection:
            for queue, ids in self.confirmed.items():
                missing |= await _missing(connection, queue, ids)
        return missing


async def _missing(connection: aio_pika.abc.AbstractConnection, name: str, ids: set[str]) -> set[str]:
    """Return which of `ids` do not come out of queue `name`."""
    missing = set(ids)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SILENCE_S), connection.channel() as channel:
            queue = await channel.get_queue(name)
            async with queue.iterator(no_ack=True) as messages:
                async for message in messages:
                    missing.discard(message.message_id or "")
                    if not missing:
                        break
    return missing


class Site:
    """A broker, a database, and what a cycle needs of EWMS on them."""

    def __init__(self, broker: RabbitMQ, mongo_url: str) -> None:
        self.broker = broker
        self._mongo_url = mongo_url
        number = secrets.token_hex(4)
        self.control_vhost, self._database = f"control-{number}", f"queues-{number}"

    @contextlib.asynccontextmanager
    async def vhost(self) -> AsyncIterator[None]:
        """Have a control vhost for the block, so that every inbox in it is new. The data vhost is the one of tokens."""
        pair = {"control_vhost": self.control_vhost, "data_vhost": f"data-{self.control_vhost}"}
        with BrokerAdmin(self.broker.management_url("admin")) as admin:
            admin.add_vhosts(list(self.broker.users), **pair)
            yield
            for vhost in pair.values():
                admin.remove_vhost(vhost)

    def mqs(self) -> contextlib.AbstractAsyncContextManager[Mqs]:
        """Return an MQS in this process."""
        given: dict[str, Any] = {
            "mongo_url": self._mongo_url,
            "mongo_database": self._database,
            "control_amqp_url": self.broker.amqp_url("mqs", self.control_vhost),
            "data_amqp_url": self.broker.data_url,
            "rabbitmq_api_url": self.broker.api_url,
            "broker_retry_s": 0.5,
            "EWMS_BROKER_ADDRESS": self.broker.address,
            "EWMS_BROKER_KEY_FILE": self.broker.key_files.private,
            "EWMS_BROKER_PUBLIC_KEY_FILE": self.broker.key_files.public,
        }
        return run_mqs(MqsSettings(**given))

    async def data(self) -> Connection:
        """Return a connection to the data vhost with MQS's rights."""
        return await Connection.connect(self.broker.data_url, name="campaign", wait_s=_PATIENCE_S, backoff_cap_s=1.0)

    async def kill_and_restart(self) -> None:
        """End the broker with SIGKILL, and return when it lets its users in again."""
        self.broker.kill()
        await asyncio.to_thread(self.broker.restart)


async def run_cycle(site: Site, cycle: Cycle) -> tuple[int, set[str]]:
    """Return how many events the broker confirmed in a cycle, and which of them it lost."""
    ledger = Ledger()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(site.vhost())
        if cycle.kind is Kind.INBOX:
            url = await _strike_inbox(site, cycle, ledger, stack)
        else:
            url = await _strike_queues(site, cycle, ledger, stack)
        return sum(map(len, ledger.confirmed.values())), await ledger.lost(url)


async def _strike_inbox(site: Site, cycle: Cycle, ledger: Ledger, stack: AsyncExitStack) -> str:
    service = tms_service(SCHEDD)
    wms = await stack.enter_async_context(peer(site.broker, site.control_vhost, "wms"))
    url = site.broker.amqp_url(service, site.control_vhost)
    bus = await Bus.connect(url, service=service, source="ewms/campaign")
    stack.push_async_callback(bus.close)
    await asyncio.sleep(cycle.age_s)
    ids = [f"{service}-{n}" for n in range(N_EVENTS)]
    await asyncio.gather(*(wms.bus.send_serialised(EventId(id_), f"{service}.campaign", b"event") for id_ in ids))
    ledger.confirmed[inbox_queue(service)] = set(ids)
    await site.kill_and_restart()
    return url


async def _strike_queues(site: Site, cycle: Cycle, ledger: Ledger, stack: AsyncExitStack) -> str:
    await stack.enter_async_context(site.mqs())
    wms = await stack.enter_async_context(peer(site.broker, site.control_vhost, "wms"))
    data = await site.data()
    stack.push_async_callback(data.close)
    for workflow_id, mqids in (await _activated(site, cycle, wms)).items():
        for mqid in mqids:
            await ledger.publish(data, event_exchange(mqid), mqid, queue=mqid)
        await ledger.publish(data, dead_exchange(workflow_id), workflow_id, queue=dead_queue(workflow_id))
    await site.kill_and_restart()
    return site.broker.data_url


async def _activated(site: Site, cycle: Cycle, wms: Peer) -> dict[WorkflowId, tuple[Mqid, ...]]:
    """Return workflows whose queues are active and `cycle.age_s` old."""
    plans = [Plan() for _ in range(10 if cycle.kind in (Kind.BURST, Kind.MIDWAY) else 1)]
    if cycle.kind is Kind.RESERVED:
        named = {plan.workflow_id: await _reserved(wms, plan.workflow_id) for plan in plans}
    else:
        for plan in plans:
            await wms.say(plan.requested)
        if cycle.kind is Kind.MIDWAY:
            await asyncio.sleep(cycle.midway_s)
            await site.kill_and_restart()
        waited_for = {plan.workflow_id for plan in plans}
        while waited_for:
            match await wms.next(_PATIENCE_S):
                case QueuesActivated(workflow_id=workflow_id):
                    waited_for.discard(workflow_id)
        named = {plan.workflow_id: plan.mqids for plan in plans}
    await asyncio.sleep(cycle.age_s)
    return named


async def _reserved(wms: Peer, workflow_id: WorkflowId) -> tuple[Mqid, ...]:
    aliases = [Alias(name) for name in ("in", "mid", "out")]
    await wms.bus.ask(
        ReserveQuery(site="campaign", workflow_id=workflow_id, queue_aliases=aliases, public=aliases),
        timeout_s=_PATIENCE_S,
    )
    answer = await wms.bus.ask(
        ActivateQuery(site="campaign", workflow_id=workflow_id, priority=None), timeout_s=_PATIENCE_S
    )
    assert isinstance(answer, GroupAnswer)
    return tuple(profile.mqid for profile in answer.profiles)


@contextlib.contextmanager
def without_seals() -> Any:
    """Take the cure away for the block."""

    async def nothing(*_: object) -> None:
        return

    with (
        mock.patch("mqs.broker.queue_seals.declare_seal", nothing),
        mock.patch("runtime.bus.inbox.seal_queues", nothing),
    ):
        yield


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign; return the exit status."""
    parser = argparse.ArgumentParser(prog="make crash-queues", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cycles", type=int, default=30)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    parser.add_argument("--unsealed", action="store_true", help="without the cure, to see events lost")
    arguments = parser.parse_args(words)
    console = Console()
    # A connection that a kill ends is no news here.
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    console.print(f"seed {arguments.seed}, {arguments.cycles} cycles, load {os.getloadavg()[0]:.1f}", highlight=False)
    n_confirmed, lost, n_bad = 0, set[str](), 0
    with (
        run_directory(keep_logs=lambda: bool(lost)) as run,
        running_services(prepare_servers(console, os.environ), run, with_condor=False) as services,
        without_seals() if arguments.unsealed else contextlib.nullcontext(),
    ):
        for cycle in plan_cycles(arguments.seed, arguments.cycles):
            began = time.monotonic()
            n_new, missing = asyncio.run(run_cycle(Site(services.rabbitmq, services.mongodb.url(ADMIN)), cycle))
            n_confirmed, lost, n_bad = n_confirmed + n_new, lost | missing, n_bad + bool(missing)
            console.print(
                f"{cycle.number:3} {time.monotonic() - began:5.1f} s  age {cycle.age_s:.2f} s  {n_new:3} confirmed, "
                f"{len(missing):3} lost  [{cycle.kind}]",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    console.print(f"{n_confirmed} events confirmed, {len(lost)} lost in {n_bad} of {arguments.cycles} cycles")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
