"""The whole system on this machine: the servers, the token issuer, and EWMS's own processes as children.

    mongod  RabbitMQ  HTCondor          deploy.local.system.services
    issuer  mqs  wms  tms               each is `python -m …`, configured by its environment only

A process starts when the parts that it needs answer. SIGTERM stops the processes in reverse order, and each finishes
its work first. Tests kill and restart single processes by name.
"""

import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from deploy.local.children.processes import LaunchedProcess, await_ready
from deploy.local.children.supervisor import Supervisor
from deploy.local.choices.launch_options import LOCATION, LaunchOptions
from deploy.local.servers.issued_tokens import SUPERUSER, IssuerFiles, developer_token, role_tokens
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.endpoints import TOKEN_LIFE_S
from deploy.local.system.services import Services
from deploy.local.system.wiring import POOL, PoolName, ProcessSpec
from schemas.broker.topology import pool_service, tms_service

#: On busy cores the imports of a service alone take a minute.
_START_TIMEOUT_S = 180.0
_STOP_GRACE_S = 35.0

#: Ignore the environment's proxy: it cannot reach this machine's loopback.
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
    #: Process name -> the command prefix that runs it as another account.
    _secluded: Mapping[str, Sequence[str]]
    #: Whether tasks can read the launch's secrets: tasks have its account, and this machine allows no namespaces.
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

    @property
    def gateways(self) -> list[str]:
        """The address of each WMS."""
        return [spec.ready_url.removesuffix("/readyz") for spec in self._specs.values() if spec.module == "wms"]

    def get_child(self, name: str) -> LaunchedProcess:
        """Return the running process `name`: `issuer`, `mqs`, `wms`, `tms`, or `worker` if the launch has one. If there
        are two of each service, the second ones are `mqs-2`, `wms-2` and so on.

        Raises:
            KeyError: there is no such process.
        """
        return self._children[name]

    def start(self, name: str) -> None:
        """Start `name` and wait until it is ready.

        Raises:
            LaunchError: it did not start; the error names its log.
        """
        child = self.begin(name)
        await_ready(child, partial(self.is_ready, name), timeout_s=_START_TIMEOUT_S)

    def is_ready(self, name: str) -> bool:
        """Return whether process `name` reports that it is ready."""
        return _does_answer(self._specs[name].ready_url)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send signal `number` to process `name`, and wait up to 35 s for its end. This does not start the process
        again.
        """
        child = self._children[name]
        child.send_signal(number)
        child.wait(_STOP_GRACE_S)

    def restart(self, name: str) -> None:
        """Stop process `name` cleanly if it runs. Then start it again, and wait until it is ready.

        Raises:
            LaunchError: it did not start; the error names its log.
        """
        self._children[name].stop(grace_s=_STOP_GRACE_S)
        self.start(name)

    def set_variables(self, name: str, variables: Mapping[str, str]) -> None:
        """Give process `name` these environment variables at its next start, besides those that it has."""
        spec = self._specs[name]
        changed = replace(spec, environment={**spec.environment, **variables})
        self._specs = {**self._specs, name: changed}

    def get_variables(self, name: str) -> Mapping[str, str]:
        """Return the environment variables with which process `name` starts."""
        return self._specs[name].environment

    def restart_broker(self) -> None:
        """Stop RabbitMQ, start it again on the same ports and data, and wait until users can log in.

        Raises:
            LaunchError: the broker did not start; the error names the log.
        """
        self.services.rabbitmq.restart()

    def watch_children(self, tell: Callable[[str], None]) -> NoReturn:
        """Restart every server and process that ends by itself. Call `tell` with a line each time. Only an exception
        ends this.
        """
        processes = [_Process(self, name) for name in self.names]
        Supervisor([*self.services.servers, *processes], self.services.children, tell).run_forever()

    def list_endpoints(self) -> dict[str, Any]:
        """Return the JSON object for `.ewms/endpoints.json`: the addresses and tokens that scripts need. The tokens are
        new.
        """
        condor, broker = self.services.condor, self.services.rabbitmq
        others = [schedd for schedd in self.asked.schedds if schedd not in self.asked.own_schedds]
        tokens = role_tokens(self.issuer, life_s=TOKEN_LIFE_S)
        return {
            "gateway": self.gateway,
            # Each WMS: a client may use any of them.
            "gateways": self.gateways,
            "token": developer_token(self.issuer, life_s=TOKEN_LIFE_S),
            "admin_token": tokens[SUPERUSER],
            # Of one person in each role of the organization `default`, and above it.
            "tokens": tokens,
            "amqp": f"amqp://{broker.address.partition('@')[2]}",
            # The launcher's own account, for scripts: it has all rights.
            "mongo": self.services.mongodb.url(ADMIN),
            "condor_config": str(condor.config) if condor else None,
            "cluster": LOCATION,
            "issuer": self.issuer.url,
            # The control addresses for the TMS of each other schedd; this launch does not start those.
            "tms": {schedd: broker.control_url(tms_service(schedd)) for schedd in others},
            # For step workers: `ewms worker` reads the address of its pool.
            "pools": {POOL: broker.control_url(pool_service(POOL))},
            "examples": str(self.services.data.root / "examples"),
        }

    def find_ports(self, name: str) -> Mapping[str, int]:
        """Return {`name`: the port on which the process `name` serves HTTP}. Return {} if it serves no HTTP."""
        port = urlsplit(self._specs[name].ready_url).port
        return {} if port is None else {name: port}

    def begin(self, name: str) -> LaunchedProcess:
        """Start process `name`, and return it. Return before it is ready."""
        spec = self._specs[name]
        child = self.services.children.launch(
            name,
            [sys.executable, "-m", spec.module, *spec.arguments],
            log=self.logs / f"{name}.log",
            environment=spec.environment,
            # A task's container engine does not work in a user namespace with one id.
            namespaced=False,
            secluded=self._secluded.get(name, ()),
        )
        self._children[name] = child
        return child

    def stop_all(self) -> None:
        """Stop the processes in the reverse order of their start; each finishes its work first."""
        for child in reversed(self._children.values()):
            child.stop(grace_s=_STOP_GRACE_S)


@dataclass(frozen=True, slots=True)
class _Process:
    """A process of EWMS in the form that the supervisor handles."""

    stack: Stack
    name: str

    @property
    def child(self) -> LaunchedProcess:
        return self.stack.get_child(self.name)

    @property
    def own_ports(self) -> Mapping[str, int]:
        return self.stack.find_ports(self.name)

    def relaunch(self) -> LaunchedProcess:
        return self.stack.begin(self.name)

    def is_ready(self) -> bool:
        return self.stack.is_ready(self.name)


def _does_answer(url: str) -> bool:
    try:
        with _WITHOUT_PROXY.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
