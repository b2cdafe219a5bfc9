"""Start, cancel, repeat and delete jobs, for principals.

right            who has it
see-job          everybody with a role in the organization of the job's inventory
run-on-inventory members and admins of that organization, if they may also run each of the tasks
use-secret       the same, for a secret that is open to members; else its admins
cancel-job       its admins, and the person who has started the job
delete-job       its admins
"""

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.clock import stored_now
from runtime.failpoints import failpoint
from runtime.kernel.decision import Change
from runtime.kernel.store import Transaction
from runtime.once import Once
from schemas.api.automation.jobs import RerunHosts
from schemas.automation.jobs import JOB_DEFINITION, HostState, JobDocument
from schemas.engine.run_documents import RUN_LOG, RUNS, RunDocument
from schemas.engine.runs import RUN_OVER, Parent, WantKind
from schemas.errors import Conflict, Unavailable
from schemas.ids import RunId, RunUuid
from wms.audit.audit_facts import AuditFacts
from wms.audit.audit_log import AuditLog
from wms.catalogue.catalogue_service import CatalogueService
from wms.engine import repository
from wms.engine.engine import Engine
from wms.engine.life.launching import LaunchWish
from wms.engine.life.stimuli import Wish
from wms.inventory.stored.inventory_service import InventoryService
from wms.joblogs.job_logs import JobLogs
from wms.jobs.job_wish import JobWish, plan_job
from wms.jobs.plans.host_choice import BAD_STATES
from wms.jobs.plans.job_graph import make_job_definition
from wms.jobs.plans.payloads import check_variable_names
from wms.jobs.stored.job_store import JobStore, make_absence, make_job_insert
from wms.jobs.stored.work_store import WorkStore
from wms.secrets.secret_use import SecretUse
from wms.tenancy.rights import Action, Principal, check_right, find_organizations
from wms.trees.jobs.request_ids import name_launched_run


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlace:
    """The place of a job below a node of another run."""

    uuid: RunUuid
    parent: Parent
    root: RunId | None
    ancestors: tuple[str, ...]


