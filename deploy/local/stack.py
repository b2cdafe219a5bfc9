"""The whole system on this machine: the servers, the token issuer, and EWMS's own processes as children.

    mongod  RabbitMQ  HTCondor          deploy.local.services
    issuer  mqs  wms  tms               each `python -m …`, told everything by its environment

Each is started once what it needs answers, and stopped in reverse with SIGTERM, which drains it. Tests kill and
restart single processes by name.
"""

import contextlib
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from deploy.local.cache import Installed
from deploy.local.errors import LaunchError
from deploy.local.images import Apptainer
from deploy.local.issuer import AUDIENCE, IssuerFiles, developer_token, write_issuer
from deploy.local.keys import KeyFiles
from deploy.local.ports import free_ports
from deploy.local.processes import Child, SideBySide, await_end, await_ready
from deploy.local.services import SCHEDD, Services, running
from schemas.topology import Service, tms_service

PoolName = Literal["condor", "local"]

#: A cluster location's name on this machine, and those by which published examples call theirs.
LOCATION = "local"
_ALIASES = ("sub-2", "osg", "OSG")

#: Workers that run at once, in either pool.
N_SLOTS = 8

_START_TIMEOUT_S = 60.0
_STOP_GRACE_S = 35.0
_MOST_RESTARTS = 3
_RESTART_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class _Spec:
    module: str
    environment: Mapping[str, str]
    ready_url: str
    arguments: tuple[str, ...] = ()


