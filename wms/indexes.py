"""The indexes of all collections of WMS. Each module names those that its own queries need."""

from collections.abc import Iterable, Mapping

from runtime.kernel.store import Index
from wms.audit import audit_log
from wms.catalogue import task_store
from wms.catalogue.builds import build_log
from wms.engine import repository as engine_repository
from wms.fleet import repository as fleet_repository
from wms.inventory.stored import inventory_store
from wms.joblogs import job_logs
from wms.jobs import task_list_service
from wms.jobs.stored import job_store, work_store
from wms.notifications import notification_store
from wms.processes import process_reader
from wms.processes.subscriptions import products, subscription_store
from wms.schedules import schedule_store
from wms.secrets import secret_store
from wms.tenancy import organizations, teams, users
from wms.trees.templates import label_documents, template_store

_MODULES = (
    fleet_repository,
    engine_repository,
    process_reader,
    notification_store,
    label_documents,
    schedule_store,
    organizations,
    teams,
    users,
    audit_log,
    subscription_store,
    products,
    template_store,
    inventory_store,
    task_store,
    build_log,
    job_store,
    work_store,
    task_list_service,
    job_logs,
    secret_store,
)


def list_indexes() -> dict[str, tuple[Index, ...]]:
    """Return the indexes of each collection."""
    return merge_indexes(module.INDEXES for module in _MODULES)


def merge_indexes(parts: Iterable[Mapping[str, tuple[Index, ...]]]) -> dict[str, tuple[Index, ...]]:
    """Return all indexes of `parts`, by collection. An index that several parts name stands once."""
    merged: dict[str, tuple[Index, ...]] = {}
    for part in parts:
        for collection, indexes in part.items():
            known = merged.get(collection, ())
            merged[collection] = known + tuple(index for index in indexes if index not in known)
    return merged
