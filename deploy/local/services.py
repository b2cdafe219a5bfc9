"""Bring the real servers up together, and down again in reverse, in a run directory of their own."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from deploy.local.children.process_limits import allow_many_files, forbid_core_dumps
from deploy.local.children.processes import LaunchedProcesses
from deploy.local.children.seclusion import CoveredDirectories, SecludedAccounts, choose_accounts
from deploy.local.children.side_by_side import ParallelStarts
from deploy.local.children.supervisor import Supervised
from deploy.local.data_directory import DataDirectory, throwaway_data
from deploy.local.errors import LaunchError, PoolCannotStart, PortTaken
from deploy.local.fetch.cache import Installed
from deploy.local.launch_options import SCHEDD
from deploy.local.ports import Ports
from deploy.local.prerequisites import check_pool
from deploy.local.run_directory import make_empty
from deploy.local.servers.broker import PORTS
from deploy.local.servers.mongodb import MongoDB
from deploy.local.servers.rabbitmq import BrokerPlan, RabbitMQ

if TYPE_CHECKING:
    from deploy.local.servers.condor import PersonalPool

_ATTEMPTS = 3
_FOR_OUR_SCHEDD = BrokerPlan(schedds=(SCHEDD,))

_S = TypeVar("_S")


@dataclass(slots=True)
class Services:
    """The running servers; `condor` is `None` where no pool was asked for."""

    run: Path
    mongodb: MongoDB
    rabbitmq: RabbitMQ
    condor: "PersonalPool | None"
    children: LaunchedProcesses
    data: DataDirectory
    ports: Ports
    #: The accounts of what handles users' tasks; `None`: the launcher's own.
    secluded: SecludedAccounts | None
    #: What tasks do not see where they are an ordinary user, as the launcher is; `None`: it is root.
    covered: CoveredDirectories | None = None

    @property
    def servers(self) -> list[Supervised]:
        """The running servers."""
        servers: list[Supervised] = [self.mongodb, self.rabbitmq]
        return servers if self.condor is None else [*servers, self.condor]

    @property
    def logs(self) -> Path:
        """Where the servers write their logs."""
        return self.run / "logs"


@dataclass(frozen=True, slots=True)
class ServerPlaces:
    """Where servers lie and listen: what goes with the launch is in `run`, what stays in `data`."""

    run: Path
    data: DataDirectory
    ports: Ports

    def log(self, name: str) -> Path:
        """Return the log of the server `name`."""
        return self.run / "logs" / f"{name}.log"


class Servers(Protocol):
    """How the broker and the store come to run; each method returns when its server can be used.

    Raises:
        PortTaken: another try may succeed.
        LaunchError: it did not come up.
    """

    def mongodb(self, children: LaunchedProcesses, places: "ServerPlaces", *, auth: bool) -> MongoDB:
        """Start MongoDB at its places; without `auth` everybody may do everything."""
        ...

    def rabbitmq(self, children: LaunchedProcesses, places: "ServerPlaces", plan: BrokerPlan) -> RabbitMQ:
        """Start RabbitMQ at its places."""
        ...


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The servers of the cache, as child processes."""

    installed: Installed

    def mongodb(self, children: LaunchedProcesses, places: ServerPlaces, *, auth: bool) -> MongoDB:
        """Start MongoDB at its places; without `auth` everybody may do everything."""
        return MongoDB(
            children,
            self.installed.mongod,
            home=make_empty(places.run / "mongodb"),
            data=places.data.make_place("mongodb"),
            log=places.log("mongod"),
            port=places.ports.take_one("mongodb"),
            auth=auth,
        ).start()

    def rabbitmq(self, children: LaunchedProcesses, places: ServerPlaces, plan: BrokerPlan) -> RabbitMQ:
        """Start RabbitMQ at its places."""
        return RabbitMQ(
            children,
            self.installed.broker,
            make_empty(places.run / "rabbitmq"),
            places.log("rabbitmq"),
            plan,
            ports=places.ports.take_ports(PORTS),
            data=places.data.make_place("rabbitmq"),
            secrets=places.data.secrets,
        ).start()


