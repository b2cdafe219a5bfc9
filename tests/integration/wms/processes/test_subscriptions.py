"""Subscriptions on a real MongoDB: who sees them, their relations, pages of them, the gate, and setting one in sync."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from runtime.clock import stored_now
from runtime.kernel.store import Decision, Store, Transaction
from schemas.engine.graph import Definition, make_chain
from schemas.engine.runs import NodeStatus, RunStatus
from schemas.engine.start_gates import GateSettings
from schemas.engine.subscriptions import SubscriptionDocument, SubscriptionLifecycle
from schemas.errors import NotFound, Unprocessable
from tests.source_conformance import NODE, PORT, make_block, make_subscription
from tests.unit.wms.processes.process_runs import make_process
from wms.engine import repository
from wms.processes.subscriptions import products as product_store
from wms.processes.subscriptions import subscription_store
from wms.processes.subscriptions.products import Products
from wms.processes.subscriptions.start_gate import StartGate
from wms.processes.subscriptions.subscription_documents import make_insert
from wms.processes.subscriptions.subscription_filters import make_customers_query, parse_subscription_page
from wms.processes.subscriptions.subscription_reader import SubscriptionReader
from wms.processes.subscriptions.subscription_store import Subscriptions

ALL: dict[str, Any] = {}
ACTIVE = SubscriptionLifecycle.ACTIVE


class Stored:
    """Subscriptions in a database of the test."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.subscriptions = Subscriptions(store)
        self.products = Products(store)
        self.reader = SubscriptionReader(store, self.subscriptions)
        self.gate = StartGate(self.subscriptions, self.products)

    async def add(self, *subscriptions: SubscriptionDocument) -> None:
        """Store subscriptions."""

        async def step(_: Transaction) -> Decision:
            return Decision(changes=tuple(make_insert(one, stored_now()) for one in subscriptions))

        await self.store.transact(step)

    async def add_pair(self, **node: Any) -> None:
        """Store a node, subscription 1, and a port on it, subscription 2."""
        reference = make_block(11, 1) | {"is_reference": True}
        port = {"port": make_block(21, 2, vlan=12, node=reference)}
        head = {"status": ACTIVE, "insync": True}
        await self.add(
            make_subscription(1, **{**head, "values": {"node": make_block(11, 1, name="ams-1")}, **node}),
            make_subscription(2, PORT, **head, values=port, depends_on=(UUID(int=1),)).model_copy(
                update={"customer_id": "d"}
            ),
        )

    async def define(self, name: str, target: str) -> Definition:
        """Register a workflow that is attached to nodes."""
        graph = make_chain(())
        made = Definition(name=name, graph=graph, target=target, tag="Node", search_phrase="Node Enrollment%")
        await repository.store_definition(self.store, made, made.hash, stored_now())
        return made

    async def add_process(self, number: int, status: RunStatus, target: str) -> None:
        """Store a process on subscription 1."""
        nodes = [NodeStatus.HALTED] + [NodeStatus.PENDING] * 3
        state = {"workflow_target": target, "subscription_id": str(UUID(int=1))}
        run = make_process(nodes, status, state=state)
        document = repository.make_document(run) | {"_id": number, "uuid": f"process-{number}"}
        await self.store.insert_new("runs", [document])


@pytest.fixture
async def stored(mongo_url: str, mongo_database: str) -> AsyncIterator[Stored]:
    store = await Store.connect(mongo_url, database=mongo_database, source="ewms/test")
    await store.ensure_indexes({**subscription_store.INDEXES, **product_store.INDEXES})
    yield Stored(store)
    await store.close()


async def test_relations_and_nested_references_are_computed_in_both_directions(stored: Stored) -> None:
    await stored.add_pair()

    node = await stored.reader.describe_subscription(UUID(int=1), ALL)
    port = await stored.reader.describe_subscription(UUID(int=2), ALL)

    assert (node["depends_on"], node["in_use_by"]) == ([], [str(UUID(int=2))])
    assert (port["depends_on"], port["in_use_by"]) == ([str(UUID(int=1))], [])
    assert port["port"]["node"]["name"] == "ams-1"
    assert port["port"]["node"]["owner_subscription_id"] == str(UUID(int=1))
    assert (await stored.reader.get_subscription(UUID(int=2), ALL)).values["port"]["node"]["is_reference"]


