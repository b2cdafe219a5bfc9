"""The system that the fuzzers talk to: that of the conformance suite, as its ordinary user."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import HealthCheck, settings

from deploy.local.system.stack import Stack
from tests import contractstack
from tests.contract.conformance.world import World

#: One system for the tests of this package.
contract_stack = contractstack.contract_stack
pilot_images = contractstack.pilot_images

# The same examples in every `make test`: a change that fails here is the change's fault. `make fuzz` looks further,
# and so does `--hypothesis-seed=N`, which hypothesis itself would not heed where it derandomizes.
_LOOKS_FURTHER = any(word.startswith(("--hypothesis-seed", "--hypothesis-profile=fuzz")) for word in sys.argv)
FUZZ = settings(derandomize=not _LOOKS_FURTHER, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="package")
def world(contract_stack: Stack) -> Iterator[World]:
    """The running system; what the fuzzers make is ended after all of them."""
    with httpx2.Client(base_url=contract_stack.gateway, timeout=60) as http:
        made = World(contract_stack, http, "/v1")
        yield made
        made.clear()


@pytest.fixture(autouse=True)
def _no_defects(contract_stack: Stack, request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in whose time a service's log got a traceback, or a character that is for terminals only."""
    # Shown with a failure.
    seed = request.config.getoption("--hypothesis-seed")
    print(f"seed: {'each test its own, the same in every run' if seed is None else f'--hypothesis-seed={seed}'}")
    logs = {name: contract_stack.logs / f"{name}.log" for name in contract_stack.names if name != "issuer"}
    sizes = {name: _size(path) for name, path in logs.items()}
    yield
    for name, path in logs.items():
        with path.open("rb") as log:
            log.seek(sizes[name])
            said = log.read()
        for defect in (b"Traceback", b"event failed", b'"request failed"', b"\x1b"):
            lines = [line for line in said.splitlines() if defect in line]
            assert not lines, f"{name}: {lines[0][:3000].decode(errors='replace')}"
        assert contract_stack.get_child(name).is_running, f"{name} has ended"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
