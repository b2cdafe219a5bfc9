"""The bodies of the routes of inventories, their groups and their hosts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from schemas.api.fields import UNIQUE, Name, Unique
from schemas.automation.inventories import MAX_HOST_LABELS, MAX_MEMBERSHIPS
from schemas.fleet.objects import Object

Description = Annotated[str, StringConstraints(max_length=4096)]
OrganizationName = Annotated[str, StringConstraints(max_length=63)]
FormName = Literal["ini", "yaml", "json"]
Values = Annotated[dict[str, Any], Field(description="Variable -> its value, any JSON.")]
Labels = Annotated[list[Name], Unique, Field(max_length=MAX_HOST_LABELS, json_schema_extra=UNIQUE)]
Names = Annotated[list[Name], Unique, Field(max_length=MAX_MEMBERSHIPS, json_schema_extra=UNIQUE)]
Revision = Annotated[
    int | None,
    Field(ge=0, description="The inventory's revision that the caller has read: 409 if it has another one now."),
]
Content = Annotated[
    str | dict[str, Any],
    Field(description="An inventory as Ansible keeps it: a text of INI, YAML or JSON, or an object in a JSON form."),
]


class InventoryRequest(Object):
    """A new inventory: empty, or with the hosts and groups of a text."""

    name: Name
    organization: OrganizationName = Field("", description="Default: the only one in which the caller may do this.")
    description: Description = ""
    variables: Values = Field(default_factory=dict)
    content: Content = ""
    format: FormName | None = Field(None, description="The form of the content. Default: it is found out.")


class InventoryChange(Object):
    """Fields of an inventory that change. Those that are missing stay."""

    name: Name | None = None
    description: Description | None = None
    rev: Revision = None


class ImportRequest(Object):
    """What an inventory shall have."""

    content: Content
    format: FormName | None = None
    mode: Literal["replace", "merge"] = Field(
        "replace", description="`replace`: the inventory has exactly this. `merge`: it has this, too."
    )
    rev: Revision = None


class InventorySummary(Object):
    """An inventory in a list."""

    id: int
    name: str
    organization: str
    description: str
    n_hosts: int
    n_groups: int
    rev: int = Field(description="It grows with each change of the inventory, of its groups and of its hosts.")
    created: datetime
    modified: datetime
    created_by: str
    modified_by: str


class GroupSeen(Object):
    """A group of an inventory, with its own variables."""

    name: str
    children: list[str]
    variables: dict[str, Any]


class InventorySeen(InventorySummary):
    """An inventory. Its hosts are listed at /hosts."""

    variables: dict[str, Any]
    groups: list[GroupSeen]


class InventoriesAnswer(Object):
    """A page of inventories, by id."""

    inventories: list[InventorySummary]
    next: int | None = Field(description="The value of `marker` for the next page; null at the end.")


class GroupRequest(Object):
    """A new group."""

    name: Name
    children: Names = Field(default_factory=list)
    variables: Values = Field(default_factory=dict)
    rev: Revision = None


class GroupsAnswer(Object):
    """The groups of an inventory."""

    groups: list[GroupSeen]
    rev: int


class VariablesRequest(Object):
    """Variables of one level that are set. The others of the level stay."""

    variables: Values
    rev: Revision = None


class VariablesSeen(Object):
    """The variables that one level has of its own."""

    variables: dict[str, Any]
    rev: int


class ChildrenRequest(Object):
    """Groups that come into a group."""

    children: Names
    rev: Revision = None


class HostRequest(Object):
    """A new host."""

    inventory: Annotated[int, Field(strict=True, ge=1)]
    name: Name
    labels: Labels = Field(default_factory=list)
    groups: Names = Field(default_factory=list)
    variables: Values = Field(default_factory=dict)
    rev: Revision = None


class HostChange(Object):
    """A host's new name."""

    name: Name
    rev: Revision = None


class LabelsRequest(Object):
    """Labels that a host gets. It keeps those that it has."""

    labels: Labels
    rev: Revision = None


class MembershipsRequest(Object):
    """Groups to add a host to. The host also stays in its present groups."""

    groups: Names
    rev: Revision = None


class HostSeen(Object):
    """A host, with its own variables."""

    id: int
    inventory: int
    organization: str
    name: str
    labels: list[str]
    groups: list[str] = Field(description="The groups that list the host. It is in the groups above them, too.")
    variables: dict[str, Any]
    created: datetime
    modified: datetime


class HostsAnswer(Object):
    """A page of hosts, by id: in the order in which they joined their inventories."""

    hosts: list[HostSeen]
    next: int | None = Field(description="The value of `marker` for the next page; null at the end.")


class SourceSeen(Object):
    """A level that gives a variable a value."""

    level: Literal["inventory", "group", "host"]
    name: str = Field(description="The group or the host; empty for the inventory.")
    value: Any


class HostVariables(Object):
    """The variables of a host: its own, and those that it gets from its groups and its inventory."""

    id: int
    name: str
    groups: list[str] = Field(description="All groups of the host, in the order in which their variables override.")
    variables: dict[str, Any]
    resolved: Mapping[str, Any] = Field(description="The variables of all levels together; the nearest one wins.")
    blame: dict[str, list[SourceSeen]] = Field(
        description="Variable -> the levels that give it a value, from far to near. The last one has won."
    )
