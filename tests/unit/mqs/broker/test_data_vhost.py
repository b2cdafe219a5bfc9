"""Counts of a broker with several nodes, on a broker of this test's own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from mqs.broker.data_vhost import DataVhost
from mqs.broker.management import Totals
from runtime.amqp import ConnectionLost

QUEUE = "a" + "0" * 20


class Cluster:
    """A broker of several nodes with one queue. It is its own connection, channel and management API."""

    is_connected = True
    is_closed = False

    def __init__(self) -> None:
        self.on_connected: list[Any] = []
        self.totals = {QUEUE: Totals(leader="one")}

    @asynccontextmanager
    async def lend_channel(self) -> AsyncIterator["Cluster"]:
        yield self

    async def queue_declare(self, queue: str, *, passive: bool) -> Any:
        return SimpleNamespace(message_count=0, consumer_count=0)

    async def read_totals(self, queues: Sequence[str] | None = None) -> dict[str, Totals]:
        return dict(self.totals)


def make_vhost() -> tuple[Any, DataVhost]:
    cluster: Any = Cluster()
    return cluster, DataVhost(cluster, cluster, settle_s=0)


async def test_a_queue_that_has_another_leader_begins_another_life() -> None:
    cluster, vhost = make_vhost()
    life, _ = await vhost.count_in_one_life([QUEUE])
    assert (await vhost.count_in_one_life([QUEUE]))[0] == life
    cluster.totals = {QUEUE: Totals(leader="two")}
    with pytest.raises(ConnectionLost, match="moved"):
        await vhost.count_in_one_life([QUEUE])
    assert (await vhost.count_in_one_life([QUEUE]))[0] != life


async def test_a_queue_without_a_leader_is_not_empty() -> None:
    cluster, vhost = make_vhost()
    cluster.totals = {}
    with pytest.raises(ConnectionLost, match="no leader"):
        await vhost.count_in_one_life([QUEUE])
