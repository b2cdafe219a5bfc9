"""The kinds of jobs and of their nodes. (core)"""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel

from schemas.automation.trees import name_edge_list
from schemas.engine.graph import EdgeKind
from wms.gateway.awx.kinds.fields import (
    Data,
    EmptyBody,
    Key,
    Keys,
    KindModel,
    NamedModel,
    Variables,
    shown,
    writable,
)
from wms.gateway.awx.kinds.kind import Kind, Part
from wms.gateway.awx.lists import ListField
from wms.gateway.awx.shapes.job_words import APPROVAL_WORDS, NODE_FIELDS, STATUS_WORDS, write_definition
from wms.tenancy.rights import Action

_PARENT = ListField("parent.run", int, relates="workflow_jobs")


def _relate_template(kind: str) -> ListField:
    return ListField("definition", write=write_definition, relates=kind, orders={"name": "title"})


#: The fields by which lists of jobs are filtered.
JOB_FIELDS: Mapping[str, ListField] = {
    "id": ListField("_id", int),
    "name": ListField("title"),
    "status": ListField("status", words=STATUS_WORDS),
    "launch_type": ListField("launch_type"),
    "created": ListField("created_at", datetime),
    "started": ListField("started_at", datetime),
    "finished": ListField("ended_at", datetime),
    "organization": ListField("organization", relates="organizations", orders={"name": "organization"}),
    "created_by__username": ListField("owner"),
    "unified_job_template": _relate_template("unified_job_templates"),
    "workflow_job_template": _relate_template("workflow_job_templates"),
    "job_template": _relate_template("job_templates"),
    "unified_job_node__workflow_job": _PARENT,
    "workflow_job": _PARENT,
    "source_workflow_job": _PARENT,
    "relaunch_of": ListField("relaunch_of", int, relates="unified_jobs"),
    "labels__name": ListField("labels"),
    "schedule": ListField("occurrence.schedule", int),
}
#: Those by which lists of approvals are filtered.
APPROVAL_FIELDS: Mapping[str, ListField] = {**JOB_FIELDS, "status": ListField("status", words=APPROVAL_WORDS)}
#: Those by which the lines are filtered that tell what happened to a job.
EVENT_FIELDS: Mapping[str, ListField] = {
    "id": ListField("_id", int),
    "counter": ListField("counter", int),
    "start_line": ListField("start_line", int),
    "end_line": ListField("end_line", int),
    "stdout": ListField("stdout"),
}


class JobModel(NamedModel):
    """The fields of jobs of all kinds."""

    name: str = shown("The name of its template.")
    description: str = shown("Always empty.")
    unified_job_template: Key = shown("Its template.")
    launch_type: str = shown("How it began: manual, relaunch, workflow, scheduled.")
    status: str = shown("Where it is.")
    failed: bool = shown("Whether it ended badly.")
    started: datetime = shown("When it started.")
    finished: datetime = shown("When it ended.")
    canceled_on: datetime = shown("When it was canceled.")
    elapsed: float = shown("For how many seconds it has been going on, or did.")
    job_explanation: str = shown("Why it is where it is.")
    cancel_flag: bool = shown("Whether it is being canceled.")
    extra_vars: Variables = shown("Its variables.")
    limit: str = shown("A limit for the work.")
    scm_branch: str = shown("A branch for the work.")
    job_tags: str = shown("Tags of what to do.")
    skip_tags: str = shown("Tags of what to leave out.")
    relaunch_of: Key = shown("The job that it repeats.")
    schedule: Key = shown("The schedule that launched it.")
    scheduled_for: datetime = shown("The occurrence of the schedule.")
    skipped_occurrences: int = shown("How many occurrences before that one were missed and skipped.")
    ewms_uuid: str = shown("Its id in our own routes.")


class WorkflowJobModel(JobModel):
    """The fields of a tree that was launched."""

    workflow_job_template: Key = shown("Its template.")
    handled_failures: int = shown("How many nodes failed and were handled by an edge.")
    is_sliced_job: bool = shown("Always false.")
    is_bulk_job: bool = shown("Always false.")


