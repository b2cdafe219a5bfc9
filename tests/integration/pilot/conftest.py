"""Fixtures: a workflow of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from tests.integration.pilot.field import Field, opened


@pytest.fixture
async def workflow(rabbitmq: RabbitMQ, data_vhost: str, tmp_path: Path) -> AsyncIterator[Field]:
    """One workflow's queues on a fresh vhost."""
    async with opened(rabbitmq, data_vhost, tmp_path) as field:
        yield field
