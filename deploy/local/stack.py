"""The whole system on this machine: the servers, the token issuer, and EWMS's own processes as children.

    mongod  RabbitMQ  HTCondor          deploy.local.services
    issuer  mqs  wms  tms               each `python -m …`, set up by its environment alone

Each starts once the parts that it needs answer. They stop in reverse order with SIGTERM, which drains them. Tests kill
and restart single processes by name.
"""

import contextlib
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from deploy.local.children import accounts
from deploy.local.children.processes import LaunchedProcess, await_ready
from deploy.local.children.seclusion import is_covering
from deploy.local.children.side_by_side import ParallelStarts
from deploy.local.children.supervisor import Supervisor
from deploy.local.data_directory import DataDirectory
from deploy.local.endpoints import TOKEN_LIFE_S
from deploy.local.errors import LaunchError, PortTaken
from deploy.local.fetch.cache import Installed
from deploy.local.fetch.images import UnpackedApptainer
from deploy.local.fetch.on_demand import write_stand_ins
from deploy.local.fetch.packages import CONTAINERS
from deploy.local.launch_options import LOCATION, SCHEDD, LaunchOptions, read_launch_options
from deploy.local.ports import Ports, await_free
from deploy.local.run_directory import make_empty
from deploy.local.servers.mongo_accounts import ADMIN, list_databases
from deploy.local.servers.rabbitmq import BrokerPlan
from deploy.local.servers.token_issuer import AUDIENCE, IssuerFiles, developer_token, write_issuer
from deploy.local.services import Servers, Services, running_services
from deploy.local.wiring import Endpoints, PoolName, ProcessSpec, process_specs
from schemas.topology import tms_service

_START_TIMEOUT_S = 60.0
_STOP_GRACE_S = 35.0
_ATTEMPTS = 3

