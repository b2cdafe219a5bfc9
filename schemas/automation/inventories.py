"""Inventories: the hosts on which tasks of the catalogue run, their groups, labels and variables.

inventories   {_id: 3, organization: "north", name: "lab", variables, groups: [{name, children, variables}], rev}
hosts         {_id: 17, inventory: 3, name: "web1", labels: ["rack-7"], groups: ["web"], variables}

A change of an inventory, of a group or of a host changes `rev` of the inventory.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from schemas.engine.runs import RunModel
from schemas.ids import HostId, InventoryId, OrganizationId
from schemas.registry import register_collection

#: As many as one transaction writes while the server is busy with other things.
MAX_HOSTS = 5_000
#: The hosts that all ranges of one imported text may mean, each counted as often as a range means it.
MAX_RANGE_HOSTS = 20 * MAX_HOSTS
#: The variables that all ranges of one imported text may give, each counted as often as a host gets it.
MAX_RANGE_BYTES = 32 * 1024 * 1024
MAX_HOST_NAME_CHARACTERS = 253
MAX_GROUPS = 1_000
#: The variables of one level (the inventory, a group, a host) as JSON.
MAX_VARIABLES_BYTES = 64 * 1024
#: All variables of an inventory as JSON. One transaction can write them all.
MAX_INVENTORY_BYTES = 8 * 1024 * 1024
MAX_HOST_LABELS = 100
#: The direct groups of a host, or the children of a group.
MAX_MEMBERSHIPS = 200
#: The text of an inventory that somebody imports.
MAX_IMPORT_BYTES = 12 * 1024 * 1024
MAX_LIMIT_CHARACTERS = 4096


class InventoryForm(StrEnum):
    """The forms in which inventories are imported and exported: Ansible's own."""

    INI = "ini"
    YAML = "yaml"
    #: What `ansible-inventory --list` prints, and what Ansible expects from an inventory script.
    JSON = "json"


class InventoryGroup(RunModel):
    """A group of an inventory."""

    name: str
    #: The groups in it.
    children: tuple[str, ...] = ()
    variables: Mapping[str, Any] = Field(default_factory=dict)


class InventoryDocument(RunModel):
    """An inventory as stored, without its hosts."""

    id: InventoryId
    organization: OrganizationId
    #: Unique in the organization.
    name: str
    description: str = ""
    variables: Mapping[str, Any] = Field(default_factory=dict)
    groups: tuple[InventoryGroup, ...] = ()
    n_hosts: int = 0
    #: The size of all variables as JSON, those of groups and hosts included.
    n_bytes: int = 0
    rev: int = 0
    created: datetime
    modified: datetime
    created_by: str
    modified_by: str


INVENTORIES = register_collection("inventories", InventoryDocument)


class HostDocument(RunModel):
    """A host as stored. Its name is unique in its inventory."""

    id: HostId
    inventory: InventoryId
    organization: OrganizationId
    name: str
    labels: tuple[str, ...] = ()
    #: The groups that list it. It is in the groups above them, too.
    groups: tuple[str, ...] = ()
    variables: Mapping[str, Any] = Field(default_factory=dict)
    created: datetime
    modified: datetime


HOSTS = register_collection("hosts", HostDocument)
