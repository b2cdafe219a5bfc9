"""The system with two schedds served over REST, once; its tests under both of the contract's prefixes."""

import zlib
from collections.abc import Iterator

import httpx2
import pytest

from deploy.local.system.stack import Stack
from tests import contractstack
from tests.contract.conformance.world import PREFIXES, World

#: Modules whose tests are dealt out to the prefixes: each runs under one of them. Both take the same bodies on these
#: routes, and tests/unit/wms/gateway/test_app.py proves for every route that both lead to the same handler.
UNDER_ONE_PREFIX = {"test_find", "test_mqs_routes", "test_phases", "test_tms_routes"}

#: One system for the tests of this package.
contract_stack = contractstack.contract_stack
pilot_images = contractstack.pilot_images


@pytest.fixture(scope="package")
def http(contract_stack: Stack) -> Iterator[httpx2.Client]:
    """A client of the gateway."""
    with httpx2.Client(base_url=contract_stack.gateway, timeout=60) as client:
        yield client


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test under both prefixes, those of some modules under one, and none that has chosen its own."""
    if "prefix" not in metafunc.fixturenames or has_own_prefix(metafunc):
        return
    module = metafunc.module.__name__.rpartition(".")[2]
    turn = zlib.crc32(metafunc.definition.originalname.encode()) % 2
    metafunc.parametrize("prefix", [PREFIXES[turn]] if module in UNDER_ONE_PREFIX else PREFIXES)


def has_own_prefix(metafunc: pytest.Metafunc) -> bool:
    return any("prefix" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))


@pytest.fixture
def world(contract_stack: Stack, http: httpx2.Client, prefix: str) -> Iterator[World]:
    """The running system; what the test makes is ended after it."""
    made = World(contract_stack, http, prefix)
    yield made
    made.clear()
