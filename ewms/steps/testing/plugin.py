"""A pytest plugin: the fixture `rehearsal`, and the option that runs the same tests on a running system.

    # conftest.py
    pytest_plugins = ["ewms.steps.testing.plugin"]

    pytest                                                a rehearsal: no server
    pytest --ewms-engine http://127.0.0.1:8080            the server there; EWMS_TOKEN or --ewms-token-file opens it
    pytest --ewms-engine here                             the server of `ewms up`, or that of EWMS_GATEWAY

On a running system, the plugin skips a test that needs a rehearsal, for example one that moves the clock.
"""

from collections.abc import Generator, Iterator

import pytest

from ewms.client import Client
from ewms.steps.testing.live import LiveRehearsal
from ewms.steps.testing.live_process import OnlyInRehearsal
from ewms.steps.testing.rehearsal import Rehearsal

_HERE = "here"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options `--ewms-engine` and `--ewms-token-file`."""
    group = parser.getgroup("ewms", "step lists of EWMS")
    group.addoption(
        "--ewms-engine",
        metavar="URL",
        help="run the tests of step lists on this server, and not in a rehearsal; 'here': the server of `ewms up`",
    )
    group.addoption("--ewms-token-file", metavar="FILE", help="the file that holds the token for --ewms-engine")


@pytest.fixture
def rehearsal(request: pytest.FixtureRequest) -> Iterator[Rehearsal | LiveRehearsal]:
    """The object that runs step lists in a test: in memory, or on the server of `--ewms-engine`."""
    address = request.config.getoption("--ewms-engine")
    if not address:
        yield Rehearsal()
        return
    token_file = request.config.getoption("--ewms-token-file")
    with Client(None if address == _HERE else address, token_file=token_file) as client:
        yield LiveRehearsal(client)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Skip a test that raises OnlyInRehearsal."""
    try:
        yield
    except OnlyInRehearsal as error:
        pytest.skip(str(error))
