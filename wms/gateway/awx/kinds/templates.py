"""The kinds of templates and of their nodes. (core)"""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel

from schemas.automation.trees import Topology, name_edge_list
from schemas.engine.graph import EdgeKind
from wms.gateway.awx.kinds.fields import (
    CopyBody,
    Data,
    EmptyBody,
    Key,
    Keys,
    KindModel,
    NamedModel,
    Variables,
    required,
    shown,
    unshown,
    writable,
)
from wms.gateway.awx.kinds.kind import Kind, Part
from wms.gateway.awx.kinds.notifications import list_notification_parts
from wms.gateway.awx.lists import ListField
from wms.gateway.awx.shapes.job_words import NODE_FIELDS
from wms.tenancy.rights import Action

#: The fields by which lists of templates are filtered.
TEMPLATE_FIELDS: Mapping[str, ListField] = {
    "id": ListField("_id", int),
    "name": ListField("name"),
    "description": ListField("description"),
    "organization": ListField("organization", relates="organizations"),
    "organization__name": ListField("organization"),
    "labels__name": ListField("labels"),
    "created": ListField("created", datetime),
    "modified": ListField("modified", datetime),
    "type": ListField("kind"),
    "topology": ListField("topology"),
    "survey_enabled": ListField("survey_enabled", bool),
    "created_by__username": ListField("created_by"),
    "modified_by__username": ListField("modified_by"),
}


class _LaunchedModel(NamedModel):
    """The fields of the templates that somebody can launch."""

    organization: Key = writable("The organization that it belongs to.")
    extra_vars: Variables = writable("Variables for its jobs, as JSON or YAML.", "")
    survey_enabled: bool = writable("Whether a launch must answer its survey.", False)
    inventory: Key = shown("There are no inventories.")
    limit: str = writable("A limit for the work; jobs that ask for it get it.", "")
    scm_branch: str = writable("A branch for the work; jobs that ask for it get it.", "")
    job_tags: str = writable("Tags of what to do; jobs that ask for it get it.", "")
    skip_tags: str = writable("Tags of what to leave out; jobs that ask for it get it.", "")
    ask_variables_on_launch: bool = writable("Whether a launch may give variables.", False)
    ask_inventory_on_launch: bool = writable("Whether a launch may give an inventory.", False)
    ask_limit_on_launch: bool = writable("Whether a launch may give a limit.", False)
    ask_scm_branch_on_launch: bool = writable("Whether a launch may give a branch.", False)
    ask_labels_on_launch: bool = writable("Whether a launch may give labels.", False)
    ask_tags_on_launch: bool = writable("Whether a launch may give job tags.", False)
    ask_skip_tags_on_launch: bool = writable("Whether a launch may give tags to skip.", False)
    last_job_run: datetime = shown("When its latest job ended, or was created.")
    next_job_run: datetime = shown("When a schedule launches it next.")
    last_job_failed: bool = shown("Whether its latest job failed.")
    status: str = shown("The status of its latest job.")


class WorkflowTemplateModel(_LaunchedModel):
    """The fields of a workflow job template."""

    topology: Topology = writable("The rules of its graph: a tree, or any graph without a cycle.", Topology.TREE)
    allow_simultaneous: bool = writable("Whether several of its jobs may run at once.", False)
    webhook_service: str = shown("There are no webhooks.")
    webhook_credential: Key = shown("There are no webhooks.")


class JobTemplateModel(_LaunchedModel):
    """The fields of a job template."""

    work: Data = required('What it runs: {"kind": "process", "definition": NAME} or {"kind": "fleet", "request": ...}.')
    job_type: str = shown("Always run.")
    allow_simultaneous: bool = shown("Always true.")


class ApprovalTemplateModel(NamedModel):
    """The fields of an approval template."""

    timeout: int = writable("After how many seconds it fails; 0: it waits for ever.", 0)
    bars_starter: bool = writable("Whether the person who started the tree may not decide.", False)


class TemplateModel(NamedModel):
    """The fields that templates of all kinds have."""

    organization: Key = shown("The organization that it belongs to.")
    last_job_run: datetime = shown("When its latest job ended, or was created.")
    next_job_run: datetime = shown("When a schedule launches it next.")
    status: str = shown("The status of its latest job.")


class ApprovalBody(BaseModel):
    """The fields of an approval that a node gets."""

    name: str = required("Its name.")
    description: str = writable("What it is for.", "")
    timeout: int = writable("After how many seconds it fails; 0: it waits for ever.", 0)
    bars_starter: bool = writable("Whether the person who started the tree may not decide.", False)


