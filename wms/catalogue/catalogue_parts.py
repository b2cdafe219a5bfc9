"""Build the parts of the catalogue, once."""

from dataclasses import dataclass

from runtime.kernel.store import Store
from schemas.automation.builds import BuildLimits
from wms.catalogue.builds.build_keys import TaskKeys
from wms.catalogue.builds.build_log import BuildLog
from wms.catalogue.builds.build_reports import BuildReports
from wms.catalogue.builds.build_watch import BuildWatch
from wms.catalogue.catalogue_service import CatalogueService
from wms.catalogue.task_deletion import TaskDeletion
from wms.catalogue.task_recipes import SourceRules
from wms.catalogue.task_store import TaskStore
from wms.encryption import SecretKeys
from wms.engine.engine import Engine
from wms.fleet.choices.locations import LocationMap
from wms.tenancy.organizations import Organizations


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueSettings:
    """What operators set about the catalogue."""

    rules: SourceRules
    limits: BuildLimits
    keys: SecretKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Tasks, and what follows their builds."""

    service: CatalogueService
    deletion: TaskDeletion
    reports: BuildReports
    builds: BuildWatch
    keys: TaskKeys


def build_catalogue(
    store: Store,
    engine: Engine,
    organizations: Organizations,
    locations: LocationMap,
    settings: CatalogueSettings,
) -> Catalogue:
    """Return the parts. The watch over builds is not started."""
    tasks, logs, keys = TaskStore(store), BuildLog(store), TaskKeys(settings.keys)
    builds = BuildWatch(engine, tasks, settings.limits, keys)
    return Catalogue(
        service=CatalogueService(tasks, organizations, rules=settings.rules, locations=locations, keys=keys),
        deletion=TaskDeletion(tasks, logs, builds),
        reports=BuildReports(tasks, logs, builds, keys),
        builds=builds,
        keys=keys,
    )
