"""Build the parts of schedules, once."""

from dataclasses import dataclass

from runtime.kernel.store import Store
from schemas.automation.schedules import Identity
from wms.encryption import SecretKeys
from wms.schedules.schedule_runner import ScheduleRunner
from wms.schedules.schedule_service import ScheduleService
from wms.schedules.schedule_store import ScheduleStore
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Principal
from wms.tenancy.teams import Teams
from wms.trees.templates.template_store import TemplateStore
from wms.trees.tree_parts import Trees


@dataclass(frozen=True, slots=True)
class Schedules:
    """The parts of schedules: the service that routes call, and the runner that launches."""

    service: ScheduleService
    runner: ScheduleRunner


def build_schedules(
    store: Store, trees: Trees, organizations: Organizations, teams: Teams, keys: SecretKeys
) -> Schedules:
    """Return the parts. The runner is not started."""
    schedules, templates = ScheduleStore(store), TemplateStore(store)

    async def recall_principal(identity: Identity) -> Principal:
        return await trees.roles.add_delegated(await organizations.recall_principal(identity), teams)

    return Schedules(
        service=ScheduleService(schedules, templates, trees.labels, keys),
        runner=ScheduleRunner(store, schedules, templates, trees.runs, recall_principal, keys=keys),
    )
