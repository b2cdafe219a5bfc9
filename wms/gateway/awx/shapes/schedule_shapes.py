"""Schedules as the dialect shows them. (core)"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from schemas.automation.schedules import ScheduleDocument
from schemas.automation.trees import TEXT_PROMPTS, Prompt, TemplateDocument
from wms.gateway.awx.shapes.object_paths import make_url
from wms.gateway.awx.shapes.template_shapes import JOB_TYPES, PATHS, show_time
from wms.schedules.recurrence import show_until
from wms.schedules.rule_text import read_recurrence
from wms.trees.inputs.launch_values import mask_extra_data


def show_schedule(
    schedule: ScheduleDocument,
    template: TemplateDocument | None,
    *,
    last_job: str = "",
    capabilities: Mapping[str, bool] | None = None,
) -> dict[str, Any]:
    """Return a schedule. `template` is what it launches; `last_job` is the path of its last job, if that exists."""
    url = make_url("schedules", schedule.id)
    related = {"jobs": f"{url}jobs/", "unified_jobs": f"{url}jobs/"}
    summary: dict[str, Any] = {
        "created_by": {"username": schedule.owner.subject},
        "modified_by": {"username": schedule.modified_by},
        "user_capabilities": dict(capabilities or {}),
    }
    if template is not None:
        related["unified_job_template"] = make_url(PATHS[template.kind], template.id)
        summary["unified_job_template"] = {
            "id": template.id,
            "name": template.name,
            "description": template.description,
            "unified_job_type": JOB_TYPES[template.kind],
        }
    if last_job:
        related["last_job"] = last_job
    zone, until = schedule.zone, schedule.until
    if not zone:
        recurrence = read_recurrence(schedule.rrule)
        zone, until = recurrence.zone.key, show_until(recurrence)
    return {
        "id": schedule.id,
        "type": "schedule",
        "url": url,
        "related": related,
        "summary_fields": summary,
        "created": show_time(schedule.created),
        "modified": show_time(schedule.modified),
        "name": schedule.name,
        "description": schedule.description,
        "unified_job_template": None if template is None else template.id,
        "rrule": schedule.rrule,
        "enabled": schedule.enabled,
        "start_deadline_s": schedule.start_deadline_s,
        "skip_if_running": schedule.skip_if_running,
        "dtstart": show_time(schedule.starts_at),
        "dtend": show_time(schedule.ends_at),
        "next_run": show_time(schedule.wake_at),
        "timezone": zone,
        "until": until,
        # Without the template we cannot tell what to mask.
        "extra_data": {} if template is None else mask_extra_data(schedule.extra_data, template, schedule.masked),
        "inventory": None,
        **{prompt.value: schedule.prompts.get(prompt, "") for prompt in TEXT_PROMPTS},
        "labels": list(schedule.prompts.get(Prompt.LABELS, ())),
        "last_occurrence": _show_last(schedule),
        "skipped_occurrences": schedule.skipped,
    }


def _show_last(schedule: ScheduleDocument) -> dict[str, Any] | None:
    last = schedule.last
    if last is None:
        return None
    return {"at": show_time(last.at), "job": last.run, "skipped": last.skipped, "refusal": last.refusal}


def show_preview(zone: ZoneInfo, occurrences: list[datetime]) -> dict[str, list[str]]:
    """Return the next occurrences of a rule, in its time zone and in UTC."""
    return {
        "local": [at.astimezone(zone).isoformat() for at in occurrences],
        "utc": [at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in occurrences],
    }
