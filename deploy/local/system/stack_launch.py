"""Start the whole system: the servers, then EWMS's own processes side by side; stop them in the reverse order."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from deploy.local.children import accounts
from deploy.local.children.seclusion import is_covering
from deploy.local.children.side_by_side import ParallelStarts
from deploy.local.choices.launch_options import LaunchOptions, read_launch_options
from deploy.local.choices.numbering import NODE_COUNTS, count_instances, number_names
from deploy.local.choices.ports import Ports, check_chosen
from deploy.local.errors import PortTaken
from deploy.local.fetch.cache import Installed
from deploy.local.fetch.images import UnpackedApptainer
from deploy.local.fetch.on_demand import write_builder_download, write_stand_ins
from deploy.local.fetch.packages import CONTAINERS
from deploy.local.files.run_directory import make_empty
from deploy.local.files.secret_files import load_or_make
from deploy.local.servers.issued_tokens import AUDIENCE, write_issuer
from deploy.local.servers.mongo_accounts import list_databases
from deploy.local.servers.rabbitmq import BrokerPlan
from deploy.local.system.data_directory import DataDirectory
from deploy.local.system.services import IMAGES, Servers, Services, kept_images, running_services
from deploy.local.system.stack import Stack
from deploy.local.system.wiring import (
    EXAMPLES_DIRECTORY,
    SECOND_PORTS,
    BuilderPlaces,
    Endpoints,
    PoolName,
    address_second,
    process_specs,
)
from wms.encryption import make_key

_ATTEMPTS = 3

#: The sub-directories of a run directory besides images: settings with passwords, sockets, logs, jobs' files.
_OF_THE_RUN = ("logs", "condor", *number_names(["rabbitmq", "mongodb"], max(NODE_COUNTS)))


@contextlib.contextmanager
def running_stack(
    installed: Installed,
    run: Path,
    *,
    pool: PoolName,
    environment: Mapping[str, str] = os.environ,
    report_step: Callable[[str], None] = lambda _: None,
    servers: Servers | None = None,
    data: DataDirectory | None = None,
    shared: Iterable[Path] = (),
    hidden: Iterable[Path] = (),
    with_examples: bool = False,
    with_builder: bool = False,
    n_nodes: int = 1,
    before_start: Callable[[Stack], None] = lambda _: None,
) -> Iterator[Stack]:
    """Run the system below `run` for the block. `environment` may set any EWMS_ variable of its processes.

    `servers` starts broker and database; the default starts the programs in the cache. The system continues with the
    `data` of an earlier launch. If `data` is None, the system starts empty, and its data end with `run`.

    The launcher calls `report_step` with a line for each start. Tasks with accounts of their own can use the
    directories `shared`. Tasks that run as an ordinary user cannot see the directories `hidden`. If `with_examples`, a
    step worker calls the functions of the examples in docs/examples. If `with_builder`, a step worker builds the images
    of catalogue tasks. With three nodes (`n_nodes`) of broker and database, there are two of each service. The launcher
    calls `before_start` when the servers run and no process of EWMS does.

    Raises:
        LaunchError: a part did not start. The other parts are stopped, and the error names the log.
    """
    wanted = read_launch_options(environment, n_nodes=n_nodes)
    chosen = {"EWMS_GATEWAY_PORT": wanted.gateway_port, "EWMS_AMQP_PORT": wanted.amqp_port}
    check_chosen(chosen)
    ports = _choose_ports(wanted, data, report_step)
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
                    report_step=report_step,
                    servers=servers,
                    data=data,
                    ports=ports,
                    shared=shared,
                    hidden=hidden,
                    with_examples=with_examples,
                    with_builder=with_builder,
                    before_start=before_start,
                )
            )
        except PortTaken as error:
            check_chosen(chosen)
            if attempt == _ATTEMPTS:
                raise
            report_step(f"another process took a port ({error.what.splitlines()[0]}); starting again with other ports")
        else:
            break
    with stack:
        if data is not None:
            # From here on users may know addresses and tokens of these data.
            facts = replace(data.facts, pool=pool, n_nodes=n_nodes, is_in_use=True, versions=dict(installed.versions))
            data.save_facts(replace(facts, ports={**data.facts.ports, **ports.current}))
        yield system


def _choose_ports(wanted: LaunchOptions, data: DataDirectory | None, report_step: Callable[[str], None]) -> Ports:
    named = {"gateway": wanted.gateway_port, "amqp": wanted.amqp_port}
    return Ports(
        data.facts.ports if data else {},
        asked={name: port for name, port in named.items() if port is not None},
        are_given_out=data is not None and data.facts.is_in_use,
        report=report_step,
    )


@contextlib.contextmanager
def _start_once(
    installed: Installed,
    run: Path,
    *,
    pool: PoolName,
    wanted: LaunchOptions,
    environment: Mapping[str, str],
    report_step: Callable[[str], None],
    servers: Servers | None,
    data: DataDirectory | None,
    ports: Ports,
    shared: Iterable[Path],
    hidden: Iterable[Path],
    with_examples: bool,
    with_builder: bool,
    before_start: Callable[[Stack], None],
) -> Iterator[Stack]:
    several = f" ({wanted.n_nodes} nodes each)" if wanted.n_nodes > 1 else ""
    report_step("starting RabbitMQ, MongoDB" + several + (" and HTCondor" if pool == "condor" else ""))
    with running_services(
        installed,
        run,
        broker=BrokerPlan(tuple(wanted.schedds), wanted.key_files, wanted.channels),
        mongo_auth=wanted.mongo_auth,
        with_condor=pool == "condor",
        n_nodes=wanted.n_nodes,
        servers=servers,
        data=data,
        ports=ports,
        readable=wanted.roots,
        shared=shared,
        hidden=hidden,
    ) as services:
        stack = _build_stack(
            installed,
            services,
            pool,
            wanted,
            environment,
            shared=shared,
            with_examples=with_examples,
            with_builder=with_builder,
        )
        with contextlib.ExitStack() as stopping:
            stopping.callback(stack.stop_all)
            workers = ", and step workers" if with_examples or with_builder else ""
            many = ", two of each" if count_instances(wanted.n_nodes) > 1 else ""
            report_step(f"starting the issuer, MQS, WMS and TMS{workers}{many}")
            before_start(stack)
            # Start all at once: each process waits by itself for the others that it needs.
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
    with_examples: bool,
    with_builder: bool,
) -> Stack:
    # An installed package has no docs beside it.
    with_examples = with_examples and EXAMPLES_DIRECTORY.is_dir()
    workers = [name for name, is_wanted in (("worker", with_examples), ("builder", with_builder)) if is_wanted]
    ports = services.ports.take_ports(("gateway", "issuer", "tms", *workers))
    several = count_instances(wanted.n_nodes) > 1
    issuer = write_issuer(services.data.make_place("secrets", "issuer"), port=ports["issuer"])
    tms_dir = services.data.make_place("tms", pool)
    second_dir = services.data.make_place("tms", "second") if several else None
    secluded = {"tms": _seclude_tms(services, pool, tms_dir, shared)}
    if second_dir is not None:
        secluded["tms-2"] = _seclude_tms(services, "local", second_dir, shared)
    apptainer = _find_apptainer(installed, services.data, environment)
    local_holder = _job_holder(services, apptainer, shared) if pool == "local" or several else []
    job_holder = local_holder if pool == "local" else []
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
        secret_keys=tuple(load_or_make(services.data.secrets / "wms-secret-keys.json", lambda: [make_key()])),
        examples=services.data.make_place("examples") if with_examples else None,
        worker_port=ports.get("worker", 0),
        builder=_prepare_builder(services, environment) if with_builder else None,
        builder_port=ports.get("builder", 0),
        protected=(*_kept_directories(services.data), *(services.logs.parent / name for name in _OF_THE_RUN)),
    )
    if second_dir is not None:
        ports = services.ports.take_ports(SECOND_PORTS)
        wires = replace(wires, second=address_second(wires, ports, tms_dir=second_dir, job_holder=local_holder))
        hides = hides and bool(local_holder)
    processes = process_specs(wires, wanted, environment)
    is_open = services.covered is not None and not hides
    return Stack(services, issuer, pool, wires.gateway, services.logs, wanted, processes, secluded, is_open)


def _kept_directories(data: DataDirectory) -> list[Path]:
    """Return what no task may see of the data: everything but the images of catalogue tasks."""
    return sorted(path for path in data.root.iterdir() if path.name != IMAGES)


def _prepare_builder(services: Services, environment: Mapping[str, str]) -> BuilderPlaces:
    """Make the places of the worker that builds images. If root launches, builds run as an account of their own."""
    data = services.data
    directory = data.make_place("builder")
    programs, download = write_builder_download(make_empty(data.make_place("builder-programs")), environment)
    places = BuilderPlaces(directory, kept_images(data), programs, tuple(download))
    if (secluded := services.secluded) is None:
        return places
    secluded.give_alone(directory, accounts.BUILDER)
    holder = secluded.account_command(accounts.BUILDER, writable=[directory])
    account = secluded.accounts.machine_id(accounts.BUILDER)
    return replace(places, holder=tuple(holder), account=account)


def _job_holder(services: Services, apptainer: Path, shared: Iterable[Path]) -> list[str]:
    """Return the command prefix that hides EWMS's files from a local pilot.

    Return an empty list if pilots have accounts of their own, or if this machine cannot hide files.
    """
    if (covered := services.covered) is None:
        return []
    # The stand-ins for container programs write the programs' path there at the first call.
    words = covered.job_command(writable=[apptainer.parent, *shared])
    return words if is_covering(words, services.logs) else []


def _seclude_tms(services: Services, pool: PoolName, tms_dir: Path, shared: Iterable[Path]) -> list[str]:
    """If tasks have accounts, make TMS's account the owner of `tms_dir`. Return the prefix of TMS's command.

    With the local pool TMS is root among these accounts: TMS gives each pilot another account, which reaches its files
    through TMS's directory.
    """
    if (secluded := services.secluded) is None:
        return []
    account = accounts.TMS if pool == "condor" else accounts.ROOT
    secluded.give_tree(tms_dir, account)
    tms_dir.chmod(0o700 if pool == "condor" else 0o711)
    token = [services.condor.tms_config.parent] if services.condor and pool == "condor" else []
    return secluded.account_command(account, readable=token, writable=[tms_dir, *shared])


def _find_apptainer(installed: Installed, data: DataDirectory, environment: Mapping[str, str]) -> Path:
    if CONTAINERS.name in installed.trees:
        return UnpackedApptainer(installed.containers).program
    return write_stand_ins(make_empty(data.make_place("programs")), environment)