#: A proxy of the environment does not reach this machine's own loopback.
_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(slots=True)
class Stack:
    """The running system."""

    services: Services
    issuer: IssuerFiles
    pool: PoolName
    gateway: str
    logs: Path
    asked: LaunchOptions
    _specs: Mapping[str, ProcessSpec]
    #: By process, the words that run it as another account.
    _secluded: Mapping[str, Sequence[str]]
    #: Whether tasks can read the launch's secrets: they share its account, and this machine allows no namespaces.
    is_open_to_tasks: bool
    _children: dict[str, LaunchedProcess] = field(default_factory=dict)

    @property
    def token(self) -> str:
        """A token of the signed-in user."""
        return developer_token(self.issuer)

    @property
    def names(self) -> tuple[str, ...]:
        """The processes, in the order of their start."""
        return tuple(self._specs)

    def child(self, name: str) -> LaunchedProcess:
        """Return the process `name`: `issuer`, `mqs`, `wms` or `tms`."""
        return self._children[name]

    def start(self, name: str) -> None:
        """Start `name` and wait until it is ready.

        Raises:
            LaunchError: it did not come up; its log is named.
        """
        child = self.begin(name)
        await_ready(child, partial(self.is_ready, name), timeout_s=_START_TIMEOUT_S)

    def is_ready(self, name: str) -> bool:
        """Return whether process `name` is ready: it has what it needs."""
        return _does_answer(self._specs[name].ready_url)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send `number` to process `name` and wait until it is gone; it is not started again."""
        child = self._children[name]
        child.send_signal(number)
        child.wait(_STOP_GRACE_S)

    def restart(self, name: str) -> None:
        """Start `name` again, after ending it in order if it runs."""
        self._children[name].stop(grace_s=_STOP_GRACE_S)
        self.start(name)

    def restart_broker(self) -> None:
        """Stop RabbitMQ and start it again on the same ports and data."""
        self.services.rabbitmq.restart()

    def watch(self, tell: Callable[[str], None]) -> NoReturn:
        """Restart every server and process that ends by itself; `tell` gets a line each. Ends by an exception."""
        processes = [_Process(self, name) for name in self.names]
        Supervisor([*self.services.servers, *processes], self.services.children, tell).run_forever()

    def endpoints(self) -> dict[str, Any]:
        """Return what scripts need to reach the system; the contents of `.ewms/endpoints.json`."""
        condor, broker = self.services.condor, self.services.rabbitmq
        others = [schedd for schedd in self.asked.schedds if schedd != SCHEDD]
        return {
            "gateway": self.gateway,
            "token": developer_token(self.issuer, life_s=TOKEN_LIFE_S),
            "amqp": f"amqp://{broker.address.partition('@')[2]}",
            # The launcher's own account, for scripts: it may do everything.
            "mongo": self.services.mongodb.url(ADMIN),
            "condor_config": str(condor.config) if condor else None,
            "cluster": LOCATION,
            "issuer": self.issuer.url,
            # Where a TMS of each further schedd, which nobody starts here, would join.
            "tms": {schedd: broker.control_url(tms_service(schedd)) for schedd in others},
        }

    def ports(self, name: str) -> Mapping[str, int]:
        """Return the port on which process `name` answers HTTP."""
        port = urlsplit(self._specs[name].ready_url).port
        return {} if port is None else {name: port}

    def begin(self, name: str) -> LaunchedProcess:
        """Start `name` and return without waiting for it."""
        spec = self._specs[name]
        child = self.services.children.launch(
            name,
            [sys.executable, "-m", spec.module, *spec.arguments],
            log=self.logs / f"{name}.log",
            environment=spec.environment,
            # A task's container engine would not find itself in a namespace of one user.
            namespaced=False,
            secluded=self._secluded.get(name, ()),
        )
        self._children[name] = child
        return child

    def stop_all(self) -> None:
        """Drain the processes in the reverse of the order in which they were started."""
        for child in reversed(self._children.values()):
            child.stop(grace_s=_STOP_GRACE_S)


#: What lies in a run directory beside images: settings with passwords, sockets, logs, the directories of jobs.
_OF_THE_RUN = ("logs", "rabbitmq", "mongodb", "condor")


@dataclass(frozen=True, slots=True)
class _Process:
    """A process of EWMS, as its supervisor sees it."""

    stack: Stack
    name: str

    @property
    def child(self) -> LaunchedProcess:
        return self.stack.child(self.name)

    @property
    def own_ports(self) -> Mapping[str, int]:
        return self.stack.ports(self.name)

    def relaunch(self) -> LaunchedProcess:
        return self.stack.begin(self.name)

    def is_ready(self) -> bool:
        return self.stack.is_ready(self.name)


@contextlib.contextmanager
def running_stack(
    installed: Installed,
    run: Path,
    *,
    pool: PoolName,
    environment: Mapping[str, str] = os.environ,
    said: Callable[[str], None] = lambda _: None,
    servers: Servers | None = None,
    data: DataDirectory | None = None,
    shared: Iterable[Path] = (),
    hidden: Iterable[Path] = (),
) -> Iterator[Stack]:
    """Run the system below `run` for the block. `environment` may set any EWMS_ variable of its processes.

    `servers` starts broker and store in another way than unpacked from the cache. The system continues with `data` as
    an earlier launch left them. Without `data` the system is new, and everything is deleted with `run`.

    The launcher calls `said` with a line for each start. Tasks with accounts of their own can use the directories
    `shared`. Tasks that run as an ordinary user cannot see into the directories `hidden`.

    Raises:
        LaunchError: a part did not start. The other parts are stopped, and the error names the log.
    """
    wanted = read_launch_options(environment)
    _check_ports(wanted)
    ports = _choose_ports(wanted, data, said)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            stack = contextlib.ExitStack()
            system = stack.enter_context(
                _start_once(
                    installed,
                    run,
                    pool=pool,
                    wanted=wanted,
                    environment=environment,
                    said=said,
                    servers=servers,
                    data=data,
                    ports=ports,
                    shared=shared,
                    hidden=hidden,
                )
            )
        except PortTaken as error:
            _check_ports(wanted)
            if attempt == _ATTEMPTS:
                raise
            said(f"a port was taken meanwhile ({error.what.splitlines()[0]}); starting again with others")
        else:
            break
    with stack:
        if data is not None:
            # From here on users get to know addresses and tokens.
            facts = replace(data.facts, pool=pool, is_in_use=True, versions=dict(installed.versions))
            data.save_facts(replace(facts, ports={**data.facts.ports, **ports.current}))
        yield system


def _choose_ports(wanted: LaunchOptions, data: DataDirectory | None, said: Callable[[str], None]) -> Ports:
    named = {"gateway": wanted.gateway_port, "amqp": wanted.amqp_port}
    return Ports(
        data.facts.ports if data else {},
        asked={name: port for name, port in named.items() if port is not None},
        are_given_out=data is not None and data.facts.is_in_use,
        said=said,
    )


@contextlib.contextmanager
def _start_once(
    installed: Installed,
    run: Path,
    *,
    pool: PoolName,
    wanted: LaunchOptions,
    environment: Mapping[str, str],
    said: Callable[[str], None],
    servers: Servers | None,
    data: DataDirectory | None,
    ports: Ports,
    shared: Iterable[Path],
    hidden: Iterable[Path],
) -> Iterator[Stack]:
    said("starting RabbitMQ, MongoDB" + (" and HTCondor" if pool == "condor" else ""))
    with running_services(
        installed,
        run,
        broker=BrokerPlan(tuple(wanted.schedds), wanted.key_files, wanted.channels),
        mongo_auth=wanted.mongo_auth,
        with_condor=pool == "condor",
        servers=servers,
        data=data,
        ports=ports,
        readable=wanted.roots,
        shared=shared,
        hidden=hidden,
    ) as services:
        stack = _build_stack(installed, services, pool, wanted, environment, shared=shared)
        with contextlib.ExitStack() as stopping:
            stopping.callback(stack.stop_all)
            said("starting the issuer, MQS, WMS and TMS")
            # Side by side: each waits by itself for what it needs of the others.
            with ParallelStarts(services.children) as starts:
                for name in stack.names:
                    starts.begin(partial(stack.start, name))
            yield stack


def _build_stack(
    installed: Installed,
    services: Services,
    pool: PoolName,
    wanted: LaunchOptions,
    environment: Mapping[str, str],
    *,
    shared: Iterable[Path],
) -> Stack:
    ports = services.ports.take_ports(("gateway", "issuer", "tms"))
    issuer = write_issuer(services.data.make_place("secrets", "issuer"), port=ports["issuer"])
    tms_dir = services.data.make_place("tms", pool)
    secluded = _seclude_tms(services, pool, tms_dir, shared)
    apptainer = _find_apptainer(installed, services.data, environment)
    job_holder = _job_holder(services, apptainer, shared) if pool == "local" else []
    hides = services.condor.hides_launch if services.condor else bool(job_holder)
    wires = Endpoints(
        mongo_urls={service: services.mongodb.url(service) for service in list_databases()},
        broker=services.rabbitmq,
        issuer_url=issuer.url,
        issuer_config=issuer.config,
        audience=AUDIENCE,
        gateway_port=ports["gateway"],
        tms_port=ports["tms"],
        pool=pool,
        tms_dir=tms_dir,
        apptainer=apptainer,
        condor_config=services.condor.tms_config if services.condor else None,
        has_accounts=services.secluded is not None,
        job_holder=tuple(job_holder),
        pilot_tag=version("ewms"),
        protected=(services.data.root, *(services.logs.parent / name for name in _OF_THE_RUN)),
    )
    processes = process_specs(wires, wanted, environment)
    is_open = services.covered is not None and not hides
    return Stack(services, issuer, pool, wires.gateway, services.logs, wanted, processes, secluded, is_open)


def _job_holder(services: Services, apptainer: Path, shared: Iterable[Path]) -> list[str]:
    """Return the command prefix that hides our files from a local pilot; empty: it has an account, or hiding fails."""
    if (covered := services.covered) is None:
        return []
    # The stand-ins for container programs note there where the first call has put these.
    words = covered.job_command(writable=[apptainer.parent, *shared])
    return words if is_covering(words, services.logs) else []


def _seclude_tms(services: Services, pool: PoolName, tms_dir: Path, shared: Iterable[Path]) -> dict[str, list[str]]:
    """Return the words that run TMS as an account of its own, if there are accounts, and give it its directory.

    With the local pool it is root among them: it gives each pilot another, which passes through TMS's directory.
    """
    if (secluded := services.secluded) is None:
        return {}
    account = accounts.TMS if pool == "condor" else accounts.ROOT
    secluded.give_tree(tms_dir, account)
    tms_dir.chmod(0o700 if pool == "condor" else 0o711)
    token = [services.condor.tms_config.parent] if services.condor else []
    return {"tms": secluded.account_command(account, readable=token, writable=[tms_dir, *shared])}


def _find_apptainer(installed: Installed, data: DataDirectory, environment: Mapping[str, str]) -> Path:
    if CONTAINERS.name in installed.trees:
        return UnpackedApptainer(installed.containers).program
    return write_stand_ins(make_empty(data.make_place("programs")), environment)


def _check_ports(wanted: LaunchOptions) -> None:
    """Raise if a port that the caller chose is not free."""
    for name, port in (("EWMS_GATEWAY_PORT", wanted.gateway_port), ("EWMS_AMQP_PORT", wanted.amqp_port)):
        if port is not None and (reason := await_free(port)):
            raise LaunchError(
                f"{name} is {port}, and that port cannot be listened on ({reason})",
                f"end whoever listens there (`ss -ltnp 'sport = :{port}'` tells), or choose another {name}",
            )


def _does_answer(url: str) -> bool:
    try:
        with _WITHOUT_PROXY.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
