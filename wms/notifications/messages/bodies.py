"""Write what a notification says: its subject, its body, and the payload of a webhook. (core)

    Workflow job summary:                                                               of a tree: a line for each node

    - node #2820000 spawns no job.
    - node #2820001 spawns job #212, "foo", which finished with status successful.

The names in it come from users. A line break in a name would look like another line of ours, so it becomes a blank.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.engine.run_documents import RunDocument
from wms.engine.life.variables import mask_values
from wms.trees.jobs.explain import explain_run, number_node
from wms.trees.jobs.job_statuses import JOB_PATHS, find_job_status, find_job_type

_TITLE = "Workflow job summary:"
_FRIENDLY = {"workflow_job": "Workflow Job", "job": "Job", "workflow_approval": "Workflow Approval"}


@dataclass(frozen=True, slots=True)
class Story:
    """The facts about a job from which WMS writes a notification."""

    run: RunDocument
    #: The jobs of a tree's nodes by the nodes' places.
    jobs: Mapping[int, RunDocument]
    #: The tree above an approval or a job.
    parent: RunDocument | None = None
    #: What comes before the paths of our links, such as `https://ewms.example.org`.
    public_url: str = ""


def _write_line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


def _make_link(run: RunDocument, public_url: str) -> str:
    return f"{public_url}/api/v2/{JOB_PATHS[find_job_type(run)]}/{run.id}/"


def _show_time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def write_body(story: Story) -> str:
    """Return our own text about a tree, with a line for each node in the order of their numbers. Return "" for other
    jobs.
    """
    run = story.run
    if run.graph.is_leaf:
        return ""
    lines = [_TITLE, ""]
    for place in range(len(run.nodes)):
        job, number = story.jobs.get(place), number_node(run.id, place)
        if job is None:
            lines.append(f"- node #{number} spawns no job.")
        else:
            ended = f"finished with status {find_job_status(job)}"
            lines.append(f'- node #{number} spawns job #{job.id}, "{_write_line(job.title)}", which {ended}.')
    return "\n".join(lines)


def write_subject(story: Story, words: str) -> str:
    """Return our own subject line about a job.

    `words` says what has happened to an approval, such as "approved". For other jobs the line gives the status of the
    job.
    """
    run = story.run
    kind = _FRIENDLY[find_job_type(run)]
    name = _write_line(run.title)
    link = _make_link(run, story.public_url)
    if kind != "Workflow Approval":
        return f'{kind} #{run.id} "{name}" is {find_job_status(run)}: {link}'
    what = {"running": "waits for a decision", "timed_out": "got no decision in time"}.get(words, f"was {words}")
    return f'The approval #{run.id} "{name}" {what}: {link}'


def make_payload(story: Story, body: str) -> dict[str, Any]:
    """Return our own payload for a webhook: the facts about a job by name. `body` is our text about the job."""
    run = story.run
    variables = mask_values(run.params, run.masked)
    payload: dict[str, Any] = {
        "id": run.id,
        "name": run.title,
        "url": _make_link(run, story.public_url),
        "created_by": run.owner,
        "started": _show_time(run.started_at),
        "finished": _show_time(run.ended_at),
        "status": find_job_status(run),
        "traceback": explain_run(run),
        "friendly_name": _FRIENDLY[find_job_type(run)],
        "extra_vars": variables,
    }
    return {**payload, "body": body} if body else payload


def make_context(story: Story, words: str) -> dict[str, Any]:
    """Return the variables of custom messages: `job`, `job_friendly_name`, `url`, `body`, and those of approvals."""
    run, body = story.run, write_body(story)
    payload = make_payload(story, body)
    parent = story.parent
    job = {
        **payload,
        "type": find_job_type(run),
        "launch_type": run.launch_type,
        "explanation": explain_run(run),
        "organization": run.organization,
        "labels": list(run.labels),
    }
    return {
        "job": job,
        "job_friendly_name": payload["friendly_name"],
        "url": payload["url"],
        "body": body,
        "job_metadata": payload,
        "approval_status": words if payload["friendly_name"] == "Workflow Approval" else "",
        "approval_node_name": run.title if payload["friendly_name"] == "Workflow Approval" else "",
        "workflow_url": _make_link(parent or run, story.public_url),
    }
