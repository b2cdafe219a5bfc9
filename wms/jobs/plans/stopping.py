"""Decide why a work stops before all of its hosts have ended, and what the job then says of the others. (core)

                        may a worker have had the host?
                        yes                            no
canceled                error: in doubt                canceled
out of time             error: in doubt                error: no worker came
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.automation.jobs import HostResult, JobDocument
from wms.jobs.plans.work_progress import MissingResult, make_error_result, make_sure_error


@dataclass(frozen=True, slots=True)
class WorkStop:
    """Why a work stops."""

    is_cancel: bool
    #: The reason shown at a host where a worker may have run the task, and at one where surely none has.
    in_doubt: str
    not_begun: str = ""


CANCELED = WorkStop(is_cancel=True, in_doubt="in doubt: the job was canceled while a worker may have run the task")


def find_stop(job: JobDocument, now: datetime, *, is_canceling: bool) -> WorkStop | None:
    """Return why a work of a job stops at `now`; None: it goes on."""
    if is_canceling:
        return CANCELED
    if not is_out_of_time(job, now):
        return None
    limit = describe_limit(job)
    return WorkStop(
        is_cancel=False,
        in_doubt=f"in doubt: {limit} while a worker may have run the task",
        not_begun=f"no task ran: {limit} before a worker came",
    )


def is_out_of_time(job: JobDocument, now: datetime) -> bool:
    """Return whether the time limit of a job is over."""
    return job.timeout_s is not None and now >= job.created_at + timedelta(seconds=job.timeout_s)


def describe_limit(job: JobDocument) -> str:
    """Return in words that the time limit of a job is over."""
    return f"the job's time limit of {job.timeout_s:g} s was over"


def end_missing(
    stop: WorkStop, missing: Iterable[MissingResult], doubtful: Iterable[MissingResult]
) -> list[tuple[str, int, HostResult]]:
    """Return the results of the hosts that owe one when a work stops: (id of the host, number of the task, result).

    `doubtful` are those of `missing` that a worker may have had.
    """
    in_doubt = set(doubtful)
    results = []
    for each in missing:
        if each in in_doubt:
            results.append((each.host, each.task, make_error_result(stop.in_doubt)))
        elif not stop.is_cancel:
            results.append((each.host, each.task, make_sure_error(stop.not_begun)))
    return results
