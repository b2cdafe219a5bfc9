"""The stored logs of jobs on hosts: what each run of a task wrote, in pieces."""

from datetime import datetime

from schemas.engine.runs import RunModel
from schemas.ids import EventId, TaskId
from schemas.pilot.outcomes import TaskStream
from schemas.registry import register_collection


class JobLogRow(RunModel):
    """A stored piece of a job's log."""

    #: `<job>/<run>/<stream>/<number>`, so that a repeated piece is stored once.
    id: str
    job: str
    event_id: EventId
    key: str
    task_id: TaskId
    attempt: int
    run: str
    stream: TaskStream
    number: int
    #: Grows from piece to piece of the job, in the order in which the pieces came.
    place: int
    text: str
    is_last: bool
    is_cut: bool
    at: datetime
    #: When MongoDB removes the piece.
    expires_at: datetime


JOB_LOG = register_collection("job_log", JobLogRow)


class JobLogSize(RunModel):
    """How many characters of a job's log have come."""

    last: int


JOB_LOG_SIZES = register_collection("job_log_sizes", JobLogSize)
