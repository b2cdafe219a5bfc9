"""Start the real servers side by side in a run directory, and stop them in reverse order."""

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
from deploy.local.choices.launch_options import SCHEDD
from deploy.local.choices.numbering import number_names, number_suffix
from deploy.local.choices.ports import Ports
from deploy.local.choices.prerequisites import check_pool
from deploy.local.errors import LaunchError, PoolCannotStart, PortTaken
from deploy.local.fetch.cache import Installed
from deploy.local.files.run_directory import make_empty
from deploy.local.servers.broker import PORTS
from deploy.local.servers.broker_nodes import list_nodes
from deploy.local.servers.mongodb import MongoDB
from deploy.local.servers.rabbitmq import BrokerPlan, RabbitMQ, new_cookie
from deploy.local.system.data_directory import DataDirectory, throwaway_data

if TYPE_CHECKING:
    from deploy.local.servers.condor import PersonalPool

_ATTEMPTS = 3
#: The sub-directory of the data that tasks may read.
IMAGES = "images"
_FOR_OUR_SCHEDD = BrokerPlan(schedds=(SCHEDD,))

_S = TypeVar("_S")


@dataclass(slots=True)
class Services:
    """The running servers. `condor` is None if the launch has no HTCondor pool."""

    run: Path
    mongodb: MongoDB
    rabbitmq: RabbitMQ
    condor: "PersonalPool | None"
    children: LaunchedProcesses
    data: DataDirectory
    ports: Ports
    #: The accounts of processes that handle users' tasks; `None`: the launcher's account.
    secluded: SecludedAccounts | None
    #: The directories hidden from tasks that run as the launcher's ordinary user; `None`: root launches.
    covered: CoveredDirectories | None = None

    @property
    def servers(self) -> list[Supervised]:
        """The running servers."""
        servers: list[Supervised] = [self.mongodb, *self.mongodb.peers, self.rabbitmq, *self.rabbitmq.peers]
        return servers if self.condor is None else [*servers, self.condor]

    @property
    def logs(self) -> Path:
        """The directory of the servers' logs."""
        return self.run / "logs"


@dataclass(frozen=True, slots=True)
class ServerPlaces:
    """The servers' directories and ports. `run` ends with the launch, `data` stays.

    Broker and database have `n_nodes` each.
    """

    run: Path
    data: DataDirectory
    ports: Ports
    n_nodes: int = 1

    def log_path(self, name: str) -> Path:
        """Return the path of the log of the server `name`."""
        return self.run / "logs" / f"{name}.log"


