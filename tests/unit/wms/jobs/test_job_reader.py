"""A job says why it waits."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from schemas.automation.jobs import JOB_DEFINITION, JobDocument, JobStrategy
from schemas.engine.graph import DefinitionKind
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeState, NodeStatus, RunStatus
from schemas.fleet.documents import WORKFLOWS
from schemas.ids import DefinitionHash, RunId
from tests.unit.wms.jobs.making import JOB
from wms.jobs.job_reader import HostJobReader, find_revision
from wms.jobs.plans.job_graph import make_job_definition
from wms.jobs.stored.work_store import WorkStore

CAUSE = {"cause": "no-slot", "text": "no slot fits", "command": "ewms ...", "task_id": "TD-1", "n_events": 3}
STALLED = {"_id": "WF-1", "deactivated": None, "stalled": {"since": 1.0, "causes": [CAUSE, CAUSE]}}


def make_job_run(status: RunStatus, explanation: str = "") -> RunDocument:
    """Return the run of a job whose only node has the workflow WF-1."""
    _, definition = make_job_definition(1, 1, JobStrategy.LINEAR, "patch")
    node = definition.graph.nodes[0]
    return RunDocument(
        id=RunId(7),
        uuid=JOB,
        kind=DefinitionKind.CATALOGUE,
        definition=JOB_DEFINITION,
        definition_hash=DefinitionHash("h"),
        pool="",
        graph=definition.graph,
        nodes=(NodeState(key=node.key, status=NodeStatus.WAITING, workflow_id="WF-1"),),
        status=status,
        explanation=explanation,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )


READABLE = cast("WorkStore", SimpleNamespace(unreadable={}))


class Around:
    """The store of one job."""

    def __init__(self, run: RunDocument, workflows: list[dict[str, Any]]) -> None:
        self.store = self
        self.run = run
        self.workflows = workflows

    async def find(self, collection: str, query: Any, **_: Any) -> list[Any]:
        if collection == WORKFLOWS:
            assert query["_id"] == {"$in": ["WF-1"]}
            return self.workflows
        return [{**self.run.model_dump(), "_id": self.run.id}]

    async def count(self, *_: Any) -> int:
        return 1

    async def count_results(self, *_: Any) -> tuple[dict[Any, int], list[dict[Any, int]]]:
        return {}, [{}]


@pytest.mark.parametrize(
    ("run", "workflows", "explanation"),
    [
        (make_job_run(RunStatus.RUNNING), [STALLED], "no slot fits"),
        (make_job_run(RunStatus.RUNNING), [STALLED | {"deactivated": "FINISHED"}], ""),
        (make_job_run(RunStatus.RUNNING), [], ""),
        (
            make_job_run(RunStatus.FAILED, "it failed on 1 of 3 hosts"),
            [STALLED],
            "it failed on 1 of 3 hosts",
        ),
    ],
)
async def test_a_job_that_waits_says_why(run: RunDocument, workflows: list[dict[str, Any]], explanation: str) -> None:
    job = cast("JobDocument", SimpleNamespace(id=7, uuid=JOB, tasks=(SimpleNamespace(name="patch"),)))
    view = await HostJobReader(cast("Any", Around(run, workflows)), READABLE).view_job(job)
    assert view.explanation == explanation
    unstalled = await HostJobReader(cast("Any", Around(run, [])), READABLE).view_job(job)
    assert (find_revision(view) == find_revision(unstalled)) is (view.explanation == unstalled.explanation)


async def test_a_job_whose_work_cannot_be_read_says_so_until_it_is_over() -> None:
    job = cast("JobDocument", SimpleNamespace(id=7, uuid=JOB, tasks=(SimpleNamespace(name="patch"),)))
    works = cast("WorkStore", SimpleNamespace(unreadable={JOB: "WMS cannot read it"}))
    for status, shown in ((RunStatus.RUNNING, True), (RunStatus.CANCELED, False)):
        around = cast("Any", Around(make_job_run(status), []))
        assert ("WMS cannot read it" in (await HostJobReader(around, works).view_job(job)).explanation) is shown
