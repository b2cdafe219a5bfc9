"""Load and store schedules. A change of a schedule is one write that `rev` guards."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from runtime.kernel.decision import Decision, Delete, Document, Insert, Update, change_filter, update_operators
from runtime.kernel.store import Index, Store, Transaction
from runtime.once import Once
from schemas.automation.schedules import SCHEDULES, ScheduleDocument
from schemas.engine.run_documents import COUNTERS, RUNS
from schemas.engine.runs import RUN_OVER
from schemas.errors import Conflict, NotFound
from schemas.ids import RunId, ScheduleId, TemplateId
from wms.audit.audit_log import AuditLog
from wms.schedules.schedule_changes import describe_change
from wms.trees.template_errors import FieldsRefused

INDEXES: Mapping[str, tuple[Index, ...]] = {
    SCHEDULES: (
        Index(("template", "name"), unique=True),
        Index(("wake_at",), partial={"wake_at": {"$type": "date"}}),
    ),
    # The runs that schedules have launched.
    RUNS: (Index(("occurrence.schedule", "-_id"), partial={"occurrence.schedule": {"$exists": True}}),),
}

#: The fields that a stored schedule lacks where they are None.
_NULLABLE = ("organization", "start_deadline_s", "wake_at", "ends_at", "last")


class ScheduleStore:
    """Reads and writes the schedules of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._audit = AuditLog(store)

    async def find_schedule(self, schedule_id: ScheduleId) -> ScheduleDocument | None:
        """Return the schedule. Return None if there is no such schedule."""
        found = await self._store.find_one(SCHEDULES, {"_id": schedule_id})
        return None if found is None else parse_schedule(found)

    async def load_schedule(self, schedule_id: ScheduleId) -> ScheduleDocument:
        """Return the schedule.

        Raises:
            NotFound: there is no such schedule.
        """
        found = await self.find_schedule(schedule_id)
        if found is None:
            raise NotFound("Not found.")
        return found

    async def list_schedules(self, query: Mapping[str, Any], **how: Any) -> list[ScheduleDocument]:
        """Return the schedules that match `query`; `how` sorts, skips and limits as `Store.find` does."""
        return [parse_schedule(each) for each in await self._store.find(SCHEDULES, dict(query), **how)]

    async def find_next_runs(self, templates: Iterable[TemplateId]) -> dict[TemplateId, datetime]:
        """Return the earliest next occurrence of the schedules of each of `templates`. Leave out those without one."""
        # A disabled schedule has no such time.
        query = {"template": {"$in": sorted(set(templates))}, "wake_at": {"$type": "date"}}
        pipeline: list[dict[str, Any]] = [
            {"$match": query},
            {"$group": {"_id": "$template", "next": {"$min": "$wake_at"}}},
        ]
        return {TemplateId(each["_id"]): each["next"] for each in await self._store.aggregate(SCHEDULES, pipeline)}

    async def find_running(self, schedule_id: ScheduleId, *, but_for: datetime) -> RunId | None:
        """Return a job of the schedule that is not over, but not the one for the occurrence `but_for`."""
        query = {
            "occurrence.schedule": schedule_id,
            "occurrence.at": {"$ne": but_for},
            "status": {"$nin": list(RUN_OVER)},
        }
        found = await self._store.find_one(RUNS, query)
        return None if found is None else RunId(found["_id"])

    async def count_schedules(self, query: Mapping[str, Any]) -> int:
        """Return how many schedules match `query`."""
        return await self._store.count(SCHEDULES, query)

    async def take_schedule_id(self) -> ScheduleId:
        """Return the next id of a schedule."""
        return ScheduleId(await self._store.count_up(COUNTERS, "schedules"))

    async def add_schedule(self, schedule: ScheduleDocument, once: Once | None) -> ScheduleDocument:
        """Store a new schedule, and return it. If an earlier request with the identity `once` made one, return that
        one.

        Raises:
            FieldsRefused: another schedule of the template has the name.
            Conflict: `once` was used for another request.
        """

        async def step(tx: Transaction) -> Decision:
            await _check_name(tx, schedule)
            rows = await self._audit.make_inserts(schedule.modified_by, describe_change(None, schedule))
            made = Insert(SCHEDULES, make_schedule_document(schedule))
            return Decision(changes=(made, *rows), answer=schedule.id)

        decided = await self._store.transact(step, once=once)
        return schedule if isinstance(decided, Decision) else await self.load_schedule(decided.answer)

    async def change_schedule(self, schedule: ScheduleDocument) -> ScheduleDocument:
        """Store a changed schedule, and return it with its new `rev`.

        Raises:
            FieldsRefused: another schedule of the template has the name.
            Conflict: another request has changed the schedule meanwhile.
        """

        async def step(tx: Transaction) -> Decision:
            await _check_name(tx, schedule)
            before = await check_current(tx, schedule)
            rows = await self._audit.make_inserts(schedule.modified_by, describe_change(before, schedule))
            return Decision(changes=(make_update(schedule), *rows))

        await self._store.transact(step)
        return schedule.model_copy(update={"rev": schedule.rev + 1})

    async def write_if_current(self, schedule: ScheduleDocument) -> bool:
        """Store a schedule in one write, unless another process has changed it meanwhile. Return whether it is
        stored.
        """
        update = make_update(schedule)
        return await self._store.compare_and_set(SCHEDULES, change_filter(update), update_operators(update))

    async def delete_schedule(self, schedule_id: ScheduleId, *, by: str = "") -> None:
        """Delete a schedule. The jobs that it has launched stay. `by` is the subject of the person, if one does it."""

        async def step(tx: Transaction) -> Decision:
            found = await tx.find_one(SCHEDULES, {"_id": schedule_id})
            before = None if found is None else parse_schedule(found)
            rows = await self._audit.make_inserts(by, describe_change(before, None))
            return Decision(changes=(Delete(SCHEDULES, schedule_id), *rows))

        await self._store.transact(step)


