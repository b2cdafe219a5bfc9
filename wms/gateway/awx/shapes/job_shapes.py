"""Jobs and their nodes as the dialect shows them. (core)"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.automation.schedules import ScheduleDocument
from schemas.automation.trees import TEXT_PROMPTS, TemplateDocument, name_edge_list
from schemas.engine.graph import EdgeKind, Node, NodeKind
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import RUN_OVER, NodeStatus, RunStatus
from wms.engine.life.open_run import find_inherited, open_run
from wms.engine.life.variables import mask_values
from wms.gateway.awx.shapes.object_paths import make_url
from wms.gateway.awx.shapes.template_shapes import show_time
from wms.insight.runs.node_reasons import read_own_reason
from wms.trees.graphs.tree_definitions import find_template_id
from wms.trees.inputs.launch_values import mask_extra_data
from wms.trees.jobs.explain import count_handled, explain_run, number_node
from wms.trees.jobs.job_statuses import JOB_PATHS, find_job_status, find_job_type

_FAILED = frozenset({RunStatus.FAILED, RunStatus.ERROR, RunStatus.CANCELED})
_TEMPLATE_PATHS = {
    "workflow_job": "workflow_job_templates",
    "job": "job_templates",
    "workflow_approval": "workflow_approval_templates",
}


def find_elapsed(run: RunDocument, now: datetime) -> float:
    """Return for how many seconds a job has been going on, or did."""
    if run.started_at is None:
        return 0.0
    return round(((run.ended_at or now) - run.started_at).total_seconds(), 3)


def show_job(
    run: RunDocument, *, now: datetime, is_there: bool, halts: str = "", schedule: ScheduleDocument | None = None
) -> dict[str, Any]:
    """Return a job. `is_there`: whether its template still exists. `halts` explains what has halted below it.

    `schedule` is what has launched it, if that still exists.
    """
    kind = find_job_type(run)
    url = make_url(JOB_PATHS[kind], run.id)
    template = find_template_id(run.definition) if is_there else None
    related = {name: f"{url}{name}/" for name in _list_related(kind)}
    labels = {"count": len(run.labels), "results": [{"name": name} for name in run.labels]}
    summary: dict[str, Any] = {"created_by": {"username": run.owner}, "labels": labels}
    if template is not None:
        key = {"workflow_job": "workflow_job_template", "job": "job_template"}.get(kind, "workflow_approval_template")
        related[key] = related["unified_job_template"] = make_url(_TEMPLATE_PATHS[kind], template)
        summary[key] = summary["unified_job_template"] = {"id": template, "name": run.title}
    if run.parent is not None:
        related["source_workflow_job"] = make_url("workflow_jobs", run.parent.run)
        summary["source_workflow_job"] = {"id": run.parent.run}
    if schedule is not None:
        related["schedule"] = make_url("schedules", schedule.id)
        summary["schedule"] = {
            "id": schedule.id,
            "name": schedule.name,
            "description": schedule.description,
            "next_run": show_time(schedule.wake_at),
        }
    occurrence = run.occurrence
    shown: dict[str, Any] = {
        "id": run.id,
        "type": kind,
        "url": url,
        "related": related,
        "summary_fields": summary,
        "created": show_time(run.created_at),
        "modified": show_time(run.ended_at or run.started_at or run.created_at),
        "name": run.title,
        "description": "",
        "unified_job_template": template,
        "launch_type": run.launch_type,
        "status": find_job_status(run),
        "failed": run.status in _FAILED,
        "started": show_time(run.started_at),
        "finished": show_time(run.ended_at),
        "canceled_on": show_time(run.ended_at) if run.status is RunStatus.CANCELED else None,
        "elapsed": find_elapsed(run, now),
        "job_explanation": explain_run(run) or halts,
        "cancel_flag": run.want is not None and run.status not in RUN_OVER,
        "extra_vars": json.dumps(mask_values(run.params, run.masked), ensure_ascii=False),
        **{prompt.value: run.prompts.get(prompt.value, "") for prompt in TEXT_PROMPTS},
        "relaunch_of": run.relaunch_of,
        "schedule": None if schedule is None else schedule.id,
        "scheduled_for": None if occurrence is None else show_time(occurrence.at),
        "skipped_occurrences": 0 if occurrence is None else occurrence.skipped,
        "ewms_uuid": run.uuid,
    }
    match kind:
        case "workflow_job":
            return shown | {
                "workflow_job_template": template,
                "handled_failures": count_handled(run) if run.status in RUN_OVER else 0,
                "is_sliced_job": False,
                "is_bulk_job": False,
            }
        case "workflow_approval":
            return shown | _show_approval(run)
        case _:
            return shown | {
                "job_template": template,
                "workflow_id": run.nodes[0].workflow_id,
                "event_processing_finished": run.status in RUN_OVER,
            }


def _list_related(kind: str) -> tuple[str, ...]:
    match kind:
        case "workflow_job":
            names = ("workflow_nodes", "cancel", "relaunch", "graph", "explain", "labels")
            return (*names, "activity_stream", "notifications")
        case "workflow_approval":
            return ("approve", "deny", "notifications")
        case _:
            return ("cancel", "relaunch", "job_events", "stdout", "labels", "activity_stream", "notifications")


def list_moments(run: RunDocument) -> list[tuple[datetime, str]]:
    """Return what happened to a job, and when, in order. `run` has its whole log."""
    found = []
    for row in run.log:
        why = row.why or ("" if row.error is None else row.error.message)
        words = " ".join(word for word in (row.name or row.node or "", row.act, row.status, row.who) if word)
        found.append((row.at, f"{words}: {why}" if why else words))
    if run.ended_at is not None:
        why = explain_run(run) or run.nodes[0].explanation
        found.append((run.ended_at, f"{run.status.value}: {why}" if why else run.status.value))
    return found


def write_log(run: RunDocument) -> list[str]:
    """Return what happened to a job, a line each."""
    return [f"{show_time(at)} {text}" for at, text in list_moments(run)]


def show_job_events(run: RunDocument) -> list[dict[str, Any]]:
    """Return what happened to a job as clients follow it: a line each, in order."""
    return [
        {
            "id": number_node(run.id, number),
            "type": "job_event",
            "url": f"{make_url('jobs', run.id)}job_events/",
            "related": {"job": make_url("jobs", run.id)},
            "summary_fields": {},
            "created": show_time(at),
            "modified": show_time(at),
            "job": run.id,
            "counter": number + 1,
            "event": "verbose",
            "stdout": f"{show_time(at)} {text}",
            "start_line": number,
            "end_line": number + 1,
        }
        for number, (at, text) in enumerate(list_moments(run))
    ]


def _show_approval(run: RunDocument) -> dict[str, Any]:
    wait = run.nodes[0].wait
    error = run.nodes[0].error
    decided = next((row for row in reversed(run.log) if row.act == "ended" and row.node is not None), None)
    return {
        "approval_expiration": None if wait is None else show_time(wait.deadline),
        "timed_out": error is not None and error.error_class == "TimedOut",
        "can_approve_or_deny": run.status not in RUN_OVER,
        "approved_or_denied_by": decided.who if decided is not None and decided.who else None,
        "comment": "" if decided is None else str(decided.delta.get("comment", "")),
    }


def show_job_node(
    run: RunDocument, place: int, job: RunDocument | None, *, now: datetime, wrapped: TemplateDocument | None = None
) -> dict[str, Any]:
    """Return a node of a tree that was launched. `job` is what it has spawned, `wrapped` its template as it is now."""
    spec, state = run.graph.nodes[place], run.nodes[place]
    number = number_node(run.id, place)
    url = make_url("workflow_job_nodes", number)
    template = find_template_id(spec.definition) if spec.kind is NodeKind.RUN else None
    related = {name_edge_list(kind): f"{url}{name_edge_list(kind)}/" for kind in EdgeKind}
    related |= {"workflow_job": make_url("workflow_jobs", run.id), "labels": f"{url}labels/"}
    summary: dict[str, Any] = {"workflow_job": {"id": run.id, "name": run.title}}
    if template is not None:
        summary["unified_job_template"] = {"id": template, "name": spec.name}
    if job is not None:
        kind_of_job = find_job_type(job)
        related["job"] = make_url(JOB_PATHS[kind_of_job], job.id)
        summary["job"] = {
            "id": job.id,
            "name": job.title,
            "type": kind_of_job,
            "status": find_job_status(job),
            "failed": job.status in _FAILED,
            "elapsed": find_elapsed(job, now),
        }
    return {
        "id": number,
        "type": "workflow_job_node",
        "url": url,
        "related": related,
        "summary_fields": summary,
        "created": show_time(run.created_at),
        "modified": show_time(state.ended_at or state.started_at or state.due_at or run.created_at),
        "identifier": spec.key,
        "workflow_job": run.id,
        "unified_job_template": template,
        "job": state.child_run,
        "extra_data": _mask_params(run, spec, job, wrapped),
        **{prompt.value: spec.prompts.get(prompt.value, "") for prompt in TEXT_PROMPTS},
        "all_parents_must_converge": spec.convergence == "all",
        "do_not_run": state.status is NodeStatus.PASSED,
        "status": state.status.value,
        "explanation": read_own_reason(state),
        "reused_from": state.reused_from,
        "ancestor_artifacts": mask_values(find_inherited(open_run(run), place), run.masked),
        **show_job_edges(run, place),
    }


def _mask_params(
    run: RunDocument, spec: Node, job: RunDocument | None, wrapped: TemplateDocument | None
) -> dict[str, Any]:
    """Return what a node gives to its job. If nothing names its passwords any more, all of it is masked."""
    if spec.kind is NodeKind.RUN and job is None and wrapped is None:
        return mask_values(spec.params, spec.params)
    masked = {*run.masked, *spec.masked, *(() if job is None else job.masked)}
    return mask_extra_data(mask_values(spec.params, masked), wrapped)


def show_job_edges(run: RunDocument, place: int) -> dict[str, list[int]]:
    """Return the numbers of the nodes below a node, by the names of the lists."""
    edges: Mapping[EdgeKind, list[int]] = {kind: [] for kind in EdgeKind}
    for edge in run.graph.nodes[place].edges:
        edges[edge.kind].append(number_node(run.id, edge.to))
    return {name_edge_list(kind): children for kind, children in edges.items()}
