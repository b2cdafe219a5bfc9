"""Create, change, approve and build tasks, for principals. The decisions are pure (`wms.catalogue.life`)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runtime.clock import stored_now
from runtime.once import Once
from schemas.automation.catalogue import CatalogueTask, TaskVersion, TaskVisibility
from schemas.errors import Rejected
from schemas.ids import CatalogueTaskId
from wms.catalogue.builds.build_keys import TaskKeys
from wms.catalogue.life.task_decisions import change_recipe, decide_version, make_task, pin_version
from wms.catalogue.life.task_looks import begin_look
from wms.catalogue.run_names import new_run_uuid
from wms.catalogue.task_access import check_task_right, make_visible_filter
from wms.catalogue.task_recipes import SourceRules, change_recipe_fields, make_recipe
from wms.catalogue.task_store import TaskStore
from wms.fleet.choices.locations import LocationMap
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import ORGANIZATION_ROLES, Action, Principal, choose_organization


class CatalogueService:
    """The tasks of one database."""

    def __init__(
        self,
        tasks: TaskStore,
        organizations: Organizations,
        *,
        rules: SourceRules,
        locations: LocationMap,
        keys: TaskKeys,
    ) -> None:
        self._keys = keys
        self._tasks = tasks
        self._organizations = organizations
        self._rules = rules
        self._locations = locations

    async def get_task(
        self, principal: Principal, task_id: CatalogueTaskId, action: Action = Action.SEE_TASK
    ) -> CatalogueTask:
        """Return a task.

        Raises:
            NotFound: there is none for the principal.
            Forbidden: the principal may not do `action` to it.
        """
        task = await self._tasks.load_task(task_id)
        check_task_right(principal, action, task)
        return task

    async def list_tasks(
        self, principal: Principal, query: Mapping[str, Any], *, after: int, limit: int
    ) -> list[CatalogueTask]:
        """Return the next tasks after the id `after` that match `query` and that the principal sees, by id."""
        wanted = {"$and": [dict(query), {"_id": {"$gt": after}}, make_visible_filter(principal)]}
        return await self._tasks.list_tasks(wanted, sort=[("_id", 1)], limit=limit)

    async def create_task(
        self,
        principal: Principal,
        facts: Mapping[str, Any],
        recipe: Mapping[str, Any],
        *,
        organization: str = "",
        once: Once | None = None,
    ) -> CatalogueTask:
        """Create a task from its `facts` (name, description) and the fields of its recipe.

        Raises:
            Rejected: a field breaks a rule of this server.
            Forbidden, NotFound: the principal may not create tasks in the organization, or does not see it.
            Conflict: the organization has a task of this name, or `once` was used for another request.
        """
        await self._organizations.check_named(principal, organization)
        owner = choose_organization(principal, Action.CHANGE_TASK, organization)
        made = make_recipe(recipe, self._rules, self._locations)
        own = {
            **facts,
            "id": await self._tasks.take_task_id(),
            "organization": owner,
            "secret": self._keys.make_secret(),
        }
        task = make_task(own, made, owner=principal.subject, run=new_run_uuid(), now=stored_now())
        return await self._tasks.add_task(task, once)

    async def change_task(
        self,
        principal: Principal,
        task_id: CatalogueTaskId,
        facts: Mapping[str, Any],
        recipe: Mapping[str, Any],
        *,
        reason: str = "",
    ) -> CatalogueTask:
        """Set the given fields. A change of the recipe makes a new version; the one in use stays in use.

        Raises:
            NotFound, Forbidden: the principal does not see the task, or may not change it.
            Rejected: a field breaks a rule of this server.
            Conflict: the organization has a task of this name.
        """
        run = new_run_uuid()

        def decide(task: CatalogueTask) -> CatalogueTask:
            check_task_right(principal, Action.CHANGE_TASK, task)
            wanted = change_recipe_fields(task.versions[-1].recipe, recipe, self._rules, self._locations)
            after = change_recipe(task, wanted, who=principal.subject, run=run, now=stored_now())
            return _note_change(after.model_copy(update=dict(facts)), principal, reason)

        return await self._tasks.change_task(task_id, decide, by=principal.subject)

    async def decide_version(
        self,
        principal: Principal,
        task_id: CatalogueTaskId,
        *,
        approves: bool,
        number: int | None = None,
        commit: str = "",
        reason: str = "",
        once: Once | None = None,
    ) -> CatalogueTask:
        """Approve or reject a version; without a `number` the latest one. An approved one is built.

        An approval names the `commit` that the version must have, so that it cannot mean another.

        Raises:
            NotFound: there is no such task for the principal, or no such version.
            Forbidden: the principal may not approve it.
            Conflict: the version does not wait for approval, its commit is not known, or it is another one.
            Rejected: the approval names no commit.
        """
        seen = await self.get_task(principal, task_id, Action.APPROVE_TASK)
        settings = await self._organizations.find_organization(seen.organization)
        run = new_run_uuid()

        def decide(task: CatalogueTask) -> CatalogueTask:
            check_task_right(principal, Action.APPROVE_TASK, task)
            after = decide_version(
                task,
                who=principal.subject,
                approves=approves,
                run=run,
                now=stored_now(),
                number=number,
                commit=commit,
                reason=reason,
                needs_another=settings is not None and settings.approval_by_another,
            )
            return _note_change(after, principal, reason)

        return await self._tasks.change_task(task_id, decide, once, by=principal.subject)

    async def rebuild_task(
        self, principal: Principal, task_id: CatalogueTaskId, *, makes_version: bool = False
    ) -> CatalogueTask:
        """Look at the source again. A new commit makes a new version; a failed build is repeated.

        With `makes_version`, a commit that has a version already makes a new one too.

        Raises:
            NotFound, Forbidden: the principal does not see the task, or may not change it.
        """

        def check(task: CatalogueTask) -> None:
            check_task_right(principal, Action.CHANGE_TASK, task)

        return await self._look(task_id, principal.subject, check, makes_version=makes_version)

    async def look_for(
        self, task_id: CatalogueTaskId, who: str, check: Callable[[CatalogueTask], None]
    ) -> CatalogueTask:
        """Look at the source again because a git server, called `who`, says that it has changed.

        `check` raises an error if the server has not proved that it may. A disabled task is not looked at.

        Raises:
            NotFound: there is no such task; and what `check` raises.
        """
        # Before a transaction: every caller reaches this, and one without the key must not cost one.
        task = await self._tasks.load_task(task_id)
        check(task)
        if task.is_disabled:
            return task
        return await self._look(task_id, who, check, makes_version=False)

    async def _look(
        self, task_id: CatalogueTaskId, who: str, check: Callable[[CatalogueTask], None], *, makes_version: bool
    ) -> CatalogueTask:
        run = new_run_uuid()

        def decide(task: CatalogueTask) -> CatalogueTask:
            check(task)
            return begin_look(task, who=who, run=run, now=stored_now(), makes_version=makes_version)

        return await self._tasks.change_task(task_id, decide, by=who)

    async def share_task(
        self,
        principal: Principal,
        task_id: CatalogueTaskId,
        visibility: TaskVisibility,
        roles: Sequence[str],
        *,
        reason: str = "",
    ) -> CatalogueTask:
        """Say for whom the task exists. It counts for the next job.

        Raises:
            Rejected: one of `roles` is no role in an organization.
            NotFound, Forbidden: the principal does not see the task, or is no admin of its organization.
        """
        unknown = sorted(set(roles) - ORGANIZATION_ROLES)
        if unknown:
            known = ", ".join(sorted(ORGANIZATION_ROLES))
            raise Rejected(f"'roles': no such role: {', '.join(unknown)}", hint=f"the roles are {known}")
        fields = {"visibility": visibility, "roles": tuple(dict.fromkeys(roles))}
        return await self._set_fields(principal, task_id, fields, reason)

    async def disable_task(
        self, principal: Principal, task_id: CatalogueTaskId, *, is_disabled: bool, reason: str = ""
    ) -> CatalogueTask:
        """Disable the task, so that no new job runs it, or enable it again.

        Raises:
            NotFound, Forbidden: the principal does not see the task, or is no admin of its organization.
        """
        words = f"{'disabled' if is_disabled else 'enabled'} by {principal.subject}"
        why = f"{words}: {reason}" if reason else words
        return await self._set_fields(principal, task_id, {"is_disabled": is_disabled, "disabled_reason": why}, reason)

    async def renew_webhook(self, principal: Principal, task_id: CatalogueTaskId) -> CatalogueTask:
        """Give the task's webhook a new key. The former one opens nothing any more.

        Raises:
            NotFound, Forbidden: the principal does not see the task, or may not change it.
        """

        def decide(task: CatalogueTask) -> CatalogueTask:
            check_task_right(principal, Action.CHANGE_TASK, task)
            return _note_change(task.model_copy(update={"n_webhook_keys": task.n_webhook_keys + 1}), principal)

        return await self._tasks.change_task(task_id, decide, by=principal.subject)

    async def _set_fields(
        self, principal: Principal, task_id: CatalogueTaskId, fields: Mapping[str, Any], reason: str
    ) -> CatalogueTask:
        def decide(task: CatalogueTask) -> CatalogueTask:
            check_task_right(principal, Action.SHARE_TASK, task)
            return _note_change(task.model_copy(update=dict(fields)), principal, reason)

        return await self._tasks.change_task(task_id, decide, by=principal.subject)

    async def pin_task(self, principal: Principal, task_id: CatalogueTaskId) -> tuple[CatalogueTask, TaskVersion]:
        """Return a task and the version of it that a job of the principal runs now.

        Raises:
            NotFound: there is no such task for the principal.
            Forbidden: the principal sees it, and may not run it.
            Conflict: no version is Ready, or the task is disabled.
        """
        task = await self.get_task(principal, task_id, Action.RUN_TASK)
        return task, pin_version(task)


def _note_change(task: CatalogueTask, principal: Principal, reason: str = "") -> CatalogueTask:
    fields = {"changed_at": stored_now(), "changed_by": principal.subject, "change_reason": reason}
    return task.model_copy(update=fields)
