"""Fixtures: one set of real servers a session, started when a test first asks; fresh names within them a test."""

import contextlib
import gc
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from xdist.remote import Producer
from xdist.workermanage import WorkerController

from deploy.local.choices.prerequisites import check_machine
from deploy.local.fetch.cache import Installed, cache_directory, prepare_cache
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.broker_admin import BrokerAdmin
from deploy.local.servers.condor import use_config
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.servers.rabbitmq import RabbitMQ
from deploy.local.system.services import Servers, Services, running_services
from tests.certificates import load_certificates_once
from tests.examples import constants_unread, register_profiles
from tests.kept_databases import KeptDatabase, KeptDatabases
from tests.kept_vhosts import KeptVhosts
from tests.limits import find_unlimited, repeat_alarm
from tests.memory_servers import data_in_memory
from tests.route_patterns import compile_paths_once
from tests.scheduling import PARTS, DurationRecorder, LongestFirst, is_in_part, load_durations, sort_longest_first
from tests.second_look import FailureRecorder

# A run in the background (`make test &`) ignores SIGINT, and whatever a test starts would ignore it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nearly all that pytest imports and collects stays, so collecting garbage meanwhile is a third of its CPU for nothing.
gc.disable()

register_profiles()
load_certificates_once()
compile_paths_once()

# Several brokers share the cores with everything else, and with more than one scheduler each they would starve.
os.environ.setdefault("EWMS_BROKER_SCHEDULERS", "1")

#: The key under which a worker gets the seconds that each group of tests takes.
DURATIONS = "ewms-durations"

PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--services",
        choices=("local", "containers"),
        default="local",
        help="where RabbitMQ and MongoDB run: child processes (default) or containers (needs a container engine)",
    )
    parser.addoption(
        "--record-durations",
        action="store_true",
        help="after a whole run, write how long each group of tests took to tests/data/durations.json",
    )
    parser.addoption(
        "--part",
        choices=PARTS,
        default=None,
        help="run only the tests that need no service, or only the others (default: both)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--services") == "containers":
        # Imported only where asked for: loading the engine's client takes half a second.
        from tests.containers import check_engine

        check_engine()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    part = config.getoption("--part")
    path = collection_path.relative_to(config.rootpath).as_posix()
    return True if part and not is_in_part(path, part) else None


def pytest_configure_node(node: WorkerController) -> None:
    # All workers need the same order, and another run that ends meanwhile changes the record on disk.
    node.workerinput[DURATIONS] = load_durations(node.config)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LongestFirst:
    config.pluginmanager.register(DurationRecorder(config))
    config.pluginmanager.register(FailureRecorder(config))
    return LongestFirst(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, None, None]:
    with constants_unread():
        yield
    # A debugger waits for a person.
    if not config.getoption("--pdb") and (unlimited := find_unlimited(config, items)):
        raise pytest.UsageError(
            f"{len(unlimited)} tests have no time limit, {unlimited[0]} among them. "
            "Give each a limit above 0: the option --timeout, the mark `timeout`, or `timeout` in pyproject.toml."
        )
    if hasattr(config, "workerinput"):
        sort_longest_first(items, config.workerinput[DURATIONS])


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    # The modules and tests of a whole run are 340 000 objects. Every full garbage collection would look at all of them:
    # that was a sixth of the CPU of a test that starts WMS.
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer() -> Generator[None, object, object]:
    is_set = yield
    repeat_alarm()
    return is_set


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what clients and launchers remember out of the developer's home, also in processes that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("EWMS_STATE_DIR", raising=False)
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        # CI sets it. A user's commands write through buffers, whose last flush may fail.
        patch.delenv("PYTHONUNBUFFERED", raising=False)
        # The tests' own clients reach nothing but loopback.
        for name in PROXIES:
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        yield


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers | None]:
    """How broker and store run: `None` for the unpacked ones of the cache, with their data on disk."""
    if request.config.getoption("--services") == "local":
        with data_in_memory(request.getfixturevalue("installed")) as in_memory:
            yield in_memory
        return
    from tests.containers import Containers

    containers = Containers()
    yield containers
    containers.remove()


@pytest.fixture(scope="session")
def installed(request: pytest.FixtureRequest) -> Installed:
    """The unpacked servers; a machine that cannot have the right versions fails here, it never skips."""
    check_machine()
    capture = request.config.pluginmanager.getplugin("capturemanager")
    # Filling the cache takes a minute; whoever waits is to see what for.
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        return prepare_cache(
            cache_directory(os.environ), Console(stderr=True), mirror=os.environ.get("EWMS_DEBIAN_MIRROR")
        )


