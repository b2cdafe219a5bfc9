"""Templates and their nodes as the dialect shows them. (core)"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.automation.trees import (
    TEXT_PROMPTS,
    ApprovalWork,
    TemplateDocument,
    TemplateKind,
    TemplateNode,
    name_edge_list,
)
from schemas.engine.graph import EdgeKind
from schemas.engine.run_documents import RunDocument
from wms.engine.life.variables import mask_values
from wms.gateway.awx.shapes.object_paths import make_url, relate_lists
from wms.gateway.awx.shapes.role_words import list_template_keys, summarize_roles
from wms.trees.inputs.launch_values import ASK_FIELDS, mask_extra_data
from wms.trees.jobs.job_statuses import find_job_status

#: Kind -> the part of the path of its objects.
PATHS: Mapping[TemplateKind, str] = {
    TemplateKind.WORKFLOW: "workflow_job_templates",
    TemplateKind.JOB: "job_templates",
    TemplateKind.APPROVAL: "workflow_approval_templates",
}
#: Kind -> the word for its jobs.
JOB_TYPES: Mapping[TemplateKind, str] = {
    TemplateKind.WORKFLOW: "workflow_job",
    TemplateKind.JOB: "job",
    TemplateKind.APPROVAL: "workflow_approval",
}


def show_time(at: datetime | None) -> str | None:
    """Return a time as clients parse it: always with a fraction and a Z."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def show_own_variables(template: TemplateDocument) -> str:
    """Return the variables of a template as a text: as their author wrote them, else as JSON with masked secrets."""
    shown = mask_values(template.variables, {*template.masked, *template.survey.passwords})
    # The text of a template from before secrets were sealed may show one.
    is_open = shown == template.variables
    return (template.extra_vars if is_open else "") or (json.dumps(shown, ensure_ascii=False) if shown else "")


def show_template(
    template: TemplateDocument,
    *,
    organization: int | None,
    last: RunDocument | None = None,
    next_run_at: datetime | None = None,
    capabilities: Mapping[str, bool] | None = None,
    labels: Mapping[tuple[str, str], int] | None = None,
) -> dict[str, Any]:
    """Return a template. `last` is its latest job, `next_run_at` the time of the next one that a schedule launches.
    `labels` are numbers of labels, by organization and name.
    """
    what = PATHS[template.kind]
    url = make_url(what, template.id)
    shown: dict[str, Any] = {
        "id": template.id,
        "type": template.kind.value,
        "url": url,
        "related": _relate_template(template, url, organization),
        "summary_fields": {
            "created_by": {"username": template.created_by},
            "modified_by": {"username": template.modified_by},
            "user_capabilities": dict(capabilities or {}),
            "labels": {"count": len(template.labels), "results": _show_labels(template, labels or {})},
        },
        "created": show_time(template.created),
        "modified": show_time(template.modified),
        "name": template.name,
        "description": template.description,
    }
    if organization is not None:
        shown["summary_fields"]["organization"] = {"id": organization, "name": template.organization}
    if template.kind is TemplateKind.APPROVAL:
        work = template.work if isinstance(template.work, ApprovalWork) else ApprovalWork()
        return shown | {"timeout": work.timeout, "bars_starter": work.bars_starter}
    keys = list_template_keys(template)
    shown["summary_fields"]["object_roles"] = summarize_roles(keys, template.kind.value)
    shown |= {
        "organization": organization,
        "extra_vars": show_own_variables(template),
        "survey_enabled": template.survey_enabled,
        "inventory": None,
        **{prompt.value: template.prompts.get(prompt, "") for prompt in TEXT_PROMPTS},
        **{name: prompt in template.asks for name, prompt in ASK_FIELDS.items()},
        "last_job_run": None if last is None else show_time(last.ended_at or last.created_at),
        "next_job_run": show_time(next_run_at),
        "last_job_failed": last is not None and find_job_status(last) in ("failed", "error", "canceled"),
        "status": "never updated" if last is None else find_job_status(last),
    }
    if template.kind is TemplateKind.WORKFLOW:
        return shown | {
            "topology": template.topology.value,
            "allow_simultaneous": template.allow_simultaneous,
            "webhook_service": "",
            "webhook_credential": None,
        }
    return shown | {
        "work": None if template.work is None else template.work.model_dump(mode="json", exclude_none=True),
        "job_type": "run",
        "allow_simultaneous": True,
    }


def _show_labels(template: TemplateDocument, numbers: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    keys = [(template.organization or "", name) for name in template.labels]
    return [{**({"id": numbers[key]} if key in numbers else {}), "name": key[1]} for key in keys]


def _relate_template(template: TemplateDocument, url: str, organization: int | None) -> dict[str, str]:
    if template.kind is TemplateKind.APPROVAL:
        return {}
    names = ["launch", "copy", "survey_spec", "schedules"]
    names += ["labels", "activity_stream", "object_roles", "access_list"]
    if template.kind is TemplateKind.WORKFLOW:
        names += ["workflow_nodes", "workflow_jobs", "graph"]
    related = {name: f"{url}{name}/" for name in names}
    related |= relate_lists(url, has_approvals=template.kind is TemplateKind.WORKFLOW)
    if organization is not None:
        related["organization"] = make_url("organizations", organization)
    return related


def show_node(template: TemplateDocument, node: TemplateNode, wrapped: TemplateDocument | None) -> dict[str, Any]:
    """Return a node of a template. `wrapped` is what it wraps."""
    url = make_url("workflow_job_template_nodes", node.id)
    related = {name_edge_list(kind): f"{url}{name_edge_list(kind)}/" for kind in EdgeKind}
    related |= {name: f"{url}{name}/" for name in ("create_approval_template", "labels")}
    related["workflow_job_template"] = make_url(PATHS[TemplateKind.WORKFLOW], template.id)
    summary: dict[str, Any] = {"workflow_job_template": {"id": template.id, "name": template.name}}
    if wrapped is not None:
        related["unified_job_template"] = make_url(PATHS[wrapped.kind], wrapped.id)
        summary["unified_job_template"] = {
            "id": wrapped.id,
            "name": wrapped.name,
            "description": wrapped.description,
            "unified_job_type": JOB_TYPES[wrapped.kind],
        }
    return {
        "id": node.id,
        "type": "workflow_job_template_node",
        "url": url,
        "related": related,
        "summary_fields": summary,
        "created": show_time(node.created),
        "modified": show_time(node.modified),
        "identifier": node.identifier,
        "workflow_job_template": template.id,
        "unified_job_template": None if wrapped is None else wrapped.id,
        "extra_data": mask_extra_data(node.extra_data, wrapped, node.masked),
        "inventory": None,
        **{prompt.value: node.prompts.get(prompt, "") for prompt in TEXT_PROMPTS},
        "timeout": None if node.timeout_s is None else int(node.timeout_s),
        "all_parents_must_converge": node.all_parents_must_converge,
        **{name_edge_list(kind): list(children) for kind, children in node.edges.items()},
    }
