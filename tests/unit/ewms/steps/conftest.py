"""What tests of step lists share: what one of them defines, registers and sets is gone after it."""

from collections.abc import Iterator

import pytest

from ewms.steps import SUBSCRIPTION_MODEL_REGISTRY
from ewms.steps.gates import WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS, WF_USABLE_MAP, WF_USABLE_WHILE_OUT_OF_SYNC
from ewms.steps.testing import Rehearsal, keep_definitions, keep_registrations


@pytest.fixture(autouse=True)
def kept_registries() -> Iterator[None]:
    with keep_definitions(), keep_registrations():
        yield
    for store in (SUBSCRIPTION_MODEL_REGISTRY, WF_USABLE_MAP, WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS):
        store.clear()  # type: ignore[attr-defined]  # each is a dictionary
    WF_USABLE_WHILE_OUT_OF_SYNC.clear()


@pytest.fixture
def rehearsal() -> Rehearsal:
    return Rehearsal()