async def test_what_belongs_to_other_customers_does_not_exist(stored: Stored) -> None:
    await stored.add_pair()
    own = make_customers_query({"c"})

    assert (await stored.reader.get_subscription(UUID(int=1), own)).customer_id == "c"
    for refused in (stored.reader.get_subscription, stored.reader.describe_subscription, stored.reader.set_in_sync):
        with pytest.raises(NotFound, match=str(UUID(int=2))):
            await refused(UUID(int=2), own)
    page = await stored.reader.list_page(parse_subscription_page(filters=None, sort=None, page=None), own)
    assert ([one.subscription_id.int for one in page.subscriptions], page.n_all) == ([1], 1)


async def test_a_page_is_filtered_sorted_and_cut(stored: Stored) -> None:
    await stored.add(*(make_subscription(n, description=f"node {n % 3}", values={"vlan": n}) for n in range(1, 31)))

    async def list_numbers(filters: str | None, sort: str | None, page: str | None) -> tuple[list[int], int]:
        wish = parse_subscription_page(filters=filters, sort=sort, page=page)
        found = await stored.reader.list_page(wish, ALL)
        return [one.subscription_id.int for one in found.subscriptions], found.n_all

    assert await list_numbers("description,NODE 1", "subscription_id,desc", "0,2") == ([28, 25, 22], 10)
    assert await list_numbers("values.vlan,7", None, None) == ([7], 1)
    assert await list_numbers("description,node 0,status,active", None, None) == ([], 0)
    assert await list_numbers(None, "description,asc", "28,40") == ([26, 29], 30)


async def test_a_reference_without_its_block_is_told_in_words(stored: Stored) -> None:
    await stored.add_pair(values={})
    with pytest.raises(Unprocessable, match="has no block"):
        await stored.reader.describe_subscription(UUID(int=2), ALL)


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.HALTED, RunStatus.STOPPED, RunStatus.WAITING])
async def test_nobody_sets_a_subscription_in_sync_while_a_process_may_change_it(
    stored: Stored, status: RunStatus
) -> None:
    await stored.add_pair(insync=False)
    await stored.add_process(1, RunStatus.SUCCESSFUL, "CREATE")
    await stored.add_process(2, RunStatus.CANCELED, "MODIFY")
    await stored.add_process(3, RunStatus.HALTED, "SYSTEM")
    await stored.add_process(4, status, "MODIFY")

    with pytest.raises(Unprocessable, match=r"process-4") as caught:
        await stored.reader.set_in_sync(UUID(int=1), ALL)
    assert "process-3" not in caught.value.reason
    await stored.store.compare_and_set("runs", {"_id": 4}, {"$set": {"status": "canceled"}})
    after = await stored.reader.set_in_sync(UUID(int=1), ALL, who="ada")
    assert (after.insync, after.version) == (True, 2)
    assert (await stored.reader.set_in_sync(UUID(int=1), ALL)).version == 2


async def test_the_gate_reads_relations_also_for_a_subscription_that_is_out_of_sync(stored: Stored) -> None:
    await stored.products.register_product(NODE)
    await stored.add_pair(insync=False)
    terminate = await stored.define("terminate_node", "TERMINATE")
    modify = await stored.define("modify_node", "MODIFY")
    await stored.define("validate_node", "SYSTEM")
    await stored.define("create_node", "CREATE")

    exempt = GateSettings(usable_out_of_sync=["terminate_node"])
    [obstacle] = await stored.gate.find_obstacles(terminate, UUID(int=1), exempt)
    assert obstacle.reason == "no_modify_subscription_in_use_by_others"
    assert obstacle.subscription_ids == (UUID(int=2),)
    reasons = [one.reason for one in await stored.gate.find_obstacles(modify, UUID(int=1), GateSettings(), version=7)]
    assert reasons == ["not_in_sync", "stale_version"]
    found = await stored.gate.find_obstacles(modify, UUID(int=2), GateSettings())
    assert [one.reason for one in found] == ["not_attached", "relations_not_in_sync"]
    assert [one.reason for one in await stored.gate.find_obstacles(modify, UUID(int=5), exempt)] == ["not_found"]

    node = await stored.reader.get_subscription(UUID(int=1), ALL)
    listed = await stored.gate.list_workflows(node, {"default": exempt})
    assert {one.definition.name: one.is_usable for one in listed} == {
        "modify_node": False,
        "terminate_node": False,
        "validate_node": True,
    }