@contextlib.contextmanager
def running_services(
    installed: Installed,
    run: Path,
    *,
    broker: BrokerPlan = _FOR_OUR_SCHEDD,
    mongo_auth: bool = True,
    with_condor: bool = True,
    servers: Servers | None = None,
    data: DataDirectory | None = None,
    ports: Ports | None = None,
    readable: Iterable[Path] = (),
    shared: Iterable[Path] = (),
    hidden: Iterable[Path] = (),
) -> Iterator[Services]:
    """Start the servers side by side below `run`; when the body ends, stop them in reverse.

    `servers` runs broker and store in another way than unpacked from the cache. Without `data` all goes with `run`.
    Where tasks have accounts of their own, these find the directories `readable`, and what they may write in `shared`.
    Where they are an ordinary user, they do not see into the directories `hidden`, which are there, nor into ours.

    Raises:
        PoolUnavailable: HTCondor did not come up; its log is named.
        LaunchError: another did not. Nothing is left running.
    """
    if with_condor:
        check_pool()
    allow_many_files()
    forbid_core_dumps()
    servers = servers or Unpacked(installed)
    places = ServerPlaces(run, data or throwaway_data(make_empty(run / "data")), ports or Ports())
    secluded = choose_accounts(
        places.data.make_place("accounts"),
        os.environ,
        readable=[installed.mongod.parents[2], images_directory(run), *readable],
    )
    covered = CoveredDirectories((run, places.data.root, *hidden), (images_directory(run),)) if os.getuid() else None
    with LaunchedProcesses() as children, contextlib.ExitStack() as stopping:
        mongodb = partial(servers.mongodb, children, places, auth=mongo_auth)
        rabbitmq = partial(servers.rabbitmq, children, places, broker)

        def condor() -> "PersonalPool":
            # HTCondor's bindings are loaded only where there is to be a pool.
            from deploy.local.servers.condor import PersonalPool  # noqa: PLC0415 - see above

            return PersonalPool(
                children,
                installed.pool,
                make_empty(run / "condor"),
                places.log("condor"),
                schedd=SCHEDD,
                port=places.ports.take_one("condor"),
                data=places.data.make_place("condor"),
                secrets=places.data.make_place("secrets", "condor"),
                secluded=secluded,
                covered=covered,
                shared=[places.data.make_place("tms", "condor")],
                shared_with_jobs=shared,
            ).start()

        with ParallelStarts(children) as starts:
            store = starts.begin(partial(_start_with_retries, mongodb))
            queues = starts.begin(partial(_start_with_retries, rabbitmq))
            pool = starts.begin(_wrap_pool_failures(partial(_start_with_retries, condor))) if with_condor else None
        services = Services(
            run,
            store.result(),
            queues.result(),
            pool.result() if pool else None,
            children,
            places.data,
            places.ports,
            secluded,
            covered,
        )
        stopping.callback(services.mongodb.stop)
        stopping.callback(services.rabbitmq.stop)
        if services.condor is not None:
            stopping.callback(services.condor.stop)
        yield services


def images_directory(run: Path) -> Path:
    """Return the directory of the images that are built for this launch; tasks can read it."""
    (images := run / "images").mkdir(mode=0o755, exist_ok=True)
    return images


def _start_with_retries(start: Callable[[], _S]) -> _S:
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(PortTaken):
            return start()
    return start()


def _wrap_pool_failures(start: "Callable[[], PersonalPool]") -> "Callable[[], PersonalPool]":
    """Return `start` with its failures told apart from those of the servers that nothing can stand in for."""

    def started() -> "PersonalPool":
        try:
            return start()
        except LaunchError as error:
            raise PoolCannotStart(error.what, error.remedy, log=error.log) from error

    return started
