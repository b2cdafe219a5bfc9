"""The answers about jobs and saved lists, made of what is stored."""

import json
from collections.abc import Mapping, Sequence

from schemas.api.automation.jobs import HostTaskSeen, JobHostSeen, JobSeen, JobSummary, JobTaskSeen, TaskListSeen
from schemas.api.automation.secrets import SecretNamed
from schemas.automation.jobs import HostState, JobDocument, JobHostDocument, TaskListDocument
from schemas.automation.stored_secrets import SecretFile
from schemas.engine.runs import RunStatus
from schemas.ids import CatalogueTaskId
from wms.jobs.job_reader import JobView
from wms.jobs.plans.judging import show_host_state


def summarize_job(view: JobView) -> JobSummary:
    """Return what a list shows of a job."""
    job, run = view.job, view.run
    return JobSummary(
        id=job.id,
        title=job.title,
        status=view.status,
        explanation=view.explanation,
        organization=job.organization,
        owner=job.owner,
        inventory=job.inventory,
        inventory_name=job.inventory_name,
        limit=job.limit,
        n_hosts=job.n_hosts,
        hosts=_show_counts(view.hosts),
        created_at=job.created_at,
        started_at=None if run is None else run.started_at,
        ended_at=None if run is None else run.ended_at,
    )


def show_job(view: JobView) -> JobSeen:
    """Return a job with its tasks."""
    job = view.job
    return JobSeen(
        **summarize_job(view).model_dump(),
        workflow=job.task_list,
        inventory_rev=job.inventory_rev,
        payload=json.loads(job.payload),
        strategy=job.strategy,
        batches=job.batches,
        max_fail_percentage=job.max_fail_percentage,
        secrets=job.secrets,
        timeout_s=job.timeout_s,
        rerun_of=job.rerun_of,
        tasks=tuple(
            JobTaskSeen(
                number=number + 1,
                id=task.task,
                name=task.name,
                version=task.version,
                commit=task.commit,
                digest=task.digest,
                fan_out=task.fan_out,
                idempotent=task.idempotent,
                status=view.task_statuses[number],
                hosts=_show_counts(view.tasks[number]),
            )
            for number, task in enumerate(job.tasks)
        ),
    )


def _show_counts(counts: Mapping[HostState, int]) -> dict[str, int]:
    return {state.value: counts[state] for state in HostState if counts.get(state)}


def read_secrets(named: Sequence[SecretNamed]) -> tuple[SecretFile, ...]:
    """Return the secrets that a request names, as they are stored."""
    return tuple(
        SecretFile(
            name=each.name,
            file=each.file or each.name,
            tasks=None if each.tasks is None else tuple(map(CatalogueTaskId, each.tasks)),
        )
        for each in named
    )


def show_job_host(job: JobDocument, host: JobHostDocument, run: RunStatus) -> JobHostSeen:
    """Return a host of a job with what the tasks have done on it."""
    return JobHostSeen(
        place=host.place + 1,
        name=host.name,
        batch=host.batch + 1,
        state=show_host_state(host.state, run),
        results=tuple(
            HostTaskSeen(
                task=number + 1,
                name=task.name,
                state=result.state,
                exit_status=result.exit_status,
                reason=result.reason,
                attempt=result.attempt,
                output=json.loads(result.artifacts) if result.artifacts else None,
                began_at=result.began_at,
                ended_at=result.ended_at,
            )
            for number, task in enumerate(job.tasks)
            if (result := host.results.get(str(number))) is not None
        ),
    )


def show_task_list(saved: TaskListDocument, warnings: Sequence[str] = ()) -> TaskListSeen:
    """Return a saved list."""
    return TaskListSeen(
        id=saved.id,
        name=saved.name,
        description=saved.description,
        organization=saved.organization,
        owner=saved.owner,
        tasks=saved.tasks,
        payload=json.loads(saved.payload),
        secrets=saved.secrets,
        strategy=saved.strategy,
        warnings=tuple(warnings),
        created_at=saved.created_at,
        changed_at=saved.changed_at,
        changed_by=saved.changed_by,
    )
