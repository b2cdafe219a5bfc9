"""Documents of jobs for tests."""

from datetime import UTC, datetime

from schemas.automation.catalogue import FanOut
from schemas.automation.jobs import HostState, JobHostDocument, JobWorkDocument, PinnedTask
from schemas.ids import CatalogueTaskId, RunUuid
from wms.jobs.plans.host_choice import HostFacts

JOB = RunUuid("0b0c9d7e-6f1e-4a39-8a86-5b7a3c6c1f02")


def make_job_host(name: str = "web1", place: int = 0, **fields: object) -> JobHostDocument:
    """Return a host of a job."""
    return JobHostDocument.model_validate(
        {"id": f"{JOB}/{place}", "job": JOB, "place": place, "batch": 0, "name": name, **fields}
    )


def make_pinned_task(name: str = "patch", **fields: object) -> PinnedTask:
    """Return a task of a job."""
    given = {
        "task": CatalogueTaskId(7),
        "name": name,
        "version": 2,
        "commit": "c0ffee",
        "digest": "sha256:1",
        "images": {"here": "/images/1"},
        "command": ("python", "/craton/task.py"),
        "fan_out": FanOut.HOST,
    }
    return PinnedTask.model_validate({**given, **fields})


def make_host_facts(name: str, batch: int, *states: HostState) -> HostFacts:
    """Return a host that has these states after its first tasks."""
    return HostFacts(name, batch, dict(enumerate(states)))


def make_work(**fields: object) -> JobWorkDocument:
    """Return the work of a task on the first host of a job."""
    given = {
        "id": "WF-1",
        "job": JOB,
        "run": 7,
        "node": "b1-t1",
        "attempt": 1,
        "batch": 0,
        "first": 0,
        "last": 0,
        "places": (0,),
        "owner": "ewms-jobs/ada",
        "is_at_most_once": True,
        "created_at": datetime(2026, 1, 2, tzinfo=UTC),
    }
    return JobWorkDocument.model_validate({**given, **fields})
