"""The processes of EWMS: the module of each, its environment, and the address where it reports that it is ready."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from deploy.local.children.accounts import FIRST_SLOT
from deploy.local.choices.launch_options import SCHEDD, SECOND_SCHEDD, LaunchOptions
from deploy.local.choices.numbering import number_suffix
from deploy.local.servers.broker import BrokerAccess
from schemas.automation.builds import BUILD_POOL
from schemas.broker.services import Service
from schemas.broker.topology import pool_service, tms_service

PoolName = Literal["condor", "local"]

#: The ports of the second processes.
SECOND_PORTS = ("gateway-2", "mqs-2", "tms-2", "worker-2")
#: A system with `NODES=3` runs two processes of each of these modules.
_MODULES = {"mqs": "mqs", "wms": "wms", "tms": "tms", "worker": "ewms.worker"}

#: How many workers run at once, in either pool.
N_SLOTS = 8

#: How many images the builder makes at once.
N_BUILDS = 2

#: The pool of step workers that `make up` serves.
POOL = "default"

#: The examples with a step worker's functions: the directory of each, and its module.
EXAMPLES_DIRECTORY = Path(__file__).parents[3] / "docs" / "examples"
EXAMPLES = {"enrollment": "enrollment", "flow": "create_cluster", "release": "release_work", "quakes": "quakes"}

#: The variables that each process inherits from the launcher, besides EWMS's settings.
_KEPT = ("HOME", "LANG", "TMPDIR", "TZ")


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process: `python -m module arguments`."""

    module: str
    environment: Mapping[str, str]
    ready_url: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuilderPlaces:
    """The files and the account of the worker that builds images."""

    #: The builder's own directory, and the directory of the images of this machine's location.
    directory: Path
    images: Path
    #: The file that names the builder's programs, and the command that downloads them and writes the file.
    programs: Path
    download: tuple[str, ...]
    #: The command that runs a program as the account of builds, and that account's id; None: the launcher's own.
    holder: tuple[str, ...] = ()
    account: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The addresses and paths of the processes of one launch, and the settings that protect these processes from
    tasks.
    """

    #: Service -> the address of MongoDB with the service's account.
    mongo_urls: Mapping[str, str]
    broker: BrokerAccess
    issuer_url: str
    issuer_config: Path
    audience: str
    gateway_port: int
    tms_port: int
    pool: PoolName
    tms_dir: Path
    apptainer: Path
    condor_config: Path | None
    pilot_tag: str
    #: The keys with which WMS encrypts the secrets that users give to it.
    secret_keys: tuple[str, ...] = ()
    #: The directories that no task may see: keys, passwords, tokens and data of this system.
    protected: tuple[Path, ...] = ()
    #: Whether tasks and TMS have accounts of their own.
    has_accounts: bool = False
    #: The command prefix for each pilot of the local pool; it hides the `protected` directories.
    job_holder: tuple[str, ...] = ()
    #: Where the examples' step worker keeps what its steps do, and its port; None: the launch has no such worker.
    examples: Path | None = None
    worker_port: int = 0
    #: The places of the worker that builds images, and its port; None: the launch has no such worker.
    builder: BuilderPlaces | None = None
    builder_port: int = 0
    #: The port of MQS; None: that where the broker asks for keys.
    mqs_port: int | None = None
    #: The access point of TMS, and the first account of its pilots.
    schedd: str = SCHEDD
    first_account: int = FIRST_SLOT
    #: The addresses of the second process of each service; None: there is one of each.
    second: "Endpoints | None" = None

    @property
    def gateway(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def mqs(self) -> str:
        """The address of MQS, which is in all tokens: that of the first one."""
        return f"http://127.0.0.1:{self.broker.jwks_port}"

    @property
    def mqs_http_port(self) -> int:
        """The port on which this MQS listens."""
        return self.mqs_port or self.broker.jwks_port


def address_second(
    wires: Endpoints, ports: Mapping[str, int], *, tms_dir: Path, job_holder: Sequence[str]
) -> Endpoints:
    """Return the addresses of the second process of each service; `ports` are those named in `SECOND_PORTS`.

    The second access point runs its workers as plain processes, each held by the command `job_holder`.
    """
    return replace(
        wires,
        gateway_port=ports["gateway-2"],
        mqs_port=ports["mqs-2"],
        tms_port=ports["tms-2"],
        worker_port=ports["worker-2"],
        schedd=SECOND_SCHEDD,
        pool="local",
        tms_dir=tms_dir,
        condor_config=None,
        job_holder=tuple(job_holder),
        first_account=FIRST_SLOT + N_SLOTS,
    )


def process_specs(wires: Endpoints, asked: LaunchOptions, environment: Mapping[str, str]) -> dict[str, ProcessSpec]:
    """Return the processes by name, in the order of their start.

    The variables in `asked.passed_on` override the launcher's own.
    """
    common = {
        **{name: environment[name] for name in _KEPT if name in environment},
        "PATH": environment.get("PATH", "/usr/bin:/bin"),
        "EWMS_LOG_FORMAT": "json",
    }
    specs = {
        "issuer": ProcessSpec(
            "deploy.local.servers.token_issuer", common, f"{wires.issuer_url}/jwks", (str(wires.issuer_config),)
        )
    }
    instances = [wires] if wires.second is None else [wires, wires.second]
    for number, one in enumerate(instances, 1):
        told = _instance_environments(one, asked, name=f"examples{number_suffix(number)}")
        specs |= {
            f"{name}{number_suffix(number)}": ProcessSpec(
                _MODULES[name], {**common, **environment, **asked.passed_on}, f"http://127.0.0.1:{port}/readyz"
            )
            for name, (environment, port) in told.items()
        }
    if wires.builder is not None:
        environment = {**common, **_builder_environment(wires, wires.builder, asked), **asked.passed_on}
        specs["builder"] = ProcessSpec("ewms.worker", environment, f"http://127.0.0.1:{wires.builder_port}/readyz")
    return specs


def _instance_environments(
    wires: Endpoints, asked: LaunchOptions, *, name: str
) -> dict[str, tuple[dict[str, str], int]]:
    """Return the environment and the port of one process of each service. `name` is that of the step worker."""
    told = {
        "mqs": (_mqs_environment(wires), wires.mqs_http_port),
        "wms": (_wms_environment(wires, asked), wires.gateway_port),
        "tms": (_tms_environment(wires), wires.tms_port),
    }
    if wires.examples is not None:
        told["worker"] = (_worker_environment(wires, wires.examples, name), wires.worker_port)
    return told


def _mqs_environment(wires: Endpoints) -> dict[str, str]:
    broker = wires.broker
    return {
        "EWMS_MONGO_URL": wires.mongo_urls[Service.MQS],
        "EWMS_CONTROL_AMQP_URL": broker.control_url(Service.MQS),
        "EWMS_DATA_AMQP_URL": broker.data_url,
        "EWMS_RABBITMQ_API_URL": broker.api_url,
        "EWMS_BROKER_ADDRESS": broker.address,
        "EWMS_BROKER_TICK_S": "1",
        "EWMS_BROKER_KEY_FILE": str(broker.key_files.private),
        "EWMS_BROKER_PUBLIC_KEY_FILE": str(broker.key_files.public),
        "EWMS_MQS_URL": wires.mqs,
        "EWMS_HTTP_PORT": str(wires.mqs_http_port),
    }


def _wms_environment(wires: Endpoints, asked: LaunchOptions) -> dict[str, str]:
    return {
        "EWMS_MONGO_URL": wires.mongo_urls[Service.WMS],
        "EWMS_CONTROL_AMQP_URL": wires.broker.control_url(Service.WMS),
        "EWMS_GATEWAY_HOST": "127.0.0.1",
        "EWMS_GATEWAY_PORT": str(wires.gateway_port),
        "EWMS_AUTH_ISSUER": wires.issuer_url,
        "EWMS_AUTH_AUDIENCE": wires.audience,
        "EWMS_CLUSTERS": json.dumps(asked.clusters),
        "EWMS_MQS_URL": wires.mqs,
        "EWMS_PILOT_TAG": wires.pilot_tag,
        "EWMS_SECRET_KEYS": json.dumps(wires.secret_keys),
        "EWMS_PUBLIC_URL": wires.gateway,
    }


def _worker_environment(wires: Endpoints, examples: Path, name: str) -> dict[str, str]:
    return {
        "EWMS_CONTROL_AMQP_URL": wires.broker.control_url(pool_service(POOL)),
        "EWMS_WORKER_POOL": POOL,
        "EWMS_WORKER_MODULES": json.dumps(list(EXAMPLES.values())),
        "EWMS_WORKER_NAME": name,
        "EWMS_HTTP_PORT": str(wires.worker_port),
        "PYTHONPATH": ":".join(str(EXAMPLES_DIRECTORY / name) for name in EXAMPLES),
        "FAKE_NETWORK": str(examples / "network"),
        "FAKE_CLOUD": str(examples / "cloud"),
        "FAKE_SITE": str(examples / "site"),
    }


def _builder_environment(wires: Endpoints, builder: BuilderPlaces, asked: LaunchOptions) -> dict[str, str]:
    here = {"directory": str(builder.images)}
    told = {
        "EWMS_CONTROL_AMQP_URL": wires.broker.control_url(pool_service(BUILD_POOL)),
        "EWMS_WORKER_POOL": BUILD_POOL,
        "EWMS_WORKER_MODULES": json.dumps(["processes.builds.step_lists"]),
        "EWMS_WORKER_NAME": "builder",
        "EWMS_WORKER_SLOTS": str(N_BUILDS),
        "EWMS_HTTP_PORT": str(wires.builder_port),
        "EWMS_GATEWAY": wires.gateway,
        "EWMS_BUILD_DIRECTORY": str(builder.directory),
        "EWMS_BUILD_PROGRAMS": str(builder.programs),
        "EWMS_BUILD_PROGRAMS_FETCH": json.dumps(builder.download),
        "EWMS_BUILD_HOLDER": json.dumps(builder.holder),
        "EWMS_BUILD_LOCATIONS": json.dumps(dict.fromkeys(asked.own_locations, here)),
    }
    return told if builder.account is None else {**told, "EWMS_BUILD_ACCOUNT": str(builder.account)}


def _tms_environment(wires: Endpoints) -> dict[str, str]:
    told = {
        "EWMS_CONTROL_AMQP_URL": wires.broker.control_url(tms_service(wires.schedd)),
        "EWMS_SCHEDD": wires.schedd,
        "EWMS_POOL": wires.pool,
        "EWMS_TMS_DIR": str(wires.tms_dir),
        "EWMS_HTTP_PORT": str(wires.tms_port),
        "EWMS_PILOT_COMMAND": json.dumps([sys.executable, "-P", "-m", "pilot"]),
        "EWMS_ALLOWED_PLATFORMS": json.dumps(["apptainer", "bubblewrap", "none"]),
        "EWMS_APPTAINER": str(wires.apptainer),
        # Apptainer runs helpers that lie beside it: squashfs tools for images in one file.
        "EWMS_WORKER_PATH": f"/usr/bin:/bin:{wires.apptainer.parent}",
        "EWMS_LOCAL_SLOTS": str(N_SLOTS),
        "EWMS_PROTECTED_DIRECTORIES": json.dumps([str(directory) for directory in wires.protected]),
        # The jobs of a killed pool ended with it, so a long search for them finds nothing.
        "EWMS_JOB_LEASE_S": "60",
    }
    if wires.has_accounts:
        told["HOME"] = str(wires.tms_dir)
        if wires.pool == "local":
            told["EWMS_LOCAL_FIRST_ACCOUNT"] = str(wires.first_account)
    if wires.job_holder:
        told["EWMS_LOCAL_HOLDER"] = json.dumps(wires.job_holder)
    if wires.condor_config is not None:
        told["CONDOR_CONFIG"] = str(wires.condor_config)
    return told
