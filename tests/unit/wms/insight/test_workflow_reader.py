"""Who asks at the same time shares one reading, and the shape of a workflow needs no count of its queues."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from runtime.bus.questions import Asks
from schemas.errors import Unavailable
from schemas.questions.queues import DepthsAnswer
from tests.unit.wms.insight.test_workflow_graph import make_world
from wms.fleet.ownership import Access
from wms.fleet.reading.object_reader import ObjectReader
from wms.insight.workflow_reader import WorkflowReader

ROOT = Access("root", everything=True)
WORLD = make_world()


class Parts:
    """Stands for the database and MQS, and notes what is asked of them."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.asked: list[str] = []
        self.is_away = is_away
        reads = SimpleNamespace(
            get_workflow=self.get_workflow, list_tasks=self.list_tasks, list_taskforces=self.list_taskforces
        )
        self.reader = WorkflowReader(cast(ObjectReader, reads), cast(Asks, self))

    async def get_workflow(self, *_: Any) -> Any:
        return WORLD.workflow

    async def list_tasks(self, _: Any) -> Any:
        self.asked.append("tasks")
        return WORLD.tasks

    async def list_taskforces(self, _: Any) -> Any:
        await asyncio.sleep(0)
        return []

    async def ask(self, *_: Any, **__: Any) -> DepthsAnswer:
        self.asked.append("depths")
        await asyncio.sleep(0)
        if self.is_away:
            raise Unavailable("MQS does not answer")
        return DepthsAnswer(queues=[], n_dead=7)


async def test_the_shape_is_read_without_a_count_and_shared_with_a_whole_reading() -> None:
    parts = Parts()
    shape, whole, again = await asyncio.gather(
        *(parts.reader.read_workflow("WF-1", ROOT, counts=counts) for counts in (False, True, True))
    )
    assert sorted(parts.asked) == ["depths", "tasks"]
    assert (shape.depths, shape.unseen) == (None, "")
    assert whole.depths is not None
    assert (whole.depths.n_dead, whole.tasks, again) == (7, shape.tasks, whole)


async def test_nobody_counts_the_queues_for_the_shape_alone() -> None:
    parts = Parts()
    await parts.reader.read_workflow("WF-1", ROOT, counts=False)
    assert parts.asked == ["tasks"]


async def test_a_workflow_whose_queues_cannot_be_counted_says_why() -> None:
    seen = await Parts(is_away=True).reader.read_workflow("WF-1", ROOT)
    assert (seen.depths, seen.unseen, seen.tasks) == (None, "MQS does not answer", WORLD.tasks)