class PlainJobModel(JobModel):
    """The fields of a job of a job template."""

    job_template: Key = shown("Its template.")
    workflow_id: str = shown("The EWMS workflow that does its work, if one does.")
    event_processing_finished: bool = shown("Whether its list of events is complete.")


class JobEventModel(KindModel):
    """The fields of a line that tells what happened to a job."""

    job: Key = shown("The job.")
    counter: int = shown("Its place in the list, from 1.")
    event: str = shown("Always verbose.")
    stdout: str = shown("The line.")
    start_line: int = shown("The number of the line, from 0.")
    end_line: int = shown("The number of the next line.")


class ApprovalModel(JobModel):
    """The fields of an approval."""

    approval_expiration: datetime = shown("When it fails if no one has decided.")
    timed_out: bool = shown("Whether its time was over.")
    can_approve_or_deny: bool = shown("Whether it waits for a decision.")
    approved_or_denied_by: str = shown("Who decided.")
    comment: str = shown("What this person wrote about it.")


class JobNodeModel(KindModel):
    """The fields of a node of a tree that was launched."""

    identifier: str = shown("As in its template.")
    workflow_job: Key = shown("The tree.")
    unified_job_template: Key = shown("The template that it wraps.")
    job: Key = shown("The job that it has spawned.")
    extra_data: Data = shown("Variables for its job.")
    limit: str = shown("What it answers to this prompt of its template.")
    scm_branch: str = shown("What it answers to this prompt of its template.")
    job_tags: str = shown("What it answers to this prompt of its template.")
    skip_tags: str = shown("What it answers to this prompt of its template.")
    all_parents_must_converge: bool = shown("Whether it wants all of its parents, not only one.")
    do_not_run: bool = shown("Whether it will never run.")
    status: str = shown("Where it is.")
    explanation: str = shown("Why it is there.")
    reused_from: Key = shown("The tree whose result it keeps.")
    ancestor_artifacts: Data = shown("What the jobs above it have left.")
    success_nodes: Keys = shown("The nodes after a success.")
    failure_nodes: Keys = shown("The nodes after a failure.")
    always_nodes: Keys = shown("The nodes after any end.")


class RelaunchBody(BaseModel):
    """What a relaunch takes."""

    nodes: str = writable("all, or failed: nodes that ended well keep their results.", "all")


class DecisionBody(BaseModel):
    """What a decision takes."""

    comment: str = writable("Why; kept with the approval.", "")


_NOTIFICATIONS = Part(kind="notifications")

JOB_KINDS: tuple[Kind, ...] = (
    Kind(
        path="workflow_jobs",
        model=WorkflowJobModel,
        change=Action.LAUNCH_TREE,
        filters=JOB_FIELDS,
        parts={
            "workflow_nodes": Part(kind="workflow_job_nodes"),
            "labels": Part(kind="labels"),
            "activity_stream": Part(kind="activity_stream"),
            "notifications": _NOTIFICATIONS,
        },
        actions={"cancel": EmptyBody, "relaunch": RelaunchBody},
    ),
    Kind(
        path="jobs",
        model=PlainJobModel,
        change=Action.LAUNCH_TREE,
        filters=JOB_FIELDS,
        parts={
            "job_events": Part(kind="job_events"),
            "labels": Part(kind="labels"),
            "activity_stream": Part(kind="activity_stream"),
            "notifications": _NOTIFICATIONS,
        },
        actions={"cancel": EmptyBody, "relaunch": RelaunchBody},
    ),
    Kind(
        path="workflow_approvals",
        model=ApprovalModel,
        change=Action.APPROVE_TREE,
        filters=APPROVAL_FIELDS,
        parts={"notifications": _NOTIFICATIONS},
        actions={"approve": DecisionBody, "deny": DecisionBody},
    ),
    Kind(path="job_events", is_below_others=True, model=JobEventModel, filters=EVENT_FIELDS, searched=("stdout",)),
    Kind(path="unified_jobs", model=JobModel, filters=JOB_FIELDS),
    Kind(
        path="workflow_job_nodes",
        model=JobNodeModel,
        filters=NODE_FIELDS,
        searched=("identifier",),
        parts={
            **{name_edge_list(kind): Part(kind="workflow_job_nodes") for kind in EdgeKind},
            "labels": Part(kind="labels"),
        },
    ),
)
