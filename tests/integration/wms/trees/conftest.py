"""Decision trees on a running WMS; a step worker that the test plays does the work of their jobs."""

import asyncio
from typing import Any

import pytest

from schemas.automation.trees import TemplateDocument, TemplateKind
from schemas.engine.graph import BranchingProfile, Definition, Graph
from schemas.engine.run_documents import RunDocument
from schemas.ids import OrganizationId, RunId, TemplateId
from tests.integration.wms.engine.conftest import EngineWorld, connect_worker, engine_world, step
from tests.integration.wms.engine.peers import Worker
from wms.located_text import LocatedDocument
from wms.tenancy.rights import Principal, TenancyRole
from wms.trees.jobs.tree_runs import TreeLaunch
from wms.trees.tree_parts import Trees

__all__ = ["connect_worker", "engine_world"]

NORTH = OrganizationId("default")
ADA = Principal("ada", roles={NORTH: frozenset({TenancyRole.ORG_ADMIN})})
EVE = Principal("eve", roles={NORTH: frozenset({TenancyRole.ORG_ADMIN})})
BOB = Principal("bob", roles={NORTH: frozenset({TenancyRole.ORG_MEMBER})})


class TreeWorld:
    """Ways in, and a step worker that serves one process for each name: its only step is called `do-NAME`."""

    def __init__(self, engine: EngineWorld, worker: Worker) -> None:
        self.engine = engine
        self.worker = worker

    @property
    def trees(self) -> Trees:
        """Return the parts of WMS."""
        return self.engine.wms.trees

    async def make_job(self, name: str, **fields: Any) -> TemplateDocument:
        """Create a job template for the process of this name."""
        raw = {"name": name, "organization": NORTH, "work": {"kind": "process", "definition": name}, **fields}
        return await self.trees.templates.create_template(ADA, TemplateKind.JOB, raw)

    async def make_tree(self, nodes: list[dict[str, Any]], **fields: Any) -> TemplateDocument:
        """Create a workflow job template with this graph."""
        raw = {"name": "release", "organization": NORTH, **fields}
        template = await self.trees.templates.create_template(ADA, TemplateKind.WORKFLOW, raw)
        return await self.trees.nodes.replace_graph(ADA, template.id, LocatedDocument({"nodes": nodes}))

    async def launch(self, template: TemplateId, **extra_vars: Any) -> RunId:
        """Launch a template."""
        run, _ = await self.trees.runs.launch(ADA, template, TreeLaunch(extra_vars=extra_vars))
        return run.id

    async def end(self, name: str, outcome: str = "successful", *, n: int = 1, **fields: Any) -> Any:
        """End the step of the `n`th process of this name; return its order."""
        from schemas.engine.runs import Outcome

        order = await self.worker.hear(f"do-{name}", n=n)
        await self.worker.end(order, Outcome(outcome), **fields)
        return order

    async def show(self, run: RunId) -> str:
        """Return the statuses of a run's nodes by their first letters; P: passed."""
        document = await self.engine.load(run)
        return "".join(state.status[0] if state.status != "passed" else "-" for state in document.nodes)

    async def until_over(self, run: RunId) -> RunDocument:
        """Return a run once it is over."""
        over = ("successful", "failed", "error", "canceled")
        return await self.engine.until(run, lambda document: document.status in over)

    async def until_job(self, run: RunId, place: int) -> RunDocument:
        """Return the job of a node once it is spawned."""
        document = await self.engine.until(run, lambda document: document.nodes[place].child_run is not None)
        child = document.nodes[place].child_run
        assert child is not None
        return await self.engine.load(child)


NAMES = ("build", "test", "deploy", "rollback", "tell")


def define_process(name: str) -> Definition:
    """Return a process of one step, which fails for good when it fails."""
    graph = Graph(profile=BranchingProfile.TREE, nodes=(step(f"do-{name}"),), is_leaf=True)
    return Definition(name=name, graph=graph)


@pytest.fixture
def needs_fleet() -> bool:
    """No workers run: these tests need no MQS and no TMS."""
    return False


@pytest.fixture
async def tree_world(engine_world: EngineWorld) -> TreeWorld:
    """WMS, and a worker with the processes build, test, deploy, rollback and tell."""
    async with asyncio.timeout(60):
        worker = await engine_world.add_worker("w1", *map(define_process, NAMES))
    return TreeWorld(engine_world, worker)
