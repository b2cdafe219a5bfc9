"""Store the events from outside that end a node's wait, and find the nodes that wait for them."""

from typing import Any

from runtime.kernel.store import Store
from schemas.engine.run_documents import INPUTS, RUNS, InputDocument
from schemas.engine.runs import NodeState, NodeStatus
from schemas.ids import NodeKey, RunId


async def keep_input(store: Store, given: InputDocument) -> InputDocument:
    """Store an event from outside, and return it. If an event of this id is stored already, return that one."""
    await store.insert_new(INPUTS, [{"_id": given.id, **given.model_dump()}])
    found = await store.find(INPUTS, {"_id": given.id}, limit=1)
    return InputDocument.model_validate(found[0]) if found else given


async def find_early_input(store: Store, organization: str, name: str, correlation: str) -> InputDocument | None:
    """Return the first event of this name and correlation that no node has consumed. Return None if there is none."""
    query = {"organization": organization, "name": name, "correlation": correlation, "consumed_by": None}
    found = await store.find(INPUTS, query, sort=[("at", 1)], limit=1)
    return InputDocument.model_validate(found[0]) if found else None


async def find_consumer(store: Store, given: InputDocument) -> tuple[RunId, NodeKey] | None:
    """Return the run and the node whose wait an event has ended. Return None if it has ended none."""
    ended = {"wait.name": given.name, "wait.correlation": given.correlation, "wait.answered_by": given.id}
    query = {"nodes.wait.name": given.name, "nodes": {"$elemMatch": ended}}
    found = await store.find(RUNS, query, limit=1, projection={"nodes": {"$elemMatch": ended}})
    return (RunId(found[0]["_id"]), NodeKey(found[0]["nodes"][0]["key"])) if found else None


async def note_consumption(store: Store, input_id: str, run_id: RunId, node: str) -> None:
    """Store which node has consumed an event."""
    await store.bulk_update(INPUTS, [({"_id": input_id}, {"$set": {"consumed_by": (run_id, node)}})])


async def find_waiting_nodes(
    store: Store, organization: str, name: str, correlation: str
) -> list[tuple[RunId, NodeState]]:
    """Return the nodes in runs of this organization that wait for an event of this name and correlation, with their
    runs.
    """
    wanted: dict[str, Any] = {
        "status": NodeStatus.WAITING,
        "wait.kind": "event",
        "wait.name": name,
        "wait.correlation": correlation,
    }
    # A run without an organization has no such field.
    query = {"organization": organization or None, "nodes.wait.name": name, "nodes": {"$elemMatch": wanted}}
    found = await store.find(RUNS, query, projection={"nodes": {"$elemMatch": wanted}})
    return [(RunId(run["_id"]), NodeState.model_validate(run["nodes"][0])) for run in found]