class Servers(Protocol):
    """A way to start the broker and the database. Each method returns when its server is ready.

    Raises:
        PortTaken: another process took the server's port; another try may succeed.
        LaunchError: the server did not start.
    """

    def start_mongodb(self, children: LaunchedProcesses, places: "ServerPlaces", *, auth: bool) -> MongoDB:
        """Start MongoDB with the directories and the port in `places`, and return it when its accounts can write.

        If `auth` is False, every client has all rights.
        """
        ...

    def start_rabbitmq(self, children: LaunchedProcesses, places: "ServerPlaces", plan: BrokerPlan) -> RabbitMQ:
        """Start RabbitMQ with the directories and the ports in `places`, and return it when users can log in."""
        ...


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Starts the servers that were unpacked in the cache, as child processes."""

    installed: Installed

    def start_mongodb(self, children: LaunchedProcesses, places: ServerPlaces, *, auth: bool) -> MongoDB:
        """Start MongoDB with the directories and the port in `places`. If `auth` is False, every client has all
        rights.
        """
        ports = places.ports.take_ports(number_names(["mongodb"], places.n_nodes))
        members: list[MongoDB] = []
        for number, (name, port) in enumerate(ports.items(), 1):
            member = MongoDB(
                children,
                self.installed.mongod,
                home=make_empty(places.run / name),
                data=places.data.make_place(name),
                log=places.log_path(f"mongod{number_suffix(number)}"),
                port=port,
                auth=auth,
                number=number,
                first=members[0] if members else None,
            )
            members.append(member)
        members[0].peers = members[1:]
        return members[0].start()

    def start_rabbitmq(self, children: LaunchedProcesses, places: ServerPlaces, plan: BrokerPlan) -> RabbitMQ:
        """Start RabbitMQ with the directories and the ports in `places`."""
        names = ["amqp", "management"]
        taken = places.ports.take_ports([*PORTS, *number_names(names, places.n_nodes)[len(names) :]])
        between = places.ports.take_one("broker-nodes") if places.n_nodes > 1 else 0
        nodes = list_nodes(places.n_nodes, between)
        ports = [{"jwks": taken["jwks"], **{name: taken[name + node.suffix] for name in names}} for node in nodes]
        cookie = new_cookie()
        servers = [
            RabbitMQ(
                children,
                self.installed.broker,
                make_empty(places.run / f"rabbitmq{node.suffix}"),
                places.log_path(f"rabbitmq{node.suffix}"),
                plan,
                ports=own,
                data=places.data.make_place(f"rabbitmq{node.suffix}"),
                secrets=places.data.secrets,
                node=node,
                others=[others for others in ports if others is not own],
                cookie=cookie,
            )
            for node, own in zip(nodes, ports, strict=True)
        ]
        servers[0].peers = servers[1:]
        return servers[0].start()


@contextlib.contextmanager
def running_services(
    installed: Installed,
    run: Path,
    *,
    broker: BrokerPlan = _FOR_OUR_SCHEDD,
    mongo_auth: bool = True,
    with_condor: bool = True,
    n_nodes: int = 1,
    servers: Servers | None = None,
    data: DataDirectory | None = None,
    ports: Ports | None = None,
    readable: Iterable[Path] = (),
    shared: Iterable[Path] = (),
    hidden: Iterable[Path] = (),
) -> Iterator[Services]:
    """Start the servers side by side below `run`. Stop them in reverse order at the end of the block.

    `servers` starts broker and database, each with `n_nodes` nodes; the default starts the programs in the cache. If
    `data` is None, all data end with `run`. Tasks with accounts of their own can read the directories `readable` and
    write into `shared`. Tasks that run as an ordinary user cannot see the directories `hidden`, which must exist, or
    EWMS's own directories.

    Raises:
        PoolCannotStart: HTCondor did not start; the error names its log.
        LaunchError: another server did not start. Then no server is running any more.
    """
    if with_condor:
        check_pool()
    allow_many_files()
    forbid_core_dumps()
    servers = servers or Unpacked(installed)
    places = ServerPlaces(run, data or throwaway_data(make_empty(run / "data")), ports or Ports(), n_nodes)
    images = (images_directory(run), kept_images(places.data))
    secluded = choose_accounts(
        places.data.make_place("accounts"),
        os.environ,
        readable=[installed.mongod.parents[2], *images, *readable],
    )
    covered = CoveredDirectories((run, places.data.root, *hidden), images) if os.getuid() else None
    with LaunchedProcesses() as children, contextlib.ExitStack() as stopping:
        mongodb = partial(servers.start_mongodb, children, places, auth=mongo_auth)
        rabbitmq = partial(servers.start_rabbitmq, children, places, broker)

        def start_condor() -> "PersonalPool":
            # Load HTCondor's bindings only for a launch with its pool.
            from deploy.local.servers.condor import PersonalPool  # noqa: PLC0415 - see above

            return PersonalPool(
                children,
                installed.pool,
                make_empty(run / "condor"),
                places.log_path("condor"),
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
            pool = (
                starts.begin(_wrap_pool_failures(partial(_start_with_retries, start_condor))) if with_condor else None
            )
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
        for member in (*services.mongodb.peers, services.mongodb):
            stopping.callback(member.stop)
        for node in (*services.rabbitmq.peers, services.rabbitmq):
            stopping.callback(node.stop)
        if services.condor is not None:
            stopping.callback(services.condor.stop)
        yield services


def images_directory(run: Path) -> Path:
    """Make the directory for the images that this launch builds, and return its path. Tasks can read it."""
    (images := run / "images").mkdir(mode=0o755, exist_ok=True)
    return images


def kept_images(data: DataDirectory) -> Path:
    """Make the directory for the images of catalogue tasks, and return its path. Tasks can read it."""
    (images := data.make_place(IMAGES)).chmod(0o755)
    return images


def _start_with_retries(start: Callable[[], _S]) -> _S:
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(PortTaken):
            return start()
    return start()


def _wrap_pool_failures(start: "Callable[[], PersonalPool]") -> "Callable[[], PersonalPool]":
    """Return a function that calls `start` and turns its LaunchError into `PoolCannotStart`.

    Only HTCondor has a replacement, the local pool.
    """

    def start_or_explain() -> "PersonalPool":
        try:
            return start()
        except LaunchError as error:
            raise PoolCannotStart(error.what, error.remedy, log=error.log) from error

    return start_or_explain
