"""Where the engine's crash campaign runs: a broker and a database to strike, and a place on them for each seed."""

import asyncio
import secrets
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from deploy.local.servers.broker_admin import BrokerAdmin
from deploy.local.servers.mongo_accounts import ADMIN, MongoAccount, new_account
from deploy.local.servers.mongodb import MongoDB
from deploy.local.servers.rabbitmq import RabbitMQ
from deploy.local.system.services import Services
from runtime.concurrency.retry import call_until_there
from runtime.kernel.store import Store
from schemas.errors import Unavailable
from tests.campaigns.engine_plan import HEARTBEAT_S, Strike, Victim
from tests.campaigns.fork_server import ForkServer
from tests.campaigns.strikes import send_to_tree

#: A frozen victim stands still for so many seconds. The broker gives up a client after two to three heartbeats without
#: a sign of it, a client the broker after three times a heartbeat and a second, and the database after four seconds.
FREEZE_S = {
    Victim.WMS: 3.0 * HEARTBEAT_S + 1.0,
    Victim.WORKER: 3.0 * HEARTBEAT_S + 1.0,
    Victim.BROKER: 3.0 * (HEARTBEAT_S + 1) + 1.0,
    Victim.DATABASE: 5.0,
}
#: The clients' driver looks so often whether the database is there; it gives up a look after three seconds more.
_DATABASE_HEARTBEAT_MS = 500
#: A server that does not serve again after this time is lost. Busy cores make a start long.
_RECOVERY_S = 180.0
#: The seeds share it, because no process of theirs uses it.
_DATA_VHOST = "crash-data"


class StruckServers:
    """The broker and the database. Each is struck once at a time, and comes back by itself."""

    def __init__(self, services: Services, group: asyncio.TaskGroup) -> None:
        """Servers come back in tasks of `group`. One that does not come back ends the group."""
        self._group = group
        self._servers: dict[Victim, RabbitMQ | MongoDB] = {
            Victim.BROKER: services.rabbitmq,
            Victim.DATABASE: services.mongodb,
        }
        self._turns = {victim: asyncio.Lock() for victim in self._servers}
        self._recoveries: set[asyncio.Task[None]] = set()
        self._served_since = time.monotonic()

    @property
    def served_since(self) -> float:
        """Since when both serve, on the monotonic clock; now, if one of them does not."""
        return time.monotonic() if self._recoveries else self._served_since

    async def strike(self, victim: Victim, strike: Strike) -> None:
        """Kill or freeze a server; return when that is done."""
        await self._turns[victim].acquire()
        server = self._servers[victim]
        if strike is Strike.KILL:
            await asyncio.to_thread(server.child.kill)
        else:
            _send_signal(server, signal.SIGSTOP)
        recovery = self._group.create_task(self._recover(victim, strike))
        self._recoveries.add(recovery)
        recovery.add_done_callback(self._recoveries.discard)

    @asynccontextmanager
    async def hold_still(self) -> AsyncIterator[None]:
        """Begin the block when both serve, and strike none of them before its end."""
        async with self._turns[Victim.BROKER], self._turns[Victim.DATABASE]:
            yield

    async def _recover(self, victim: Victim, strike: Strike) -> None:
        server = self._servers[victim]
        try:
            if strike is Strike.KILL:
                await asyncio.to_thread(server.relaunch)
            else:
                try:
                    await asyncio.sleep(FREEZE_S[victim])
                finally:
                    _send_signal(server, signal.SIGCONT)
            async with asyncio.timeout(_RECOVERY_S):
                while not await asyncio.to_thread(server.is_ready):
                    await asyncio.sleep(0.1)
        finally:
            self._served_since = time.monotonic()
            self._turns[victim].release()


def _send_signal(server: RabbitMQ | MongoDB, number: signal.Signals) -> None:
    if (pid := server.child.pid) is not None:
        send_to_tree(pid, number)


@dataclass(frozen=True, slots=True)
class World:
    """What the seeds share."""

    services: Services
    servers: StruckServers
    forks: ForkServer
    directory: Path


@dataclass(frozen=True, slots=True)
class Site:
    """Where one seed runs: a database, a vhost and a directory of its own."""

    world: World
    database: str
    mongo_url: str
    account: MongoAccount
    vhost: str
    directory: Path

    def broker_url(self, user: str) -> str:
        """Return the broker's address for `user`."""
        return self.world.services.rabbitmq.amqp_url(user, self.vhost)


async def connect_store(site: Site) -> Store:
    """Return a connection to the seed's database. It may have been struck a moment ago, or be slow on busy cores."""

    async def connect() -> Store:
        return await Store.connect(site.mongo_url, database=site.database, source="ewms/campaign")

    return await call_until_there(connect, missing=Unavailable, waiting_for="MongoDB", wait_s=_RECOVERY_S)


@asynccontextmanager
async def open_site(world: World, name: str) -> AsyncIterator[Site]:
    """Make the place of a seed, and remove it from the servers at the end of the block."""
    async with world.servers.hold_still():
        site = await asyncio.to_thread(_make_site, world, name)
    yield site
    async with world.servers.hold_still():
        await asyncio.to_thread(_remove_site, site)


def _make_site(world: World, name: str) -> Site:
    rabbitmq, mongodb = world.services.rabbitmq, world.services.mongodb
    database = vhost = f"crash-{secrets.token_hex(6)}"
    account = new_account(database, database)
    directory = world.directory / name
    directory.mkdir(parents=True)
    with BrokerAdmin(rabbitmq.management_url("admin")) as admin:
        admin.add_vhosts(list(rabbitmq.users), control_vhost=vhost, data_vhost=_DATA_VHOST)
    url = f"{mongodb.add_account(account)}&heartbeatFrequencyMS={_DATABASE_HEARTBEAT_MS}"
    return Site(world, database, url, account, vhost, directory)


def _remove_site(site: Site) -> None:
    rabbitmq, mongodb = site.world.services.rabbitmq, site.world.services.mongodb
    with BrokerAdmin(rabbitmq.management_url("admin")) as admin:
        admin.remove_vhost(site.vhost)
    with MongoClient[dict[str, Any]](mongodb.url(ADMIN)) as client:
        client.drop_database(site.database)
    mongodb.remove_account(site.account)