class LaunchBody(BaseModel):
    """What a launch may give."""

    extra_vars: Variables = writable("Variables; the template must ask for them, or its survey.")
    inventory: Key = writable("There are no inventories.")
    limit: str = writable("A limit for the work; jobs that ask for it get it.")
    scm_branch: str = writable("A branch for the work; jobs that ask for it get it.")
    job_tags: str = writable("Tags of what to do; jobs that ask for it get it.")
    skip_tags: str = writable("Tags of what to leave out; jobs that ask for it get it.")
    labels: Keys = writable("Labels that the job gets besides those of its template.")


class SurveyBody(BaseModel):
    """A survey."""

    name: str = required("Its name.")
    description: str = required("What it is for.")
    spec: Data = required("The list of its questions.")


class NodeModel(KindModel):
    """The fields of a node of a template."""

    identifier: str = writable("Unique in its template; without it, a UUID.")
    workflow_job_template: Key = required("The template whose node it is. It never changes.")
    unified_job_template: Key = writable("The template that it wraps: its id, or its name.")
    extra_data: Data = writable("Variables for its job.", {})
    inventory: Key = shown("There are no inventories.")
    limit: str = writable("A limit for the work; jobs that ask for it get it.", "")
    scm_branch: str = writable("A branch for the work; jobs that ask for it get it.", "")
    job_tags: str = writable("Tags of what to do; jobs that ask for it get it.", "")
    skip_tags: str = writable("Tags of what to leave out; jobs that ask for it get it.", "")
    timeout: int = writable("After how many seconds its job counts as failed.")
    all_parents_must_converge: bool = writable("Whether it wants all of its parents, not only one.", False)
    success_nodes: Keys = shown("The nodes after a success.")
    failure_nodes: Keys = shown("The nodes after a failure.")
    always_nodes: Keys = shown("The nodes after any end.")
    add_success_nodes: Keys = unshown("Nodes of the same template to run after a success, besides those there are.")
    add_failure_nodes: Keys = unshown("Nodes of the same template to run after a failure, besides those there are.")
    add_always_nodes: Keys = unshown("Nodes of the same template to run after any end, besides those there are.")


#: Who has which role on a template.
_ACTIVITY = Part(kind="activity_stream")
_LABELS = Part(kind="labels", joins=True)
_ACCESS: Mapping[str, Part] = {"object_roles": Part(kind="roles"), "access_list": Part(kind="users")}
_CHILDREN = Part(kind="workflow_job_template_nodes", joins=True)


TEMPLATE_KINDS: tuple[Kind, ...] = (
    Kind(
        path="workflow_job_templates",
        model=WorkflowTemplateModel,
        change=Action.CHANGE_TREE,
        filters=TEMPLATE_FIELDS,
        named_by=("name", "organization__name"),
        parts={
            "workflow_nodes": Part(kind="workflow_job_template_nodes"),
            "workflow_jobs": Part(kind="workflow_jobs"),
            "labels": _LABELS,
            "activity_stream": _ACTIVITY,
            **_ACCESS,
            **list_notification_parts(has_approvals=True),
            "schedules": Part(kind="schedules"),
        },
        object_roles=("admin_role", "execute_role", "read_role", "approval_role"),
        actions={"launch": LaunchBody, "copy": CopyBody, "survey_spec": SurveyBody, "graph": EmptyBody},
    ),
    Kind(
        path="job_templates",
        model=JobTemplateModel,
        change=Action.CHANGE_TREE,
        filters=TEMPLATE_FIELDS,
        parts={
            "jobs": Part(kind="jobs"),
            "labels": _LABELS,
            "schedules": Part(kind="schedules"),
            "activity_stream": _ACTIVITY,
            **_ACCESS,
            **list_notification_parts(has_approvals=False),
        },
        object_roles=("admin_role", "execute_role", "read_role"),
        named_by=("name", "organization__name"),
        actions={"launch": LaunchBody, "copy": CopyBody, "survey_spec": SurveyBody},
    ),
    Kind(
        path="workflow_approval_templates",
        model=ApprovalTemplateModel,
        change=Action.CHANGE_TREE,
        filters=TEMPLATE_FIELDS,
        named_by=("name", "organization__name"),
    ),
    Kind(path="unified_job_templates", model=TemplateModel, filters=TEMPLATE_FIELDS),
    Kind(
        path="workflow_job_template_nodes",
        model=NodeModel,
        change=Action.CHANGE_TREE,
        filters=NODE_FIELDS,
        named_by=("identifier", "workflow_job_template__name", "workflow_job_template__organization__name"),
        searched=("identifier",),
        parts={**{name_edge_list(kind): _CHILDREN for kind in EdgeKind}, "labels": _LABELS},
        actions={"create_approval_template": ApprovalBody},
    ),
)
