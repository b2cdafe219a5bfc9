"""Queues that MQS begins to create before their reservation is committed."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from mqs.broker.data_vhost import DataVhost
from mqs.groups.early_creation import EarlyCreations
from schemas import ids
from schemas.errors import Unavailable
from schemas.ids import Mqid, WorkflowId

WORKFLOW = WorkflowId("WF-1-00000001")
MQIDS = (ids.mqid(1), ids.mqid(2))


class Broker:
    """A broker that notes what is declared, and is away for the first `n_failures` times."""

    def __init__(self, n_failures: int = 0) -> None:
        self.declared: list[tuple[Mqid, ...]] = []
        self.n_failures = n_failures

    async def declare_queues(self, _: WorkflowId, mqids: Sequence[Mqid]) -> None:
        await asyncio.sleep(0)
        self.declared.append(tuple(mqids))
        if len(self.declared) <= self.n_failures:
            raise Unavailable("the broker is away")


def make_creations(broker: Broker) -> EarlyCreations:
    return EarlyCreations(cast("DataVhost", broker))


async def test_a_creation_that_has_begun_is_finished_and_not_repeated() -> None:
    broker = Broker()
    creations = make_creations(broker)
    creations.begin_creation(WORKFLOW, MQIDS)
    creations.begin_creation(WORKFLOW, MQIDS)
    await creations.finish_creation(WORKFLOW, MQIDS)
    assert broker.declared == [MQIDS]
    assert await creations.take_created(WORKFLOW) == ()


async def test_queues_whose_creation_has_not_begun_are_created() -> None:
    broker = Broker()
    await make_creations(broker).finish_creation(WORKFLOW, MQIDS)
    assert broker.declared == [MQIDS]


async def test_a_creation_that_failed_is_tried_again_and_a_second_failure_is_told() -> None:
    broker = Broker(n_failures=1)
    creations = make_creations(broker)
    creations.begin_creation(WORKFLOW, MQIDS)
    await creations.finish_creation(WORKFLOW, MQIDS)
    assert broker.declared == [MQIDS, MQIDS]

    creations = make_creations(Broker(n_failures=2))
    creations.begin_creation(WORKFLOW, MQIDS)
    with pytest.raises(Unavailable):
        await creations.finish_creation(WORKFLOW, MQIDS)


async def test_what_may_have_been_created_is_told_once_even_after_a_failure() -> None:
    creations = make_creations(Broker(n_failures=1))
    creations.begin_creation(WORKFLOW, MQIDS)
    assert await creations.take_created(WORKFLOW) == MQIDS
    assert await creations.take_created(WORKFLOW) == ()


async def test_a_request_that_comes_again_after_a_failure_begins_again() -> None:
    broker = Broker(n_failures=1)
    creations = make_creations(broker)
    creations.begin_creation(WORKFLOW, MQIDS)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    creations.begin_creation(WORKFLOW, MQIDS)
    await creations.finish_creation(WORKFLOW, MQIDS)
    assert broker.declared == [MQIDS, MQIDS]
