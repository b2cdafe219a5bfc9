"""Inventories on a running WMS."""

import pytest


@pytest.fixture
def needs_fleet() -> bool:
    """No workers run: these tests need no MQS and no TMS."""
    return False