@pytest.fixture(scope="session")
def tests_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of all tests' directories. Accounts of tasks pass through it to what a test opens for them."""
    directory = tmp_path_factory.getbasetemp()
    directory.chmod(0o711)
    return directory


@pytest.fixture(scope="session")
def services(
    installed: Installed, servers: Servers | None, request: pytest.FixtureRequest, tests_directory: Path
) -> Iterator[Services]:
    """MongoDB, RabbitMQ and HTCondor, running; their logs are kept when a test has failed."""
    with (
        run_directory(keep_logs=lambda: request.session.testsfailed > 0) as run,
        running_services(
            installed, run, servers=servers, readable=[Path(__file__).parent], shared=[tests_directory]
        ) as started,
    ):
        yield started


@pytest.fixture(scope="session")
def mongo_admin_url(services: Services) -> str:
    """The address of the replica set for who may do everything there."""
    return services.mongodb.url(ADMIN)


@pytest.fixture(scope="session")
def rabbitmq(services: Services) -> RabbitMQ:
    """The broker: addresses for each of its users, and the key that signs tokens it believes."""
    return services.rabbitmq


@pytest.fixture
def condor(services: Services) -> Path:
    """The pool's configuration file; `CONDOR_CONFIG` of this process points at it for the test."""
    assert services.condor is not None
    # The bindings know one pool at a time, and a test before may have used that of a whole system.
    use_config(services.condor.config)
    return services.condor.config


@pytest.fixture(scope="session")
def kept_databases(services: Services) -> Iterator[KeptDatabases]:
    """The databases that tests of WMS and MQS use one after the other."""
    databases = KeptDatabases(services.mongodb)
    yield databases
    databases.close()


@pytest.fixture
def database_of() -> str:
    """The service whose collections the test's database may have from tests before; "": the test has a new database."""
    return ""


@pytest.fixture
def kept_database(kept_databases: KeptDatabases, database_of: str) -> Iterator[KeptDatabase]:
    """An empty database, and an account for it."""
    database = kept_databases.take_database(database_of)
    yield database
    kept_databases.return_database(database_of, database)


@pytest.fixture
def mongo_database(kept_database: KeptDatabase) -> str:
    """The name of an empty database."""
    return kept_database.name


@pytest.fixture
def mongo_url(kept_database: KeptDatabase) -> str:
    """The address of the replica set for an account with a service's rights, which end with `mongo_database`."""
    return kept_database.url


@pytest.fixture(scope="session")
def broker_admin(rabbitmq: RabbitMQ) -> Iterator[BrokerAdmin]:
    """The broker's management API, as its administrator."""
    with BrokerAdmin(rabbitmq.management_url("admin")) as admin:
        yield admin


@pytest.fixture(scope="session")
def kept_vhosts(rabbitmq: RabbitMQ, broker_admin: BrokerAdmin) -> KeptVhosts:
    """The control vhosts that tests use one after the other. They go with their broker."""
    return KeptVhosts(broker_admin, list(rabbitmq.users))


@pytest.fixture(scope="session")
def kept_data_vhosts(rabbitmq: RabbitMQ, broker_admin: BrokerAdmin) -> KeptVhosts:
    """The data vhosts that tests use one after the other. They go with their broker."""
    return KeptVhosts(broker_admin, list(rabbitmq.users), has_events=True)


@pytest.fixture
def keeps_vhost() -> bool:
    """Whether the test's vhosts may be those of tests before, emptied. Otherwise they are new.

    A control vhost may have the inboxes of tests before.
    """
    return False


@pytest.fixture
def control_vhost(broker_admin: BrokerAdmin, keeps_vhost: bool, kept_vhosts: KeptVhosts) -> Iterator[str]:
    """A control vhost with the rights of a real system, without messages.

    Example: `rabbitmq.amqp_url("wms", control_vhost)`.
    """
    yield from _lend_vhost(broker_admin, kept_vhosts, keeps_vhost=keeps_vhost)


@pytest.fixture
def data_vhost(broker_admin: BrokerAdmin, keeps_vhost: bool, kept_data_vhosts: KeptVhosts) -> Iterator[str]:
    """An empty data vhost with the rights of a real system.

    Example: `rabbitmq.amqp_url("mqs", data_vhost)`.
    """
    yield from _lend_vhost(broker_admin, kept_data_vhosts, keeps_vhost=keeps_vhost)


def _lend_vhost(broker_admin: BrokerAdmin, vhosts: KeptVhosts, *, keeps_vhost: bool) -> Iterator[str]:
    if keeps_vhost:
        vhost = vhosts.take_vhost()
        yield vhost
        vhosts.return_vhost(vhost)
        return
    vhost = vhosts.add_vhost()
    yield vhost
    broker_admin.remove_vhost(vhost)
