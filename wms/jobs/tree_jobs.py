"""Start jobs for nodes of trees: what a job template of the kind `hosts` runs.

A template belongs to an organization. Only a person who may run its tasks on its inventory saves it
(`template_rights`). So a job of it may do what an admin of this organization may, and nothing in other organizations.
The person who has launched the tree owns the job.
"""

from schemas.automation.trees import HostsWork, Prompt
from schemas.engine.graph import DefinitionKind
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import Parent
from schemas.errors import Conflict, Rejected
from schemas.ids import CatalogueTaskId, InventoryId, OrganizationId
from wms.engine import repository
from wms.engine.life.open_run import OpenRun
from wms.engine.nested.children import make_child_uuid
from wms.jobs.job_service import JobPlace, JobService
from wms.jobs.job_wish import JobWish
from wms.jobs.stored.job_store import JobStore
from wms.tenancy.rights import Principal, TenancyRole
from wms.trees.graphs.tree_definitions import HOSTS_WORK


class TreeJobs:
    """Starts jobs for nodes of trees."""

    def __init__(self, service: JobService, jobs: JobStore) -> None:
        self._service = service
        self._jobs = jobs

    async def launch_job(self, run: OpenRun, number: int) -> RunDocument:
        """Start the job of a node, and return its run; repeated, the same one.

        Raises:
            Rejected: the job may not run, or cannot run now.
        """
        facts, state = run.facts, run.nodes[number]
        child = make_child_uuid(run, number)
        known = await repository.find_run(self._jobs.store, child)
        if known is not None:
            return known
        raw = facts.graph.nodes[number].params.get(HOSTS_WORK)
        if facts.kind is not DefinitionKind.TEMPLATE or not facts.graph.is_leaf or raw is None:
            raise Rejected("only a job template runs a job on hosts")
        if not facts.organization:
            raise Rejected("a template outside of all organizations has no inventory to run on")
        work = HostsWork.model_validate(raw)
        wish = JobWish(
            tasks=tuple(map(CatalogueTaskId, work.tasks)),
            title=facts.title,
            inventory=InventoryId(work.inventory),
            limit=str(facts.prompts.get(Prompt.LIMIT.value) or work.limit),
            # A job shows its variables, so it gets no secret ones.
            payload={name: value for name, value in facts.params.items() if name not in facts.masked},
            strategy=work.strategy,
            serial=work.serial,
            max_fail_percentage=work.max_fail_percentage,
            secrets=work.secrets,
        )
        organization = OrganizationId(facts.organization)
        principal = Principal(facts.owner, roles={organization: frozenset({TenancyRole.ORG_ADMIN})})
        place = JobPlace(
            uuid=child,
            parent=Parent(run=facts.id, node=number, attempt=state.attempt),
            root=facts.root or facts.id,
            ancestors=(*facts.ancestors, facts.definition),
        )
        try:
            await self._service.create_job(principal, wish, below=place)
        except Conflict as error:
            raise Rejected(error.reason, hint=error.hint) from error
        launched = await repository.find_run(self._jobs.store, child)
        if launched is None:
            raise Rejected("the job is gone")
        return launched
