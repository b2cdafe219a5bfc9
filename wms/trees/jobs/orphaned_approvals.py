"""Deny the approvals that wait after their template or its node was deleted, as their decision has no use any more.

WMS denies them at once, and a sweep denies what a crash in between has left.
"""

import uuid
from collections.abc import Iterable

from runtime.clock import stored_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.store import Store
from schemas.engine.run_documents import RUNS
from schemas.engine.runs import RUN_OVER, WaitAnswer
from schemas.errors import NotFound
from schemas.ids import RunId, TemplateId
from wms.engine.engine import Engine
from wms.trees.graphs.tree_definitions import WORK, find_template_id, name_definition
from wms.trees.jobs.job_reader import APPROVALS
from wms.trees.templates.template_store import TemplateStore

_SWEEP_S = 10.0
_WHY = "somebody has deleted this approval from its template"


class OrphanedApprovals:
    """Denies approvals whose templates are gone."""

    def __init__(self, engine: Engine, store: Store, templates: TemplateStore, *, sweep_s: float = _SWEEP_S) -> None:
        self._engine = engine
        self._store = store
        self._templates = templates
        templates.on_deleted.append(self._deny_soon)
        self._loop = BackgroundLoop(
            self.sweep, name="orphaned approvals", failed="the sweep of approvals pauses", every_s=sweep_s
        )

    def start(self) -> None:
        """Begin to look for approvals that a crash has left."""
        self._loop.start()

    async def stop(self) -> None:
        """Stop looking."""
        await self._loop.stop()

    def _deny_soon(self, deleted: Iterable[TemplateId], by: str) -> None:
        gone = list(deleted)
        self._engine.effects.begin_task(self._deny_approvals(gone, by), f"approvals of deleted templates {gone}")

    async def sweep(self) -> None:
        """Deny the waiting approvals of all templates that are gone."""
        names = await self._store.distinct(RUNS, "definition", {**APPROVALS, "status": {"$nin": list(RUN_OVER)}})
        waiting = [each for each in map(find_template_id, names) if each is not None]
        there = await self._templates.name_templates(waiting)
        await self._deny_approvals([each for each in waiting if each not in there], "")

    async def _deny_approvals(self, gone: Iterable[TemplateId], by: str) -> None:
        names = [name_definition(each) for each in gone]
        if not names:
            return
        query = {**APPROVALS, "definition": {"$in": names}, "status": {"$nin": list(RUN_OVER)}}
        for found in await self._store.find(RUNS, query, projection={"_id": 1}):
            # The same id each time: a second denial of one approval changes nothing.
            answer_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"orphaned approval {found['_id']}"))
            answer = WaitAnswer(id=answer_id, body={"comment": _WHY}, who=by, at=stored_now(), approved=False)
            try:
                await self._engine.answer_wait(RunId(found["_id"]), WORK, answer)
            except NotFound:  # somebody has deleted the job
                continue
