"""Load and store catalogue tasks. Each change is decided on the stored task, in one transaction that `rev` guards."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runtime.kernel.decision import Decision, Delete, Document, Insert, Update
from runtime.kernel.store import Index, Store, Transaction
from runtime.once import Once
from schemas.automation.catalogue import CATALOGUE_TASKS, CatalogueTask
from schemas.engine.run_documents import COUNTERS
from schemas.errors import Conflict
from schemas.ids import CatalogueTaskId
from wms.audit.audit_log import AuditLog
from wms.catalogue.life.task_acts import describe_task, describe_task_change
from wms.catalogue.life.version_parts import settle_task
from wms.catalogue.task_access import make_absence

INDEXES: Mapping[str, tuple[Index, ...]] = {
    CATALOGUE_TASKS: (
        Index(("organization", "name"), unique=True),
        Index(("visibility", "_id")),
        Index(("is_busy", "_id"), partial={"is_busy": True}),
    )
}

#: Returns a task as it shall be. It may run several times.
Decide = Callable[[CatalogueTask], CatalogueTask]


class TaskStore:
    """The catalogue tasks of one database."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._audit = AuditLog(store)

    async def find_task(self, task_id: CatalogueTaskId) -> CatalogueTask | None:
        """Return the task; None: there is none."""
        found = await self.store.find_one(CATALOGUE_TASKS, {"_id": task_id})
        return None if found is None else parse_task(found)

    async def load_task(self, task_id: CatalogueTaskId) -> CatalogueTask:
        """Return the task.

        Raises:
            NotFound: there is none.
        """
        found = await self.find_task(task_id)
        if found is None:
            raise make_absence(task_id)
        return found

    async def list_tasks(self, query: Mapping[str, Any], **how: Any) -> list[CatalogueTask]:
        """Return the tasks that match `query`; `how` sorts and limits as `Store.find` does."""
        return [parse_task(each) for each in await self.store.find(CATALOGUE_TASKS, dict(query), **how)]

    async def take_task_id(self) -> CatalogueTaskId:
        """Return the next id of a task. No id is used twice."""
        return CatalogueTaskId(await self.store.count_up(COUNTERS, "catalogue_tasks"))

    async def add_task(self, task: CatalogueTask, once: Once | None) -> CatalogueTask:
        """Store a new task; return it, or the one that an earlier request with the same identity made.

        Raises:
            Conflict: the organization has a task of this name, or `once` was used for another request.
        """

        async def step(tx: Transaction) -> Decision:
            await _check_name(tx, task)
            rows = await self._audit.make_inserts(task.owner, [describe_task_change(None, task)])
            return Decision(changes=(Insert(CATALOGUE_TASKS, make_task_document(task)), *rows), answer=task.id)

        decided = await self.store.transact(step, once=once)
        return settle_task(task) if isinstance(decided, Decision) else await self.load_task(decided.answer)

    async def change_task(
        self, task_id: CatalogueTaskId, decide: Decide, once: Once | None = None, *, by: str = ""
    ) -> CatalogueTask:
        """Store what `decide` makes of the task, and return it. A repeated request changes nothing.

        `by` is the person who changes it. Without one, a build has brought news, and the audit log gets no row.

        Raises:
            NotFound: there is no such task.
            Conflict: the organization has another task of this name, or `once` was used for another request.
        """
        after: list[CatalogueTask] = []

        async def step(tx: Transaction) -> Decision:
            found = await tx.find_one(CATALOGUE_TASKS, {"_id": task_id})
            if found is None:
                raise make_absence(task_id)
            before = parse_task(found)
            decided = decide(before)
            if decided == before:
                after[:] = [before]
                return Decision()
            if decided.name != before.name:
                await _check_name(tx, decided)
            after[:] = [settle_task(decided).model_copy(update={"rev": before.rev + 1})]
            facts = [describe_task_change(before, decided)] if by else []
            return Decision(changes=(_make_update(decided), *await self._audit.make_inserts(by, facts)))

        decided = await self.store.transact(step, once=once)
        return after[0] if isinstance(decided, Decision) else await self.load_task(task_id)

    async def delete_task(self, task: CatalogueTask, *, by: str) -> None:
        """Delete a task, as the user `by` asks."""

        async def step(_: Transaction) -> Decision:
            rows = await self._audit.make_inserts(by, [describe_task(task, "delete")])
            return Decision(changes=(Delete(CATALOGUE_TASKS, task.id), *rows))

        await self.store.transact(step)


async def _check_name(tx: Transaction, task: CatalogueTask) -> None:
    query = {"organization": task.organization, "name": task.name, "_id": {"$ne": task.id}}
    known = await tx.find_one(CATALOGUE_TASKS, query, {"_id": 1})
    if known is not None:
        raise Conflict(
            f"organization {task.organization!r} has a task named {task.name!r} already",
            hint="choose another name, or change that task",
        )


def _make_update(task: CatalogueTask) -> Update:
    fields = make_task_document(task)
    kept = {key: value for key, value in fields.items() if key not in ("_id", "rev")}
    unset: Sequence[str] = [name for name in ("look", "ready_version") if name not in fields]
    return Update(CATALOGUE_TASKS, task.id, set=kept, unset=tuple(unset), rev=task.rev)


def make_task_document(task: CatalogueTask) -> Document:
    """Return `task` as MongoDB keeps it."""
    document = settle_task(task).model_dump(exclude_none=True)
    document["_id"] = document.pop("id")
    return document


def parse_task(document: Document) -> CatalogueTask:
    """Return the task that MongoDB keeps as `document`."""
    return CatalogueTask.model_validate({**document, "id": document["_id"]})
