"""The words for the kinds and the statuses of jobs, as people read them. (core)

run                           a tree, a job         an approval
created                       pending               pending
running, waiting              running               pending, while it waits for a person
halted, stopped               running               running
successful, failed, error, canceled                 the same words
"""

from collections.abc import Mapping

from schemas.engine.graph import NodeKind
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import RUN_OVER, RunStatus

_WORDS: Mapping[RunStatus, str] = {
    RunStatus.CREATED: "pending",
    **{status: status.value for status in RUN_OVER},
}
#: The word for the kind of a job -> the part of the path of its objects.
JOB_PATHS: Mapping[str, str] = {
    "workflow_job": "workflow_jobs",
    "job": "jobs",
    "workflow_approval": "workflow_approvals",
}


def is_approval(run: RunDocument) -> bool:
    """Return whether a job is an approval."""
    return run.graph.is_leaf and run.graph.nodes[0].kind is NodeKind.WAIT


def find_job_status(run: RunDocument) -> str:
    """Return the word for the status of a job."""
    if is_approval(run) and run.status not in RUN_OVER:
        return "pending"
    return _WORDS.get(run.status, "running")


def find_job_type(run: RunDocument) -> str:
    """Return the word for the kind of a job."""
    if not run.graph.is_leaf:
        return "workflow_job"
    return "workflow_approval" if is_approval(run) else "job"
