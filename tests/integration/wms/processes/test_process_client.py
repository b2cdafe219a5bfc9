"""The client's face of processes, with and without `await`, against the served dialect."""

import asyncio

import pytest

from ewms.aio import AsyncClient
from ewms.client import Client
from ewms.errors import AlreadyThere, FormNotComplete, NotThere, Refused, TimedOut
from schemas.engine.run_documents import RUNS
from schemas.engine.runs import NodeStatus, RunStatus
from schemas.errors import Conflict, NotFound, Rejected
from tests.integration.wms.processes.conftest import RestWorld
from tests.integration.wms.processes.test_process_routes import FormNotCompleteError, FormValidationError, plain
from tests.unit.wms.processes.process_runs import make_node, make_process, make_row

N = NodeStatus


@pytest.fixture
def ews(rest: RestWorld) -> AsyncClient:
    return AsyncClient(str(rest.http.base_url).rstrip("/"), token="root", timeout=10)


async def test_a_process_is_started_resumed_and_aborted(rest: RestWorld, ews: AsyncClient) -> None:
    async with ews:
        run = await ews.processes.start("create_node", pages=[{"node": "n1"}])
        assert run.id == "5a1c0000-0000-4000-8000-00000000000a"
        await ews.processes.start("check_all")
        stored = await rest.put(plain())
        await ews.processes.get(stored.uuid).resume(pages=[{"a": 1}])
        await ews.processes.get(stored.uuid).abort(reason="enough")
    assert rest.control.calls == [
        ("start", "create_node", [{"node": "n1"}], "root", True),
        ("start", "check_all", [{}], "root", True),
        ("resume", stored.uuid, [{"a": 1}], "root"),
        ("abort", stored.uuid, "root", "enough"),
    ]


async def test_a_form_is_asked_for_page_by_page(rest: RestWorld, ews: AsyncClient) -> None:
    async with ews:
        rest.control.error = FormNotCompleteError("the form asks for another page")
        with pytest.raises(FormNotComplete, match="another page") as asked:
            await ews.processes.start("create_node", pages=[])
        assert asked.value.form == {"type": "object"}
        assert await ews.processes.next_form("create_node") == {"type": "object"}
        rest.control.error = FormValidationError("a page is not valid")
        with pytest.raises(Refused, match="a page is not valid") as refused:
            await ews.processes.start("create_node", pages=[{}])
        assert refused.value.members["validation_errors"] == FormValidationError.members["validation_errors"]
        rest.control.error = None
        assert await ews.processes.next_form("create_node", pages=[{}]) is None


async def test_errors_are_those_of_the_client(rest: RestWorld, ews: AsyncClient) -> None:
    stored = await rest.put(plain())
    async with ews:
        rest.control.error = Conflict("it is running")
        with pytest.raises(AlreadyThere, match="it is running"):
            await ews.processes.get(stored.uuid).resume()
        rest.control.error = NotFound("no definition found with name: nothing")
        with pytest.raises(NotThere, match="no definition found"):
            await ews.processes.start("nothing")
        with pytest.raises(NotThere, match="no process found with id"):
            await ews.processes.get("5a1c0000-0000-4000-8000-0000000000ff").wait()
        with pytest.raises(Refused, match="'colour'"):
            await ews.processes.find({"colour": "red"})
        with pytest.raises(Rejected, match="no comma"):
            await ews.processes.find({"workflow_name": "a,b"})
        with pytest.raises(Rejected, match="no name of a workflow"):
            await ews.processes.start("..")


async def test_wait_returns_when_a_person_has_to_act_or_the_process_is_over(rest: RestWorld, ews: AsyncClient) -> None:
    rows = (make_row(1, None, "created", act="launch"), make_row(2, 0, "successful", started_at=None))
    run = await rest.put(make_process([N.SUCCESSFUL, N.PENDING, N.PENDING, N.PENDING], RunStatus.RUNNING, log=rows))
    async with ews:
        process = ews.processes.get(run.uuid)
        with pytest.raises(TimedOut):
            await process.wait(timeout=0.3)
        waiting = asyncio.create_task(process.wait(timeout=10))
        await rest.store.compare_and_set(RUNS, {"_id": run.id}, {"$set": {"status": "halted"}})
        assert (await waiting).status == "failed"
        assert [step.name for step in await process.log()] == ["Start"]
        (line,) = await ews.processes.find({"last_status": "failed"}, sort="run,asc", n=5)
        assert line.process_id == run.uuid


async def test_the_face_without_await_does_the_same(rest: RestWorld) -> None:
    stored = await rest.put(make_process([N.CANCELED, make_node(1, N.PASSED), N.PASSED, N.PASSED], RunStatus.CANCELED))
    address = str(rest.http.base_url).rstrip("/")

    def use() -> list[str]:
        with Client(address, token="root", timeout=10) as plainly:
            started = plainly.processes.start("create_node", pages=[{}])
            shown = plainly.processes.get(stored.uuid).wait(timeout="5s")
            return [started.id, shown.status, *(one.process_id for one in plainly.processes.find())]

    assert await asyncio.to_thread(use) == ["5a1c0000-0000-4000-8000-00000000000a", "aborted", stored.uuid]
