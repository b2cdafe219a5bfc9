"""Fixtures: a workflow of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from tests.integration.pilot.field import Field, opened


@pytest.fixture
def keeps_vhost() -> bool:
    """The data vhosts of these tests are those of tests before, emptied."""
    return True


@pytest.fixture
def forks_pilots() -> bool:
    """Whether pilots are forks of a process that has imported the pilot. Otherwise each is a start of `python`."""
    return True


@pytest.fixture
async def workflow(rabbitmq: RabbitMQ, data_vhost: str, tmp_path: Path, forks_pilots: bool) -> AsyncIterator[Field]:
    """One workflow's queues on a fresh vhost."""
    async with opened(rabbitmq, data_vhost, tmp_path, forks_pilots=forks_pilots) as field:
        yield field