async def check_current(tx: Transaction, schedule: ScheduleDocument) -> ScheduleDocument:
    """Return a schedule as it is stored, if that has the `rev` of `schedule`.

    Raises:
        Conflict: another process has changed or deleted the schedule meanwhile.
    """
    found = await tx.find_one(SCHEDULES, {"_id": schedule.id, "rev": schedule.rev})
    if found is None:
        raise Conflict("the schedule has changed meanwhile", hint="read it again, and repeat the change")
    return parse_schedule(found)


async def _check_name(tx: Transaction, schedule: ScheduleDocument) -> None:
    query = {"template": schedule.template, "name": schedule.name, "_id": {"$ne": schedule.id}}
    if await tx.find_one(SCHEDULES, query, {"_id": 1}) is not None:
        text = f"a schedule with this name and template already exists: {schedule.name!r}"
        raise FieldsRefused({"__all__": [text]})


def make_update(schedule: ScheduleDocument) -> Update:
    """Return the change that stores a schedule, if it still has its `rev`."""
    fields = make_schedule_document(schedule)
    unset: Sequence[str] = [name for name in _NULLABLE if name not in fields]
    kept = {key: value for key, value in fields.items() if key not in ("_id", "rev")}
    return Update(SCHEDULES, schedule.id, set=kept, unset=tuple(unset), rev=schedule.rev)


def make_schedule_document(schedule: ScheduleDocument) -> Document:
    """Return `schedule` as MongoDB keeps it."""
    document = schedule.model_dump(exclude_none=True)
    document["_id"] = document.pop("id")
    return document


def parse_schedule(document: Document) -> ScheduleDocument:
    """Return the schedule that MongoDB keeps as `document`."""
    return ScheduleDocument.model_validate({**document, "id": document["_id"]})
