"""A node of a tree costs WMS a bounded number of calls of the database."""

from functools import partial

import pytest
from pymongo import AsyncMongoClient

from runtime.kernel import database
from schemas.events import NodeRun
from tests.bench.database_calls import CallCounter
from tests.integration.wms.trees.conftest import TreeWorld

_N_NODES = 8
#: Five changes of the tree, its job and the job's process, two new runs with an id each, and two definitions: 11. One
#: more for the notifications of the job, and one if a step takes longer than half a second.
_MOST = 13
#: What a node causes. WMS also looks around from time to time, whatever its trees do.
_BY_NODES = (
    "update runs",
    "insert runs",
    "findAndModify counters",
    "find templates",
    "find definitions",
    "update run_log",
    "commitTransaction",
)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> CallCounter:
    """Counts the calls of the clients that are made after this."""
    counted = CallCounter()
    monkeypatch.setattr(database, "AsyncMongoClient", partial(AsyncMongoClient, event_listeners=[counted]))
    return counted


async def test_a_node_of_a_chain_costs_few_calls_of_the_database(counter: CallCounter, tree_world: TreeWorld) -> None:
    async def end_at_once(order: NodeRun) -> None:
        await tree_world.worker.end(order)

    tree_world.worker.react = end_at_once
    await tree_world.make_job("build")
    chain = [
        {"identifier": f"n{n}", "template": "build", "success": [f"n{n + 1}"] if n + 1 < _N_NODES else []}
        for n in range(_N_NODES)
    ]
    template = await tree_world.make_tree(chain)
    counter.calls.clear()
    run = await tree_world.until_over(await tree_world.launch(template.id))
    calls = {each: counter.calls[each] for each in _BY_NODES}
    assert run.status == "successful"
    # The launch, its row in the activity log and the turn of the template come once.
    assert sum(calls.values()) <= _MOST * _N_NODES + 8, calls
