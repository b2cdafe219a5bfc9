"""Build the parts of jobs, once."""

from dataclasses import dataclass

from runtime.kernel.store import Store
from schemas.automation.jobs import JOB_DEFINITION
from schemas.engine.graph import NodeKind
from wms.catalogue.catalogue_parts import Catalogue
from wms.engine.engine import Engine
from wms.engine.nested.children import Children
from wms.engine.nested.workflow_queues import WorkflowQueues
from wms.fleet.fleet import Fleet
from wms.inventory.inventory_parts import Inventories
from wms.joblogs.job_logs import JobLogs
from wms.jobs.job_log_reader import HostJobLogReader
from wms.jobs.job_reader import HostJobReader
from wms.jobs.job_service import JobService
from wms.jobs.stored.job_store import JobStore
from wms.jobs.stored.leftover_hosts import LeftoverHosts
from wms.jobs.stored.work_store import WorkStore
from wms.jobs.task_list_service import TaskListService
from wms.jobs.task_uses import TaskUses
from wms.jobs.template_rights import TemplateRights
from wms.jobs.tree_jobs import TreeJobs
from wms.jobs.work.work_runner import WorkRunner
from wms.jobs.work.work_watch import WorkWatch
from wms.secrets.secret_store import SecretStore
from wms.secrets.secret_use import SecretUse
from wms.tenancy.organizations import Organizations
from wms.trees.templates.template_service import TemplateService


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """Jobs on inventories, saved lists, and what carries jobs on."""

    service: JobService
    lists: TaskListService
    reader: HostJobReader
    logs: HostJobLogReader
    store: JobStore
    watch: WorkWatch
    leftovers: LeftoverHosts

    def start(self) -> None:
        """Start the loops that carry works on and delete what failed requests have left."""
        self.watch.start()
        self.leftovers.start()

    async def stop(self) -> None:
        """Stop both loops."""
        await self.watch.stop()
        await self.leftovers.stop()


def build_jobs(
    store: Store,
    engine: Engine,
    *,
    children: Children,
    fleet: Fleet,
    queues: WorkflowQueues,
    organizations: Organizations,
    catalogue: Catalogue,
    inventories: Inventories,
    templates: TemplateService,
    logs: JobLogs,
    secrets: SecretStore,
    max_workers: int,
) -> Jobs:
    """Return the parts; let the engine run nodes of jobs, and templates check who may save them. The watch is not
    started.
    """
    jobs, works = JobStore(store), WorkStore(store)
    watch = WorkWatch(engine, fleet, queues=queues, jobs=jobs, works=works, logs=logs)
    children.runners[NodeKind.HOSTS] = WorkRunner(
        engine, fleet, jobs, works, watch, secrets=secrets, max_workers=max_workers
    )
    use = SecretUse(secrets)
    service = JobService(
        engine,
        jobs=jobs,
        works=works,
        logs=logs,
        tasks=catalogue.service,
        inventories=inventories.service,
        secrets=use,
    )
    children.launchers[JOB_DEFINITION] = TreeJobs(service, jobs).launch_job
    templates.work_checks.append(TemplateRights(catalogue.service, inventories.service, use).check_work)
    lists = TaskListService(store, organizations, catalogue.service, use)
    uses = TaskUses(store)
    catalogue.deletion.users += [uses.find_jobs, uses.find_lists]
    return Jobs(
        service=service,
        lists=lists,
        reader=HostJobReader(jobs, works),
        logs=HostJobLogReader(jobs, works, logs),
        store=jobs,
        watch=watch,
        leftovers=LeftoverHosts(jobs),
    )
