"""Lists, counts and lookups of processes on a real MongoDB agree with what the documents of the processes say."""

import itertools
from typing import Any
from uuid import UUID, uuid4

import pytest

from runtime.kernel.store import Store
from schemas.engine.graph import WaitKind
from schemas.engine.processes import ProcessStatus
from schemas.engine.run_documents import RUNS, RunDocument
from schemas.engine.runs import NodeState, NodeStatus, RunStatus
from schemas.errors import Forbidden, NotFound, Rejected
from schemas.ids import DEFAULT_ORGANIZATION, OrganizationId, RunId, RunUuid
from tests.unit.wms.processes.process_runs import make_error, make_node, make_process
from wms.engine import repository
from wms.processes.process_documents import describe_process
from wms.processes.process_filters import parse_page
from wms.processes.process_reader import ProcessReader
from wms.tenancy.rights import Action, Principal, TenancyRole

N = NodeStatus
ROOT = Principal("root", frozenset({TenancyRole.SUPERUSER}))
ADA = Principal("ada", roles={OrganizationId("north"): frozenset({TenancyRole.ORG_AUDITOR})})
BOB = Principal("bob", roles={DEFAULT_ORGANIZATION: frozenset({TenancyRole.ORG_MEMBER})})


@pytest.fixture
def reader(store: Store) -> ProcessReader:
    return ProcessReader(store)


_IDS = itertools.count(1)


async def put(store: Store, run: RunDocument, **fields: Any) -> RunDocument:
    """Store a run under a new id; return it."""
    made = run.model_copy(update={"id": RunId(next(_IDS)), "uuid": RunUuid(str(uuid4())), **fields})
    await store.insert_new(RUNS, [repository.make_document(made)])
    return made


def every_run() -> list[RunDocument]:
    """Return a run for each way in which a process can stand."""
    second: list[NodeState] = [
        *(make_node(1, N.WAITING, wait=wait) for wait in WaitKind),
        *(make_node(1, N.HALTED, error=make_error(status=s)) for s in ("", "inconsistent_data", "api_unavailable")),
        make_node(1, N.RETRYING),
        make_node(1, N.DUE, attempt=1),
        make_node(1, N.DUE, attempt=2),
        make_node(1, N.TAKEN, attempt=2, n_taken=1),
        make_node(1, N.ERROR, error=make_error("WorkerLost", "gone")),
    ]
    return [make_process([N.SUCCESSFUL, node, N.PENDING, N.PENDING], status) for node in second for status in RunStatus]


async def test_lists_counts_and_documents_agree_about_every_status(store: Store, reader: ProcessReader) -> None:
    runs = [await put(store, run) for run in every_run()]
    expected = {str(run.uuid): describe_process(run, []) for run in runs}
    for status in ProcessStatus:
        page, n = await reader.list_page(parse_page(filters=f"last_status,{status}", sort=None, page="0,249"), ROOT)
        assert {one.process_id for one in page} == {u for u, one in expected.items() if one.status is status}, status
        assert n == len(page)
        for one in page:
            document = expected[one.process_id].model_dump()
            assert one.model_dump() == {name: document[name] for name in one.model_dump()}
    counts = await reader.count_by_status(ROOT)
    assert sum(counts["process_counts"].values()) == len(runs)
    assert counts["task_counts"] == {}


async def test_pages_follow_each_other_without_gap(store: Store, reader: ProcessReader) -> None:
    for n in range(7):
        await put(store, make_process([N.PENDING] * 4, RunStatus.CREATED, owner="abc"[n % 3]))
    seen = []
    for start in (0, 3, 6):
        wish = parse_page(filters=None, sort="creator,asc", page=f"{start},{start + 2}")
        page, n = await reader.list_page(wish, ROOT)
        assert n == 7
        seen += [(one.created_by, -one.run) for one in page]
    assert seen == sorted(seen)
    assert len(seen) == 7


async def test_processes_of_another_organization_do_not_exist(store: Store, reader: ProcessReader) -> None:
    plain = make_process([N.PENDING] * 4, RunStatus.CREATED)
    north = await put(store, plain, organization="north")
    nobodys = await put(store, plain)
    everything = parse_page(filters=None, sort=None, page=None)
    assert [one.process_id for one in (await reader.list_page(everything, ADA))[0]] == [north.uuid]
    assert [one.process_id for one in (await reader.list_page(everything, BOB))[0]] == [nobodys.uuid]
    assert (await reader.list_page(everything, ROOT))[1] == 2
    assert (await reader.count_by_status(ADA))["process_counts"] == {"created": 1}
    assert (await reader.find_process(north.uuid, ADA, Action.SEE_PROCESS)).id == north.id
    with pytest.raises(Forbidden):
        await reader.find_process(north.uuid, ADA, Action.ABORT_PROCESS)
    for process_id in (nobodys.uuid, str(UUID(int=1))):
        with pytest.raises(NotFound, match=f"no process found with id: {process_id}"):
            await reader.find_process(process_id, ADA, Action.SEE_PROCESS)


async def test_children_and_the_history_of_a_subscription_come_in_order(store: Store, reader: ProcessReader) -> None:
    parent = await put(store, make_process([N.PENDING] * 4, RunStatus.CREATED, state={"subscription_id": "s1"}))
    plain = make_process([N.PENDING] * 4, RunStatus.CREATED, subscriptions=("s1", "s2"))
    children = [await put(store, plain, started_by=parent.id) for _ in range(2)]
    await put(store, make_process([N.PENDING] * 4, RunStatus.CREATED))
    assert [one.process_id for one in await reader.list_children(parent)] == [one.uuid for one in children]
    history = await reader.list_of_subscription("s1", ROOT)
    assert [one.process_id for one in history] == [parent.uuid, *(one.uuid for one in children)]
    assert await reader.list_of_subscription("s1", ADA) == []
    found = await reader.find_summaries([parent.id, children[0].id], ROOT)
    assert {one.process_id for one in found} == {parent.uuid, children[0].uuid}


async def test_tasks_are_counted_apart(store: Store, reader: ProcessReader) -> None:
    task = await put(store, make_process([N.PENDING] * 4, RunStatus.CREATED, state={"workflow_target": "SYSTEM"}))
    await put(store, make_process([N.PENDING] * 4, RunStatus.CREATED))
    assert await reader.count_by_status(ROOT) == {"process_counts": {"created": 1}, "task_counts": {"created": 1}}
    page, _ = await reader.list_page(parse_page(filters="is_task,true", sort=None, page=None), ROOT)
    assert [one.process_id for one in page] == [task.uuid]


async def test_a_list_uses_an_index_for_each_status(store: Store) -> None:
    """Counting by status must not read every run."""
    from wms.processes.process_status import make_status_query

    for status in ProcessStatus:
        plan = await store._database.command(
            "explain", {"find": RUNS, "filter": make_status_query(status)}, verbosity="queryPlanner"
        )
        assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"]), status


async def test_an_odd_filter_is_refused_before_the_database_is_asked() -> None:
    with pytest.raises(Rejected, match="'last_status' has no value"):
        parse_page(filters="workflow_name,a,last_status", sort=None, page=None)
