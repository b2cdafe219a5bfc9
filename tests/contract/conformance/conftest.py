"""The system with two schedds served over REST, once; each test under both of the contract's prefixes."""

from collections.abc import Iterator

import httpx2
import pytest

from deploy.local.stack import Stack
from tests import contractstack
from tests.contract.conformance.world import World

#: One system for the tests of this package.
contract_stack = contractstack.contract_stack
pilot_images = contractstack.pilot_images


@pytest.fixture(scope="package")
def http(contract_stack: Stack) -> Iterator[httpx2.Client]:
    """A client of the gateway."""
    with httpx2.Client(base_url=contract_stack.gateway, timeout=60) as client:
        yield client


@pytest.fixture(params=["/v1", "/v0"])
def prefix(request: pytest.FixtureRequest) -> str:
    """What stands in front of every route: both lead to the same."""
    found: str = request.param
    return found


@pytest.fixture
def world(contract_stack: Stack, http: httpx2.Client, prefix: str) -> Iterator[World]:
    """The running system; what the test makes is ended after it."""
    made = World(contract_stack, http, prefix)
    yield made
    made.clear()