class JobService:
    """The jobs of one database."""

    def __init__(
        self,
        engine: Engine,
        *,
        jobs: JobStore,
        works: WorkStore,
        logs: JobLogs,
        tasks: CatalogueService,
        inventories: InventoryService,
        secrets: SecretUse,
    ) -> None:
        self._logs = logs
        self._engine = engine
        self._jobs = jobs
        self._works = works
        self._tasks = tasks
        self._inventories = inventories
        self._secrets = secrets
        self._audit = AuditLog(jobs.store)

    async def create_job(
        self, principal: Principal, wish: JobWish, *, once: Once | None = None, below: JobPlace | None = None
    ) -> JobDocument:
        """Start a job, and return it. The answer waits for no queue and no worker.

        A job `below` a node of a tree is started once, however often this is called.

        Raises:
            NotFound: the inventory, a task or a secret does not exist for the principal.
            Forbidden: the principal may not run on the inventory, may not run a task, or may not use a secret.
            Conflict: a task is not Ready, or `once` was used for another request.
            Rejected: the limit chooses no host, variables do not fit a task, there are too many batches, or a secret is
                for a task that the job has not.
            TooLarge: a payload is too large.
            Unavailable: the same request was under way elsewhere.
        """
        inventory, content = await self._inventories.load_content(principal, wish.inventory, Action.RUN_ON_INVENTORY)
        check_variable_names(wish.payload)
        await self._secrets.check_files(principal, inventory.organization, wish.secrets, wish.tasks)
        pinned = [await self._tasks.pin_task(principal, task) for task in wish.tasks]
        run_uuid = (None if below is None else below.uuid) or name_launched_run(once) or RunUuid(str(uuid.uuid4()))
        # Thousands of hosts take seconds.
        job, hosts = await asyncio.to_thread(
            plan_job,
            wish,
            found=pinned,
            inventory=inventory,
            content=content,
            uuid=run_uuid,
            owner=principal.subject,
            now=stored_now(),
        )
        known = await repository.find_run(self._jobs.store, run_uuid)
        if known is None:
            await self._jobs.add_hosts(run_uuid, hosts)
        try:
            failpoint("jobs.hosts_added")
            run = await self._launch_run(principal, job, once=once, below=below)
        except BaseException:
            await self._jobs.delete_hosts_without_job(run_uuid)
            raise
        return await self._jobs.load_job(run.id)

    async def _launch_run(
        self, principal: Principal, job: JobDocument, *, once: Once | None, below: JobPlace | None
    ) -> RunDocument:
        """Store a job and launch its run. Its hosts are stored already."""

        async def add_job(_: Transaction, run: RunDocument) -> tuple[Change, ...]:
            if await self._jobs.count_hosts(job.uuid) != job.n_hosts:
                raise Unavailable("another request made or cleared the hosts of this job meanwhile; try again")
            stored = job.model_copy(update={"id": run.id})
            noted = await self._audit.make_inserts(
                principal.subject, [_describe_act(stored, "create", **_tell_secrets(stored))]
            )
            return (make_job_insert(stored), *noted)

        return await self._engine.launch_run(
            JOB_DEFINITION,
            LaunchWish(
                who=principal.subject,
                organization=job.organization,
                launch_type="job" if below is None else "workflow",
                parent=None if below is None else below.parent,
                root=None if below is None else below.root,
                ancestors=() if below is None else below.ancestors,
            ),
            found=make_job_definition(len(job.tasks), len(job.batches), job.strategy, job.title),
            run_uuid=job.uuid,
            once=once,
            also=add_job,
        )

    async def get_job(self, principal: Principal, job_id: RunId, action: Action = Action.SEE_JOB) -> JobDocument:
        """Return a job.

        Raises:
            NotFound: there is none for the principal.
            Forbidden: the principal may not do `action` to it.
        """
        job = await self._jobs.load_job(job_id)
        check_right(principal, Action.SEE_JOB, job.organization, absent=make_absence(job_id).reason)
        if action is not Action.CANCEL_JOB or job.owner != principal.subject:
            check_right(principal, action, job.organization)
        return job

    async def list_jobs(
        self, principal: Principal, query: Mapping[str, Any], *, before: int, limit: int
    ) -> list[JobDocument]:
        """Return the newest jobs that match `query` and that the principal sees.

        With `before`, only those with smaller ids count.
        """
        wanted: list[dict[str, Any]] = [dict(query)]
        if before:
            wanted.append({"_id": {"$lt": before}})
        seen = find_organizations(principal, Action.SEE_JOB)
        if seen is not None:
            wanted.append({"organization": {"$in": sorted(seen)}})
        return await self._jobs.list_jobs({"$and": wanted}, limit=limit)

    async def cancel_job(self, principal: Principal, job_id: RunId, *, reason: str = "") -> JobDocument:
        """Request the end of a job. It is canceled when no worker works for it any more.

        Raises:
            NotFound, Forbidden: as `get_job`.
            Conflict: it is over.
        """
        job = await self.get_job(principal, job_id, Action.CANCEL_JOB)
        run = await repository.load_run(self._jobs.store, job_id)
        if run is None or run.status in RUN_OVER:
            raise Conflict(f"job {job_id} is over: it is {'gone' if run is None else run.status}")
        if run.want is None:
            await self._engine.apply_stimulus(job_id, Wish(WantKind.CANCEL, principal.subject, reason))
            await self._audit.note_change(principal.subject, _describe_act(job, "update", cancel=[False, True]))
        return job

    async def rerun_job(
        self, principal: Principal, job_id: RunId, which: RerunHosts, *, once: Once | None = None
    ) -> JobDocument:
        """Start a job of the same tasks, in their versions of now, on hosts of a job that is over.

        Raises:
            NotFound, Forbidden: as `create_job`.
            Conflict: the job goes on, no host is to run again, or a task is not Ready.
            Rejected: a host is not in the inventory any more.
        """
        job = await self.get_job(principal, job_id)
        run = await repository.load_run(self._jobs.store, job_id)
        if run is not None and run.status not in RUN_OVER:
            raise Conflict(f"job {job_id} is {run.status}: it can run again when it is over")
        names = await self._find_names(job, which)
        if not names:
            raise Conflict(f"no host of job {job_id} is {which}", hint="run it again on all hosts: --hosts all")
        return await self.create_job(principal, make_rerun_wish(job, names), once=once)

    async def _find_names(self, job: JobDocument, which: RerunHosts) -> frozenset[str]:
        states: Mapping[str, Any] = {}
        if which is RerunHosts.FAILED:
            states = {"state": {"$in": [state.value for state in BAD_STATES]}}
        elif which is RerunHosts.UNFINISHED:
            states = {"state": {"$ne": HostState.OK.value}}
        return await self._jobs.list_names(job.uuid, states)

    async def delete_job(self, principal: Principal, job_id: RunId) -> None:
        """Delete a job that is over, with its results.

        Raises:
            NotFound, Forbidden: as `get_job`.
            Conflict: it is not over.
        """
        job = await self.get_job(principal, job_id, Action.DELETE_JOB)
        over = {"_id": job.id, "status": {"$in": list(RUN_OVER)}}
        gone = await self._jobs.store.delete_matching(RUNS, over)
        if not gone and await repository.load_run(self._jobs.store, job_id) is not None:
            raise Conflict(f"job {job_id} is not over", hint="cancel it first")
        await self._jobs.store.delete_matching(RUN_LOG, {"run": job.id})
        await self._works.delete_of_job(job.uuid)
        await self._logs.delete_logs([job.uuid])
        await self._jobs.delete_job(job)
        await self._audit.note_change(principal.subject, _describe_act(job, "delete"))


def make_rerun_wish(job: JobDocument, names: frozenset[str]) -> JobWish:
    """Return the wish to run a job again on the hosts with these names."""
    return JobWish(
        tasks=tuple(task.task for task in job.tasks),
        task_list=job.task_list,
        title=job.title,
        inventory=job.inventory,
        limit=job.limit,
        hosts=names,
        payload=json.loads(job.payload),
        strategy=job.strategy,
        serial=job.serial,
        max_fail_percentage=job.max_fail_percentage,
        secrets=job.secrets,
        timeout_s=job.timeout_s,
        rerun_of=job.id,
    )


def _tell_secrets(job: JobDocument) -> dict[str, Any]:
    """Return which secrets a job gives to its tasks, for its row of the audit log."""
    return {"secrets": [[], [each.name for each in job.secrets]]} if job.secrets else {}


def _describe_act(job: JobDocument, operation: str, **changes: Any) -> AuditFacts:
    return AuditFacts(
        operation=operation,
        kind="job",
        object_id=job.id,
        name=job.title,
        organization=job.organization,
        changes=changes,
    )
