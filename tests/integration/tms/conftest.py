"""Both pools through the same tests, and what the tests of the whole TMS have in common."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from schemas.ids import TaskforceUuid
from tms.home import TaskforceFiles
from tms.joblog import JobLog
from tms.pools import Pool
from tms.pools.condor import CondorPool
from tms.pools.local import LocalPool
from tms.submission import Submission

WORKER = Path(__file__).with_name("worker.py")


async def until(condition: Callable[[], object], *, timeout_s: float = 40) -> None:
    """Return when `condition` holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.05)


class Taskforce:
    """A taskforce on disk, its submission, and its log."""

    def __init__(self, directory: Path) -> None:
        self.uuid = TaskforceUuid(f"TF-6b00e09f-{secrets.token_hex(4)}-00000001-00000002")
        self.files = TaskforceFiles(directory / self.uuid)
        self.files.create()
        self.files.task.write_text("{}")
        self.files.token.write_text("token")
        self.files.token.chmod(0o600)

    def submission(self, *arguments: str, n_workers: int = 3, command: str = sys.executable) -> Submission:
        """Return a cluster of stand-in pilots."""
        return Submission(
            taskforce_uuid=self.uuid,
            n_workers=n_workers,
            command=(command, str(WORKER), *arguments),
            container_image="",
            environment={"PATH": "/usr/bin:/bin"},
            input_files=(str(self.files.task), str(self.files.token)),
            output_directory=str(self.files.directory),
            job_event_log=str(self.files.log),
            requirements="(Memory > 1)",
            n_cores=1,
            memory_bytes=64 * 2**20,
            disk_bytes=2**20,
            priority=50,
            max_idle=1000,
            max_runtime_s=600,
            max_age_s=3600,
            max_held_s=600,
        )

    def log(self, cluster_id: int | None = None) -> JobLog:
        """Return what the log says by now."""
        joblog = JobLog(self.files, n_workers=3, cluster_id=cluster_id)
        joblog.read()
        return joblog

    def statuses(self) -> dict[str, dict[str, int]]:
        """Return the compound statuses by now."""
        return self.log().tally.compound()


@pytest.fixture
def taskforce(tmp_path: Path) -> Taskforce:
    """A taskforce that nobody has submitted."""
    return Taskforce(tmp_path)


@pytest.fixture(params=["condor", "local"])
async def pool(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pool]:
    """A real HTCondor pool, and the local one."""
    made: Pool
    if request.param == "condor":
        request.getfixturevalue("condor")
        made = CondorPool(schedd="")
    else:
        made = LocalPool(tmp_path / "local-pool", n_slots=8, grace_s=1)
    await made.start()
    yield made
    for cluster in await made.clusters():
        await made.remove(cluster.taskforce_uuid, cluster.cluster_id)
    await made.stop()
