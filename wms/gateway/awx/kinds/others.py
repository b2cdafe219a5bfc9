"""The kinds that belong to no template, and those that we do not have. (core)"""

from datetime import datetime

from wms.gateway.awx.kinds.fields import Data, Key, KindModel, NamedModel, required, shown, writable
from wms.gateway.awx.kinds.kind import Kind, Part
from wms.gateway.awx.kinds.notifications import list_notification_parts
from wms.gateway.awx.lists import Fields, ListField
from wms.tenancy.rights import Action

LABEL_FIELDS: Fields = {
    "id": ListField("_id", int),
    "name": ListField("name"),
    "organization": ListField("organization"),
    "organization__name": ListField("organization"),
}
#: The same fields of the labels of one template or job, which are rows that clients see.
LABEL_ROW_FIELDS: Fields = {
    **LABEL_FIELDS,
    "organization": ListField("organization", int),
    "organization__name": ListField("summary_fields.organization.name"),
}
ACTIVITY_FIELDS: Fields = {
    "id": ListField("_id", int),
    "timestamp": ListField("at", datetime),
    "operation": ListField("operation"),
    "object1": ListField("kind"),
    "object_type": ListField("kind"),
    "actor__username": ListField("who"),
}
ORGANIZATION_FIELDS: Fields = {
    "id": ListField("_id", int),
    "name": ListField("name"),
    "description": ListField("description"),
}

#: Kinds that we do not have. Their lists are there, empty, because clients ask for them.
EMPTY_KINDS = (
    "credential_types",
    "credentials",
    "projects",
    "inventories",
    "inventory_sources",
    "execution_environments",
    "applications",
    "system_job_templates",
    "hosts",
    "groups",
    "instance_groups",
)


class OrganizationModel(NamedModel):
    """The fields of an organization."""

    description: str = writable("Its title.", "")


class LabelModel(KindModel):
    """The fields of a label."""

    name: str = required("Its name, unique in its organization.")
    organization: Key = required("The organization that it belongs to. It never changes.")


class ActivityModel(KindModel):
    """The fields of one change in the activity stream."""

    timestamp: datetime = shown("When it happened.")
    operation: str = shown("create, update, delete, associate or disassociate.")
    changes: Data = shown("Fields with their values before and after; values that may be secret are left out.")
    object1: str = shown("The kind of the object.")
    object2: str = shown("What was joined or taken away.")
    object_association: str = shown("Always empty.")
    object_type: str = shown("The kind of the object.")
    action_node: str = shown("Always ewms.")


class AbsentModel(NamedModel):
    """The fields of the objects of a kind that we do not have."""

    name: str = shown("Its name.")
    description: str = shown("What it is for.")
    organization: Key = shown("The organization that it belongs to.")


OTHER_KINDS: tuple[Kind, ...] = (
    Kind(
        path="organizations",
        model=OrganizationModel,
        change=Action.CHANGE_ORGANIZATION,
        filters=ORGANIZATION_FIELDS,
        object_roles=("admin_role", "auditor_role", "member_role"),
        parts={
            "object_roles": Part(kind="roles"),
            "access_list": Part(kind="users"),
            "notification_templates": Part(kind="notification_templates"),
            **list_notification_parts(has_approvals=True),
        },
        named_by=("name",),
    ),
    Kind(path="activity_stream", model=ActivityModel, filters=ACTIVITY_FIELDS, searched=("operation",)),
    Kind(path="labels", model=LabelModel, change=Action.CHANGE_TREE, filters=LABEL_FIELDS),
    *(Kind(path=path, model=AbsentModel) for path in EMPTY_KINDS),
)
