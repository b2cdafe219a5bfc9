"""Start the engines that race: ours, Celery and DBOS, each with two processes for its steps, on the same servers."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from deploy.local.children.helper_programs import HelperPrograms
from deploy.local.errors import LaunchError
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.services import Services
from schemas.broker.topology import pool_service
from tests.bench.peers.chain_trace import TRACE
from tests.bench.peers.ewms_chain import LENGTHS
from tests.bench.peers.postgresql import running_postgresql

OURS = "EWMS"
_ROOT = Path(__file__).parents[3]
_PEERS = "tests.bench.peers"
#: So many steps a worker of ours runs at once.
_SLOTS = 50


@dataclass(frozen=True, slots=True)
class Racer:
    """An engine in the race."""

    name: str
    #: Starts chains: the group's name, how many, and of how many steps.
    begin: Callable[[str, int, int], Awaitable[None]]
    #: Its own processes, and those of its servers.
    own: Sequence[int]
    servers: Sequence[int]


class Programs:
    """Starts programs in the peers' environment. They end with the block."""

    def __init__(self, services: Services, helpers: HelperPrograms, binaries: Path, trace: Path) -> None:
        self._services = services
        self._helpers = helpers
        self._binaries = binaries
        self._variables = {
            "PYTHONPATH": str(_ROOT),
            "PATH": "/usr/bin:/bin",
            TRACE: str(trace),
            "HOME": str(services.run),
        }

    def start(self, name: str, command: Sequence[str], variables: Mapping[str, str]) -> "subprocess.Popen[str]":
        """Start one of the environment's programs; its errors go to a log of the launch."""
        with (self._services.logs / f"{name}.log").open("a") as log:
            return self._helpers.start_program(
                [self._binaries / command[0], *command[1:]],
                stdin=subprocess.PIPE,
                stderr=log,
                environment={**self._variables, **variables},
            )


def _tell(process: "subprocess.Popen[str]", group: str, n_chains: int, n_steps: int) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{group} {n_chains} {n_steps}\n")
    process.stdin.flush()


def _await_ready(process: "subprocess.Popen[str]", name: str) -> None:
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise LaunchError(f"{name} did not start", "read its log")


def start_celery(services: Services, programs: Programs, *, is_careful: bool) -> Racer:
    """Start a Celery worker of two processes."""
    name = "Celery, careful" if is_careful else "Celery"
    variables = {"BENCH_BROKER": services.rabbitmq.data_url, "BENCH_CELERY": "careful" if is_careful else ""}
    worker = programs.start(
        f"celery-{is_careful}",
        [
            *("celery", "-A", f"{_PEERS}.celery_chain", "worker", "-c", "2", "-l", "WARNING"),
            *("-n", f"careful{is_careful}@%h", "--without-mingle", "--without-gossip", "--without-heartbeat"),
        ],
        variables,
    )
    driver = programs.start(f"celery-driver-{is_careful}", ["python", "-m", f"{_PEERS}.celery_chain"], variables)

    async def begin(group: str, n_chains: int, n_steps: int) -> None:
        _tell(driver, group, n_chains, n_steps)

    pid = services.rabbitmq.child.pid
    return Racer(name, begin, (worker.pid, driver.pid), () if pid is None else (pid,))


def start_dbos(programs: Programs, name: str, database: str, servers: Sequence[int], *, n_processes: int) -> Racer:
    """Start processes with DBOS. A group's chains are divided among them."""
    processes = []
    for number in range(n_processes):
        variables = {"BENCH_DATABASE": database}
        process = programs.start(
            f"dbos-{name}", ["python", "-m", f"{_PEERS}.dbos_chain", f"{name}-{number}".replace(", ", "-")], variables
        )
        _await_ready(process, name)
        processes.append(process)

    async def begin(group: str, n_chains: int, n_steps: int) -> None:
        for number, process in enumerate(processes):
            n_mine = len(range(number, n_chains, n_processes))
            if n_mine:
                _tell(process, group, n_mine, n_steps)

    return Racer(name, begin, tuple(process.pid for process in processes), servers)


def start_ours(services: Services, programs: Programs, lengths: Sequence[int]) -> Racer:
    """Start WMS and two step workers, in this environment."""
    engine = programs.start(
        "ewms-engine",
        [sys.executable, "-m", f"{_PEERS}.ewms_engine", *map(str, lengths)],
        {
            "EWMS_MONGO_URL": services.mongodb.url(ADMIN),
            "EWMS_MONGO_DATABASE": "race",
            "EWMS_CONTROL_AMQP_URL": services.rabbitmq.control_url("wms"),
            "EWMS_GATEWAY_PORT": "0",
            "EWMS_AUTH": "off",
            "EWMS_MQS_URL": "http://127.0.0.1:9",
            "EWMS_PILOT_TAG": "1.2.3",
        },
    )
    workers = [
        programs.start(
            f"ewms-worker-{number}",
            [sys.executable, "-m", "ewms.worker"],
            {
                "EWMS_CONTROL_AMQP_URL": services.rabbitmq.control_url(pool_service("default")),
                "EWMS_WORKER_MODULES": json.dumps([f"{_PEERS}.ewms_chain"]),
                "EWMS_WORKER_SLOTS": str(_SLOTS),
                LENGTHS: " ".join(map(str, lengths)),
            },
        )
        for number in range(2)
    ]
    _await_ready(engine, OURS)

    async def begin(group: str, n_chains: int, n_steps: int) -> None:
        _tell(engine, group, n_chains, n_steps)

    servers = [pid for one in services.servers if (pid := one.child.pid) is not None]
    return Racer(OURS, begin, [process.pid for process in (engine, *workers)], servers)


@asynccontextmanager
async def running_racers(
    services: Services, *, binaries: Path, postgresql: Path | None, trace: Path, lengths: Sequence[int]
) -> AsyncIterator[list[Racer]]:
    """Run all engines during the block. Without PostgreSQL, DBOS runs on SQLite alone, and a line says so."""
    directory = services.run / "race"
    directory.mkdir()
    async with AsyncExitStack() as stack:
        programs = Programs(services, stack.enter_context(HelperPrograms()), binaries, trace)
        racers = [start_ours(services, programs, lengths)]
        racers += [start_celery(services, programs, is_careful=is_careful) for is_careful in (False, True)]
        racers.append(start_dbos(programs, "DBOS, SQLite", f"sqlite:///{directory}/dbos.sqlite", (), n_processes=1))
        if postgresql is not None:
            try:
                server = stack.enter_context(running_postgresql(services, postgresql, directory / "postgresql"))
            except LaunchError as error:
                Console().print(f"DBOS on PostgreSQL is not measured: {error.what}")
            else:
                pids = () if server.child.pid is None else (server.child.pid,)
                racers.append(start_dbos(programs, "DBOS, PostgreSQL", server.url, pids, n_processes=2))
        yield racers
