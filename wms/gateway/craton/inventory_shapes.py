"""Show inventories, groups and hosts as the bodies of answers. (core)"""

from schemas.api.automation.inventories import (
    GroupSeen,
    HostSeen,
    HostVariables,
    InventorySeen,
    InventorySummary,
    SourceSeen,
)
from schemas.automation.inventories import HostDocument, InventoryDocument, InventoryGroup
from wms.inventory.content.inventory_content import InventoryContent
from wms.inventory.content.merging import VariableMerger


def summarize_inventory(found: InventoryDocument) -> InventorySummary:
    """Return an inventory as a list shows it."""
    return InventorySummary(
        id=found.id,
        name=found.name,
        organization=found.organization,
        description=found.description,
        n_hosts=found.n_hosts,
        n_groups=len(found.groups),
        rev=found.rev,
        created=found.created,
        modified=found.modified,
        created_by=found.created_by,
        modified_by=found.modified_by,
    )


def show_inventory(found: InventoryDocument) -> InventorySeen:
    """Return an inventory with its variables and groups."""
    return InventorySeen(
        **summarize_inventory(found).model_dump(),
        variables=dict(found.variables),
        groups=[show_group(each) for each in found.groups],
    )


def show_group(found: InventoryGroup) -> GroupSeen:
    """Return a group."""
    return GroupSeen(name=found.name, children=list(found.children), variables=dict(found.variables))


def show_host(found: HostDocument) -> HostSeen:
    """Return a host with its own variables."""
    return HostSeen(
        id=found.id,
        inventory=found.inventory,
        organization=found.organization,
        name=found.name,
        labels=list(found.labels),
        groups=list(found.groups),
        variables=dict(found.variables),
        created=found.created,
        modified=found.modified,
    )


def show_variables(found: HostDocument, content: InventoryContent) -> HostVariables:
    """Return the merged variables of a host of an inventory, and where each comes from."""
    merger, host = VariableMerger(content), content.hosts[found.name]
    blame = {
        name: [SourceSeen(level=each.kind.value, name=each.name, value=each.value) for each in sources]
        for name, sources in merger.trace_variables(host).items()
    }
    return HostVariables(
        id=found.id,
        name=host.name,
        groups=list(merger.list_groups(host)),
        variables=dict(host.variables),
        resolved=merger.merge_variables(host),
        blame=blame,
    )
