"""Read what the containers of a job wrote, of all its hosts or of one, in the words of the job."""

from dataclasses import dataclass
from datetime import datetime

from schemas.automation.jobs import JobDocument, JobHostDocument, JobWorkDocument
from schemas.fleet.documents import TASK_DIRECTIVES, WORKFLOWS, TaskDirectiveDocument, WorkflowDocument
from schemas.ids import EventId, TaskId
from wms.joblogs.job_logs import JobLogs, LogSelection
from wms.jobs.plans.fleet_requests import make_unit_id, number_tasks
from wms.jobs.stored.job_store import JobStore
from wms.jobs.stored.work_store import WorkStore


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """A piece of what one container wrote."""

    #: The host's name, or `inventory` if the container got all hosts.
    host: str
    #: The number of the task in the job, from 0.
    task: int
    attempt: int
    stream: str
    text: str
    is_cut: bool
    at: datetime


class HostJobLogReader:
    """Reads the logs of the jobs of one database."""

    def __init__(self, jobs: JobStore, works: WorkStore, logs: JobLogs) -> None:
        self._jobs = jobs
        self._works = works
        self._logs = logs

    async def read_parts(
        self, job: JobDocument, host: JobHostDocument | None, task: int | None, *, after: int, limit: int
    ) -> tuple[list[LogPart], int]:
        """Return the next parts after the place `after`, and the place up to which they go.

        `host` and `task`, its number from 0, select among them; None means all.
        """
        works = [work for work in await self._works.list_of_job(job.uuid) if host is None or host.place in work.places]
        numbers: dict[TaskId, int] = {}
        for work in works:
            numbers |= await self._number_tasks(work)
        selection = LogSelection(
            event_ids=None if host is None else _list_events(works, host),
            task_ids=None if task is None else [each for each, number in numbers.items() if number == task],
        )
        rows = await self._logs.read_rows(job.uuid, selection, after=after, limit=limit)
        parts = [
            LogPart(
                host=row.key,
                task=numbers[row.task_id],
                attempt=row.attempt,
                stream=row.stream.value,
                text=row.text,
                is_cut=row.is_cut,
                at=row.at,
            )
            for row in rows
            if row.task_id in numbers
        ]
        return parts, max((row.place for row in rows), default=after)

    async def _number_tasks(self, work: JobWorkDocument) -> dict[TaskId, int]:
        raw = await self._jobs.store.find_one(WORKFLOWS, {"_id": work.id})
        if raw is None:
            return {}
        found = await self._jobs.store.find(TASK_DIRECTIVES, {"workflow_id": work.id})
        tasks = [TaskDirectiveDocument.model_validate(each) for each in found]
        return number_tasks(work, WorkflowDocument.model_validate(raw), tasks)


def _list_events(works: list[JobWorkDocument], host: JobHostDocument) -> list[EventId]:
    return [make_unit_id(work.id, place) for work in works for place in (host.place, None)]
