"""Whose job starts next in the local pool."""

import asyncio
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from tests.unit.tms.orders import built
from tms.pools.local.queue import QueuedCluster, choose_cluster


def queued(
    cluster_id: int, submitter: str, *, priority: int = 50, n_running: int = 0, n_cores: int = 1
) -> QueuedCluster:
    spec = replace(built(), submitter=submitter, priority=priority, n_workers=1, n_cores=n_cores)
    cluster = QueuedCluster(cluster_id, spec, datetime(2026, 11, 28, tzinfo=UTC), is_released=True)
    cluster.idle = deque([0])
    cluster.running = dict.fromkeys(range(1, n_running + 1), cast("asyncio.Task[str]", None))
    return cluster


def test_the_submitter_with_the_fewest_busy_cores_comes_first_whatever_others_priorities_say() -> None:
    ada, bob = queued(1, "ada", priority=100, n_running=1), queued(2, "bob", priority=0)
    assert choose_cluster([ada, bob], [ada, bob]) is bob


def test_cores_count_rather_than_jobs_and_those_of_all_clusters() -> None:
    ada, bob = queued(1, "ada", n_running=2), queued(2, "bob")
    wide = queued(3, "bob", n_running=1, n_cores=3)
    assert choose_cluster([ada, bob], [ada, bob, wide]) is ada


def test_among_ones_own_the_highest_priority_then_the_oldest() -> None:
    low, high, later = queued(1, "ada"), queued(2, "ada", priority=60), queued(3, "ada", priority=60)
    assert choose_cluster([low, later, high], [low, high, later]) is high


def test_of_submitters_with_nothing_running_the_one_who_came_first() -> None:
    ada, bob = queued(2, "ada", priority=100), queued(1, "bob")
    assert choose_cluster([ada, bob], [ada, bob]) is bob
