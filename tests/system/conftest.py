"""The whole system on real services, started once for all system tests; each test brings its own workflow.

stack    as `make up` starts it, with HTCondor
chosen   with everything otherwise that a script can choose, with the local pool, which is up sooner
steps    with a step worker that offers the examples, and a builder, with the local pool (`with_worker`)
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext
from rich.console import Console

from deploy.local.choices.ports import free_ports
from deploy.local.fetch import packages
from deploy.local.fetch.cache import Installed, cache_directory, prepare_cache
from deploy.local.files.run_directory import run_directory
from deploy.local.files.secret_files import make_key_pair
from deploy.local.system.services import Servers
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.page.building import PackagesAway, PageLeftOut, build_page
from ewms import Client, Task, Workflow
from tests.system.browser import running_browser

CLUSTER = "local"

#: An operator's document in place of ours.
DOCUMENT = {"openapi": "3.1.0", "info": {"title": "An operator's own", "version": "7"}, "paths": {}}
#: Locations beside the launcher's own: of each kind, and an alias of one of them and of ours.
LOCATIONS = {
    "grid": {"schedd": "grid.example.org", "served_by": "rest"},
    "GRID": "grid",
    "far": {"schedd": "far.example.org", "served_by": "events"},
    "here": CLUSTER,
}
#: Tags of pilot images that there are.
TAGS = ("1.9.0", "1.10.0", "fix-4f2a1b")


@pytest.fixture(scope="package")
def page_build() -> PageLeftOut | None:
    """Build the web page, which a gateway looks for at its start. Return why it is left out, if it is."""
    try:
        build_page()
    except PageLeftOut as left_out:
        return left_out
    return None


@pytest.fixture(scope="package")
def built_page(page_build: PageLeftOut | None) -> None:
    """The built web page. Skip only where npm's registry cannot be reached."""
    if isinstance(page_build, PackagesAway):
        pytest.skip(f"the web page is left out: {page_build}")
    if page_build is not None:
        raise page_build


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 900})
    yield made
    made.close()


@pytest.fixture(scope="package")
def stack(
    installed: Installed, servers: Servers | None, request: pytest.FixtureRequest, tests_directory: Path
) -> Iterator[Stack]:
    """Everything that `make up` starts, with HTCondor; the developer's own settings stay out.

    Logs are kept when a test has failed.
    """
    with (
        run_directory(keep_logs=lambda: request.session.testsfailed > 0) as run,
        running_stack(
            installed, run, pool="condor", environment=plain_environment(), servers=servers, shared=[tests_directory]
        ) as running,
    ):
        yield running


def plain_environment() -> dict[str, str]:
    """Return this process's environment without the developer's own settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("EWMS_")}


def _choices(directory: Path) -> dict[str, str]:
    (directory / "openapi.json").write_text(json.dumps(DOCUMENT))
    (directory / "clusters.json").write_text(json.dumps(LOCATIONS))
    for tag in TAGS:
        (directory / "images" / f"ewms-pilot:{tag}").mkdir(parents=True)
    keys = make_key_pair(directory, "key")
    gateway_port, amqp_port = free_ports(2)
    return {
        "EWMS_GATEWAY_PORT": str(gateway_port),
        "EWMS_AMQP_PORT": str(amqp_port),
        "EWMS_AUTH": "off",
        "EWMS_MONGO_AUTH": "off",
        "EWMS_LEGACY_CLIENTS": "on",
        "EWMS_CLUSTERS_FILE": str(directory / "clusters.json"),
        "EWMS_IMAGE_DIR": str(directory / "images"),
        "EWMS_OPENAPI_FILE": str(directory / "openapi.json"),
        "EWMS_BROKER_KEY_FILE": str(keys.private),
        "EWMS_BROKER_PUBLIC_KEY_FILE": str(keys.public),
        # Not what the launcher would print: another name of the same address, and of the user.
        "EWMS_BROKER_ADDRESS": f"anybody@localhost:{amqp_port}/ewms",
        # It counts the dead letters of each workflow too.
        "EWMS_BUDGET_QUEUES": "8",
        "EWMS_RETIRE_LOOK_S": "1",
        "EWMS_RETIRE_UNUSED_S": "0.5",
        "EWMS_INDEX_LOOK_S": "2",
    }


@pytest.fixture(scope="package")
def choices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `chosen` is asked for, by variable."""
    return _choices(tmp_path_factory.mktemp("choices"))


@pytest.fixture(scope="package")
def chosen(
    installed: Installed, choices: dict[str, str], request: pytest.FixtureRequest, tests_directory: Path
) -> Iterator[Stack]:
    """The system with other choices than the defaults."""
    with (
        run_directory(keep_logs=lambda: request.session.testsfailed > 0) as run,
        running_stack(
            installed, run, pool="local", environment=plain_environment() | choices, shared=[tests_directory]
        ) as running,
    ):
        yield running


@pytest.fixture(scope="package")
def with_builder(installed: Installed) -> Installed:
    """The unpacked servers, and the programs of the builder."""
    wanted = (*packages.ALL, packages.BUILDER)
    return prepare_cache(
        cache_directory(os.environ), Console(stderr=True), wanted, mirror=os.environ.get("EWMS_DEBIAN_MIRROR")
    )


@pytest.fixture(scope="package")
def with_worker(
    with_builder: Installed,
    servers: Servers | None,
    request: pytest.FixtureRequest,
    tests_directory: Path,
    page_build: PageLeftOut | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """The system with a step worker that offers the examples, and with a builder of images."""
    roots = tmp_path_factory.mktemp("tasks")
    for directory in (roots.parent, roots):
        directory.chmod(0o711)
    with (
        run_directory(keep_logs=lambda: request.session.testsfailed > 0) as run,
        running_stack(
            with_builder,
            run,
            pool="local",
            environment=plain_environment()
            | {"EWMS_NOTIFICATIONS_TO_LOCAL_HOSTS": "true", "EWMS_TASK_ROOTS": json.dumps([str(roots)])},
            servers=servers,
            shared=[tests_directory],
            with_examples=True,
            with_builder=True,
        ) as running,
    ):
        yield running


@pytest.fixture
def ews(chosen: Stack) -> Iterator[Client]:
    """A client without a token."""
    with Client(chosen.gateway, cluster=CLUSTER, timeout=60) as client:
        yield client


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    """A signed-in user's client."""
    with Client(stack.gateway, token=stack.token, cluster=CLUSTER, timeout=60) as ews:
        yield ews


@pytest.fixture
def mended(stack: Stack) -> object:
    """Whatever a test killed and did not start again is started for the next test."""
    yield
    for name in stack.names:
        if not stack.get_child(name).is_running:
            stack.start(name)


def shell_task(script: str, *, inputs: list[str], outputs: list[str], n_workers: int = 4, **pilot: Any) -> Task:
    """Return a task that runs `script` by a shell on the worker itself; `$1` is the infile and `$2` the outfile."""
    return Task(
        image="none",
        args=f"sh -ec '{script}' sh {{{{INFILE}}}} {{{{OUTFILE}}}}",
        inputs=inputs,
        outputs=outputs,
        clusters=[CLUSTER],
        n_workers=n_workers,
        memory="64M",
        disk="64M",
        pilot={"_EWMS_PILOT_CONTAINER_PLATFORM": "none", **pilot},
    )


def one_task(script: str, *, n_workers: int = 4, **pilot: Any) -> Workflow:
    """Return a workflow of one shell task between the public queues `in` and `out`."""
    task = shell_task(script, inputs=["in"], outputs=["out"], n_workers=n_workers, **pilot)
    return Workflow(public=["in", "out"], tasks=[task])
