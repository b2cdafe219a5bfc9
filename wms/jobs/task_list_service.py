"""Save, change and delete lists of tasks, for principals. Craton calls such a list a workflow.

Members of an organization see its lists. The owner of a list and the admins change it. What a list may run is decided
when a job begins: a list may have tasks that are not Ready, and says so.

An admin may run a list that a member has saved, and its tasks then get its secrets by the admin's right. So each person
who writes what runs with these secrets needs the right to use them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from runtime.clock import stored_now
from runtime.kernel.decision import Decision, Delete, Insert, Update
from runtime.kernel.store import Index, Store, Transaction
from runtime.once import Once
from schemas.automation.jobs import TASK_LISTS, TaskListDocument
from schemas.engine.run_documents import COUNTERS
from schemas.errors import Conflict, EWMSError, Forbidden, NotFound
from schemas.ids import CatalogueTaskId, OrganizationId, TaskListId
from wms.audit.audit_facts import AuditFacts, compare_fields
from wms.audit.audit_log import AuditLog
from wms.catalogue.catalogue_service import CatalogueService
from wms.jobs.stored.documents import make_stored, read_stored
from wms.secrets.secret_use import SecretUse
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal, check_right, choose_organization, find_organizations, may

INDEXES: Mapping[str, tuple[Index, ...]] = {
    TASK_LISTS: (Index(("organization", "name"), unique=True), Index(("tasks",)))
}

#: The fields that decide what gets the secrets of a list.
_GIVING_SECRETS = frozenset({"tasks", "payload", "secrets"})
_SHOWN = ("name", "description", "tasks", "strategy", "secrets")


class TaskListService:
    """The saved lists of one database."""

    def __init__(self, store: Store, organizations: Organizations, tasks: CatalogueService, secrets: SecretUse) -> None:
        self._store = store
        self._audit = AuditLog(store)
        self._organizations = organizations
        self._tasks = tasks
        self._secrets = secrets

    async def get_list(
        self, principal: Principal, list_id: TaskListId, action: Action = Action.SEE_TASK_LIST
    ) -> TaskListDocument:
        """Return a saved list.

        Raises:
            NotFound: there is none for the principal.
            Forbidden: the principal may not do `action` to it.
        """
        found = await self._store.find_one(TASK_LISTS, {"_id": list_id})
        if found is None:
            raise _make_absence(list_id)
        saved = read_stored(TaskListDocument, found)
        check_right(principal, Action.SEE_TASK_LIST, saved.organization, absent=_make_absence(list_id).reason)
        if action is Action.CHANGE_TASK_LIST:
            _check_change(principal, saved)
        return saved

    async def list_lists(self, principal: Principal, *, after: int, limit: int) -> list[TaskListDocument]:
        """Return the next saved lists after the id `after` that the principal sees."""
        query: dict[str, Any] = {"_id": {"$gt": after}}
        seen = find_organizations(principal, Action.SEE_TASK_LIST)
        if seen is not None:
            query["organization"] = {"$in": sorted(seen)}
        found = await self._store.find(TASK_LISTS, query, sort=[("_id", 1)], limit=limit)
        return [read_stored(TaskListDocument, each) for each in found]

    async def create_list(
        self, principal: Principal, fields: Mapping[str, Any], *, organization: str = "", once: Once | None = None
    ) -> TaskListDocument:
        """Save a list of tasks that the principal sees, and return it.

        Raises:
            NotFound: the organization, a task or a secret does not exist for the principal.
            Forbidden: the principal may save no lists there, or may not use a secret.
            Conflict: the organization has a list of this name, or `once` was used for another request.
            Rejected: the name of a secret breaks its rule, or it is for a task that the list has not.
        """
        await self._organizations.check_named(principal, organization)
        owner = choose_organization(principal, Action.CHANGE_TASK_LIST, organization)
        await self._check_tasks(principal, fields["tasks"])
        now = stored_now()
        saved = TaskListDocument(
            id=TaskListId(await self._store.count_up(COUNTERS, "task_lists")),
            organization=OrganizationId(owner),
            owner=principal.subject,
            created_at=now,
            changed_at=now,
            changed_by=principal.subject,
            **fields,
        )

        await self._secrets.check_files(principal, saved.organization, saved.secrets, saved.tasks)

        async def step(tx: Transaction) -> Decision:
            await _check_name(tx, saved)
            rows = await self._audit.make_inserts(principal.subject, [_describe_act(saved, "create")])
            return Decision(changes=(Insert(TASK_LISTS, make_stored(saved)), *rows), answer=saved.id)

        decided = await self._store.transact(step, once=once)
        return await self.get_list(principal, TaskListId(decided.answer))

    async def change_list(
        self, principal: Principal, list_id: TaskListId, fields: Mapping[str, Any]
    ) -> TaskListDocument:
        """Change fields of a saved list, and return it. Jobs that run do not change.

        Raises:
            NotFound: as `get_list`; a task or a secret does not exist for the principal.
            Forbidden: as `get_list`; the principal changes what gets a secret that they may not use.
            Conflict: the organization has a list of this name.
            Rejected: as `create_list`; also if a task goes for which alone a secret is.
        """
        await self.get_list(principal, list_id, Action.CHANGE_TASK_LIST)
        if "tasks" in fields:
            await self._check_tasks(principal, fields["tasks"])

        async def step(tx: Transaction) -> Decision:
            found = await tx.find_one(TASK_LISTS, {"_id": list_id})
            if found is None:
                raise _make_absence(list_id)
            before = read_stored(TaskListDocument, found)
            _check_change(principal, before)
            changed = {"changed_at": stored_now(), "changed_by": principal.subject}
            after = before.model_copy(update={**fields, **changed})
            if _GIVING_SECRETS & fields.keys():
                await self._secrets.check_files(principal, after.organization, after.secrets, after.tasks)
            if after.name != before.name:
                await _check_name(tx, after)
            kept = {name: value for name, value in make_stored(after).items() if name not in ("_id", "rev")}
            told = compare_fields(before, after, shown=_SHOWN, hidden=("payload",))
            rows = await self._audit.make_inserts(principal.subject, [_describe_act(after, "update", **told)])
            return Decision(changes=(Update(TASK_LISTS, list_id, set=kept, rev=before.rev), *rows))

        await self._store.transact(step)
        return await self.get_list(principal, list_id)

    async def delete_list(self, principal: Principal, list_id: TaskListId) -> None:
        """Delete a saved list. Its jobs stay.

        Raises:
            NotFound, Forbidden: as `get_list`.
        """
        saved = await self.get_list(principal, list_id, Action.CHANGE_TASK_LIST)

        async def step(_: Transaction) -> Decision:
            rows = await self._audit.make_inserts(principal.subject, [_describe_act(saved, "delete")])
            return Decision(changes=(Delete(TASK_LISTS, list_id), *rows))

        await self._store.transact(step)

    async def find_warnings(self, principal: Principal, saved: TaskListDocument) -> list[str]:
        """Return why a job of this list would be refused now, one text for each task that refuses."""
        warnings = []
        for task_id in dict.fromkeys(saved.tasks):
            try:
                await self._tasks.pin_task(principal, task_id)
            except EWMSError as error:
                warnings.append(error.reason)
        return warnings

    async def _check_tasks(self, principal: Principal, tasks: Sequence[CatalogueTaskId]) -> None:
        for task_id in dict.fromkeys(tasks):
            await self._tasks.get_task(principal, task_id)


def _describe_act(saved: TaskListDocument, operation: str, **changes: Any) -> AuditFacts:
    return AuditFacts(
        operation=operation,
        kind="task_list",
        object_id=saved.id,
        name=saved.name,
        organization=saved.organization,
        changes=changes,
    )


def _make_absence(list_id: object) -> NotFound:
    return NotFound(f"no workflow found with id: {list_id}")


def _check_change(principal: Principal, saved: TaskListDocument) -> None:
    is_owner = principal.subject == saved.owner and may(principal, Action.CHANGE_TASK_LIST, saved.organization)
    if not is_owner and not may(principal, Action.SHARE_TASK, saved.organization):
        raise Forbidden(f"you may not change {saved.name!r}", hint="its owner and the admins of its organization may")


async def _check_name(tx: Transaction, saved: TaskListDocument) -> None:
    query = {"organization": saved.organization, "name": saved.name, "_id": {"$ne": saved.id}}
    if await tx.find_one(TASK_LISTS, query, {"_id": 1}) is not None:
        raise Conflict(
            f"organization {saved.organization!r} has a workflow named {saved.name!r} already",
            hint="choose another name, or change that one",
        )
