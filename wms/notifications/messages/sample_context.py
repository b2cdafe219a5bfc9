"""A job that never was: WMS renders custom messages with it before it stores them. (core)"""

from collections.abc import Mapping
from typing import Any

from wms.notifications.templates.notification_fields import APPROVAL_WORDS


def make_sample_context(words: str) -> Mapping[str, Any]:
    """Return what `wms.notifications.messages.bodies.make_context` returns for a job."""
    is_approval = words in APPROVAL_WORDS
    body = "" if is_approval else "Workflow job summary:\n\n- node #820000 spawns no job."
    job: dict[str, Any] = {
        "id": 41,
        "name": "release",
        "url": "https://ewms.example.org/api/v2/workflow_jobs/41/",
        "created_by": "ada",
        "started": "2026-11-29T08:00:00+00:00",
        "finished": None if words in ("started", "running") else "2026-11-29T08:01:00+00:00",
        "status": {"started": "running", "running": "pending", "success": "successful"}.get(words, "failed"),
        "traceback": "",
        "friendly_name": "Workflow Approval" if is_approval else "Workflow Job",
        "extra_vars": {},
    }
    metadata = {**job, "body": body} if body else job
    more = {"type": "workflow_job", "launch_type": "manual", "explanation": "", "organization": "north", "labels": []}
    return {
        "job": {**metadata, **more},
        "job_friendly_name": job["friendly_name"],
        "url": job["url"],
        "body": body,
        "job_metadata": metadata,
        "approval_status": words if is_approval else "",
        "approval_node_name": job["name"] if is_approval else "",
        "workflow_url": job["url"],
    }