@dataclass(slots=True)
class Stack:
    """The running system."""

    services: Services
    issuer: IssuerFiles
    pool: PoolName
    gateway: str
    apptainer: Apptainer
    logs: Path
    _specs: dict[str, _Spec] = field(default_factory=dict)
    _children: dict[str, Child] = field(default_factory=dict)

    @property
    def token(self) -> str:
        """A token of the signed-in user."""
        return developer_token(self.issuer)

    @property
    def names(self) -> tuple[str, ...]:
        """The processes, in the order of their start."""
        return tuple(self._specs)

    def child(self, name: str) -> Child:
        """Return the process `name`: `issuer`, `mqs`, `wms` or `tms`."""
        return self._children[name]

    def start(self, name: str) -> None:
        """Start `name` and wait until it is ready.

        Raises:
            LaunchError: it did not come up; its log is named.
        """
        child = self._begin(name)
        await_ready(child, partial(_answers, self._specs[name].ready_url), timeout_s=_START_TIMEOUT_S)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send `number` to process `name` and wait until it is gone; it is not started again."""
        child = self._children[name]
        child.send(number)
        child.wait(_STOP_GRACE_S)

    def restart(self, name: str) -> None:
        """Start `name` again, after ending it in order if it runs."""
        self._children[name].stop(grace_s=_STOP_GRACE_S)
        self.start(name)

    def restart_broker(self) -> None:
        """Stop RabbitMQ and start it again on the same ports and data."""
        self.services.rabbitmq.restart()

    def watch(self, said: Callable[[str], None]) -> None:
        """Start a process of EWMS that ended by itself again, for as long as the servers run; never returns.

        Raises:
            LaunchError: a server has ended, or a process ends again and again.
        """
        restarts: dict[str, list[float]] = {}
        while True:
            ended = await_end([*self.services.servers, *self._children.values()])
            if ended not in self._children.values():
                raise ended.failure("has ended")
            now = time.monotonic()
            recent = [at for at in restarts.get(ended.name, []) if at > now - _RESTART_WINDOW_S]
            if len(recent) >= _MOST_RESTARTS:
                raise ended.failure("ends again and again")
            restarts[ended.name] = [*recent, now]
            said(f"{ended.name} has ended; starting it again")
            self.start(ended.name)

    def endpoints(self) -> dict[str, str | None]:
        """Return what scripts need to reach the system; the contents of `.ewms/endpoints.json`."""
        condor = self.services.condor
        return {
            "gateway": self.gateway,
            "token": self.token,
            "cluster": LOCATION,
            "amqp": f"amqp://{self.services.rabbitmq.address.partition('@')[2]}",
            "mongo": self.services.mongodb.url,
            "condor_config": str(condor.config) if condor else None,
            "issuer": self.issuer.url,
        }

    def _begin(self, name: str) -> Child:
        spec = self._specs[name]
        child = self.services.children.launch(
            name,
            [sys.executable, "-m", spec.module, *spec.arguments],
            log=self.logs / f"{name}.log",
            environment=spec.environment,
            # A task's container engine would not find itself in a namespace of one user.
            namespaced=False,
        )
        self._children[name] = child
        return child

    def stop_all(self) -> None:
        """Drain the processes in the reverse of the order in which they were started."""
        for child in reversed(self._children.values()):
            child.stop(grace_s=_STOP_GRACE_S)


@contextlib.contextmanager
def running_stack(
    installed: Installed,
    run: Path,
    *,
    pool: PoolName,
    environment: Mapping[str, str] = os.environ,
    said: Callable[[str], None] = lambda _: None,
) -> Iterator[Stack]:
    """Run the system below `run` for the block. `environment` may set any EWMS_ variable of its processes.

    `said` hears what is being started.

    Raises:
        LaunchError: something did not come up; what did is stopped, and the log is named.
    """
    said("starting RabbitMQ, MongoDB" + (" and HTCondor" if pool == "condor" else ""))
    with running(
        installed,
        run,
        with_condor=pool == "condor",
        key_files=_given_keys(environment),
        amqp_port=_port(environment, "EWMS_AMQP_PORT"),
    ) as services:
        stack = _stack(installed, services, pool, environment)
        with contextlib.ExitStack() as stopping:
            stopping.callback(stack.stop_all)
            said("starting the issuer, MQS, WMS and TMS")
            # Side by side: each waits by itself for what it needs of the others.
            with SideBySide(services.children) as starts:
                for name in stack.names:
                    starts.begin(partial(stack.start, name))
            yield stack


def _stack(installed: Installed, services: Services, pool: PoolName, environment: Mapping[str, str]) -> Stack:
    gateway_port, issuer_port, tms_port = free_ports(3)
    gateway_port = _port(environment, "EWMS_GATEWAY_PORT") or gateway_port
    issuer = write_issuer(services.run / "issuer", port=issuer_port)
    gateway = f"http://127.0.0.1:{gateway_port}"
    apptainer = Apptainer(installed.tree)
    rabbitmq = services.rabbitmq
    mqs_url = f"http://127.0.0.1:{rabbitmq.jwks_port}"
    (tms_dir := services.run / "tms").mkdir(mode=0o700)

    given = {name: value for name, value in environment.items() if name.startswith("EWMS_")}
    common = {
        **{name: environment[name] for name in ("HOME", "LANG", "TMPDIR", "TZ") if name in environment},
        "PATH": environment.get("PATH", "/usr/bin:/bin"),
        "EWMS_LOG_FORMAT": "json",
    }
    wms = {
        "EWMS_MONGO_URL": services.mongodb.url,
        "EWMS_CONTROL_AMQP_URL": rabbitmq.control_url(Service.WMS),
        "EWMS_GATEWAY_HOST": "127.0.0.1",
        "EWMS_AUTH_ISSUER": issuer.url,
        "EWMS_AUTH_AUDIENCE": AUDIENCE,
        "EWMS_CLUSTERS": json.dumps({LOCATION: {"schedd": SCHEDD}, **dict.fromkeys(_ALIASES, LOCATION)}),
        "EWMS_MQS_URL": mqs_url,
        "EWMS_PILOT_TAG": version("ewms"),
    }
    mqs = {
        "EWMS_MONGO_URL": services.mongodb.url,
        "EWMS_CONTROL_AMQP_URL": rabbitmq.control_url(Service.MQS),
        "EWMS_DATA_AMQP_URL": rabbitmq.data_url,
        "EWMS_RABBITMQ_API_URL": rabbitmq.api_url,
        "EWMS_BROKER_ADDRESS": rabbitmq.address,
        "EWMS_BROKER_KEY_FILE": str(rabbitmq.key_files.private),
        "EWMS_BROKER_PUBLIC_KEY_FILE": str(rabbitmq.key_files.public),
        "EWMS_MQS_URL": mqs_url,
    }
    tms = {
        "EWMS_CONTROL_AMQP_URL": rabbitmq.control_url(tms_service(SCHEDD)),
        "EWMS_SCHEDD": SCHEDD,
        "EWMS_POOL": pool,
        "EWMS_TMS_DIR": str(tms_dir),
        "EWMS_PILOT_COMMAND": json.dumps([sys.executable, "-m", "pilot"]),
        "EWMS_ALLOWED_PLATFORMS": json.dumps(["apptainer", "bubblewrap", "none"]),
        "EWMS_APPTAINER": str(apptainer.program),
        # Apptainer runs helpers that lie beside it (squashfs tools, for images that are one file).
        "EWMS_WORKER_PATH": f"/usr/bin:/bin:{apptainer.program.parent}",
        "EWMS_LOCAL_SLOTS": str(N_SLOTS),
    }
    if services.condor is not None:
        tms["CONDOR_CONFIG"] = str(services.condor.config)

    specs = {
        "issuer": _Spec("deploy.local.issuer", common, f"{issuer.url}/jwks", (str(issuer.config),)),
        # What the caller's environment says of a process comes last, except where each must listen.
        "mqs": _Spec("mqs", {**common, **mqs, **given, "EWMS_HTTP_PORT": str(rabbitmq.jwks_port)}, f"{mqs_url}/readyz"),
        "wms": _Spec("wms", {**common, **wms, **given, "EWMS_GATEWAY_PORT": str(gateway_port)}, f"{gateway}/readyz"),
        "tms": _Spec(
            "tms",
            {**common, **tms, **given, "EWMS_HTTP_PORT": str(tms_port)},
            f"http://127.0.0.1:{tms_port}/readyz",
        ),
    }
    return Stack(services, issuer, pool, gateway, apptainer, services.logs, specs)


def _given_keys(environment: Mapping[str, str]) -> KeyFiles | None:
    private, public = environment.get("EWMS_BROKER_KEY_FILE"), environment.get("EWMS_BROKER_PUBLIC_KEY_FILE")
    return KeyFiles(Path(private).absolute(), Path(public).absolute()) if private and public else None


def _port(environment: Mapping[str, str], name: str) -> int | None:
    given = environment.get(name, "")
    if given and not (given.isdecimal() and 0 < int(given) < 65536):
        raise LaunchError(f"{name} is {given!r}, which is no port", f"set {name} to a number from 1024 to 65535")
    return int(given) if given else None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own http address on loopback
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
