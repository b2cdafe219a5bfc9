"""Both pools through the same tests, and what the tests of the whole TMS have in common."""

import asyncio
import json
import os
import secrets
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest
from pydantic import SecretStr

from deploy.local.children.accounts import FIRST_SLOT, ROOT, TMS
from deploy.local.children.seclusion import SecludedAccounts
from deploy.local.servers.rabbitmq import RabbitMQ
from deploy.local.system.services import Services
from runtime.amqp import Unroutable
from runtime.bus.service_bus import Bus, Caller
from schemas.broker.topology import tms_service
from schemas.errors import Unavailable
from schemas.events import (
    ControlEvent,
    Payload,
    Snapshot,
    TaskforceRelease,
    TaskforceRemove,
    TaskforceStatuses,
    TaskforceSubmitted,
    build_event,
)
from schemas.ids import EventId, TaskforceUuid
from schemas.questions.bases import Answer, Question
from schemas.questions.queues import GrantAnswer, GrantQuery
from schemas.questions.secrets import SecretsAnswer, SecretsQuery
from tests.integration.tms.process import TmsProcess
from tms.files import TaskforceFiles
from tms.jobs.submit_description import Submission
from tms.log.job_log import JobLog
from tms.pools import condor as condor_module
from tms.pools.condor import CondorPool
from tms.pools.interface import Cluster, Pool
from tms.pools.local.pool import LocalPool

P = TypeVar("P", bound=Payload)

SCHEDD = "ewms@localhost"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.the-pilots-token.signature"


def renewed(n: int) -> str:
    """Return the token of a taskforce that was renewed `n` times."""
    return f"{TOKEN}.{n}" if n else TOKEN


WORKER = Path(__file__).with_name("worker.py")


class Taskforce:
    """A taskforce on disk, its submission, and its log."""

    def __init__(self, directory: Path) -> None:
        self.uuid = TaskforceUuid(f"TF-6b00e09f-{secrets.token_hex(4)}-00000001-00000002")
        self.files = TaskforceFiles(directory / self.uuid)
        self.files.create_directory()
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
        joblog.read_new()
        return joblog

    def statuses(self) -> dict[str, dict[str, int]]:
        """Return the compound statuses by now."""
        return self.log().tally.count_statuses()


@pytest.fixture
def keeps_vhost() -> bool:
    """The control vhosts of these tests have inboxes of tests before."""
    return True


@pytest.fixture
def taskforce(tmp_path: Path) -> Taskforce:
    """A taskforce that nobody has submitted."""
    return Taskforce(tmp_path)


@pytest.fixture
def condor_pool(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CondorPool:
    """HTCondor, which was not started yet, as a TMS uses it that the jobs' owner runs: the files are that account's."""
    if services.secluded is None:
        return CondorPool(schedd="")
    tmp_path.chmod(0o777)
    secluded, make_output_directory = services.secluded, condor_module._make_output_directory

    def make_and_give(ad: dict[str, Any]) -> None:
        make_output_directory(ad)
        if (directory := Path(ad.get("Out", "")).parent).name.startswith("cluster-"):
            secluded.give_tree(directory, TMS)

    monkeypatch.setattr(condor_module, "_make_output_directory", make_and_give)
    return GivingPool(secluded)


class GivingPool(CondorPool):
    """HTCondor, whose jobs' owner gets the files of what is submitted."""

    def __init__(self, secluded: SecludedAccounts) -> None:
        super().__init__(schedd="")
        self._secluded = secluded

    async def submit_cluster(self, cluster: Submission) -> Cluster:
        """Give the taskforce's directory to the jobs' owner, with the way to it, and submit."""
        directory = Path(cluster.job_event_log).parent
        directory.parent.chmod(0o777)
        self._secluded.give_tree(directory, TMS)
        return await super().submit_cluster(cluster)


@pytest.fixture(params=["condor", "local"])
async def pool(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pool]:
    """A real HTCondor pool, and the local one."""
    made: Pool
    if request.param == "condor":
        request.getfixturevalue("condor")
        made = request.getfixturevalue("condor_pool")
    else:
        made = LocalPool(tmp_path / "local-pool", n_slots=8, grace_s=1)
    await made.start()
    yield made
    for cluster in await made.list_clusters():
        await made.remove_clusters(cluster.taskforce_uuid, cluster.cluster_id)
    await made.stop()


class Peers:
    """WMS and MQS as a TMS sees them: on the real bus, recording what they are told."""

    def __init__(self, wms: Bus, mqs: Bus) -> None:
        self._wms = wms
        self._mqs = mqs
        self.heard: list[ControlEvent] = []
        #: As the real WMS: a recorded cluster is released, any other of the same taskforce is removed.
        self.answers = True
        self.mqs_is_away = False
        self.token_life = timedelta(days=1)
        self.clusters: dict[str, int] = {}
        self.grants: list[GrantQuery] = []
        #: What WMS answers to questions for secrets, and these questions.
        self.secrets: dict[str, str] = {}
        self.secret_queries: list[SecretsQuery] = []

    @classmethod
    async def connect(cls, rabbitmq: RabbitMQ, vhost: str) -> Self:
        """Return both, listening."""
        wms = await Bus.connect(rabbitmq.amqp_url("wms", vhost), service="wms", source="test/wms")
        mqs = await Bus.connect(rabbitmq.amqp_url("mqs", vhost), service="mqs", source="test/mqs")
        self = cls(wms, mqs)
        await wms.consume(self._hear)
        return self

    async def grant(self) -> None:
        """Begin to answer TMS's requests."""
        await self._mqs.answer(self._answer)
        await self._wms.answer(self._answer_secrets)

    async def order(self, payload: Payload, *, traceparent: str | None = None) -> None:
        """Send an order to the TMS, as an outbox does: until it has an inbox for it."""
        event = build_event(
            payload,
            event_id=EventId(str(uuid.uuid4())),
            source="test/wms",
            time=datetime.now(UTC),
            traceparent=traceparent,
        )
        async with asyncio.timeout(60):
            while True:
                try:
                    return await self._wms.publish(event)
                except Unroutable:
                    await asyncio.sleep(0.05)

    async def ask(self, request: Question) -> Answer:
        """Ask the TMS, as WMS does."""
        return await self._wms.ask(request, to=tms_service(SCHEDD))

    def said(self, kind: type[P], taskforce: str) -> list[P]:
        """Return what the TMS has said of `taskforce`, of one kind."""
        return [e.data for e in self.heard if isinstance(e.data, kind) and e.data.subject == taskforce]

    def snapshots(self, taskforce: str) -> list[Snapshot]:
        """Return the snapshots of `taskforce`, in the order in which they came."""
        reports = [event.data for event in self.heard if isinstance(event.data, TaskforceStatuses)]
        return [s for report in reports for s in report.snapshots if s.taskforce_uuid == taskforce]

    def statuses(self, taskforce: str) -> dict[str, dict[str, int]]:
        """Return the newest statuses of `taskforce`, as WMS would keep them."""
        newest = max(self.snapshots(taskforce), key=lambda s: (s.epoch, s.seq), default=None)
        return newest.compound_statuses if newest else {}

    async def close(self) -> None:
        """Leave the bus."""
        for bus in (self._wms, self._mqs):
            await bus.drain()
            await bus.close()

    async def _hear(self, event: ControlEvent) -> None:
        self.heard.append(event)
        match event.data:
            case TaskforceSubmitted(taskforce_uuid=taskforce, schedd=schedd, cluster_id=cluster) if self.answers:
                first = self.clusters.setdefault(taskforce, cluster)
                kind = TaskforceRelease if cluster == first else TaskforceRemove
                await self.order(kind(taskforce_uuid=taskforce, schedd=schedd, cluster_id=cluster))

    async def _answer_secrets(self, request: Question, caller: Caller) -> Answer:
        assert isinstance(request, SecretsQuery)
        assert caller == tms_service(SCHEDD)
        self.secret_queries.append(request)
        return SecretsAnswer(values={name: SecretStr(self.secrets[name]) for name in request.names})

    async def _answer(self, request: Question, caller: Caller) -> Answer:
        assert isinstance(request, GrantQuery)
        if self.mqs_is_away:
            raise Unavailable("away")
        n_before = sum(grant.taskforce_uuid == request.taskforce_uuid for grant in self.grants)
        self.grants.append(request)
        return GrantAnswer(
            token=SecretStr(renewed(n_before)),
            expires_at=datetime.now(UTC) + self.token_life,
            broker_type="rabbitmq",
            broker_address="user@127.0.0.1:5672/ewms",
        )


@pytest.fixture(params=["condor", "local"])
def pool_kind(request: pytest.FixtureRequest) -> str:
    """Which pool the TMS works with."""
    return str(request.param)


@pytest.fixture
async def peers(rabbitmq: RabbitMQ, control_vhost: str) -> AsyncIterator[Peers]:
    """WMS and MQS, answering."""
    made = await Peers.connect(rabbitmq, control_vhost)
    await made.grant()
    yield made
    await made.close()


@pytest.fixture
def environment(
    request: pytest.FixtureRequest, rabbitmq: RabbitMQ, control_vhost: str, tmp_path: Path
) -> dict[str, str]:
    """What a TMS is told; `stay_s` and the exit code of its pilots are the last two words of its command."""
    names = request.fixturenames
    default = "condor" if "condor" in names else "local"
    kind = request.getfixturevalue("pool_kind") if "pool_kind" in names else default
    services: Services = request.getfixturevalue("services")
    if kind == "condor":
        # What a test asks the pool itself it asks in this process.
        request.getfixturevalue("condor")
    config = str(services.condor.tms_config) if kind == "condor" and services.condor else ""
    has_accounts = services.secluded is not None and kind == "local"
    return {
        "PATH": os.environ["PATH"],
        "CONDOR_CONFIG": config or "/dev/null",
        "EWMS_CONTROL_AMQP_URL": rabbitmq.amqp_url(tms_service(SCHEDD), control_vhost),
        "EWMS_SCHEDD": SCHEDD,
        "EWMS_POOL": kind,
        "EWMS_TMS_DIR": str(tmp_path / "tms"),
        "EWMS_PILOT_COMMAND": json.dumps([sys.executable, str(WORKER), "1", "0"]),
        "EWMS_ALLOWED_PLATFORMS": '["none"]',
        "EWMS_LOCAL_SLOTS": "8",
        **({"EWMS_LOCAL_FIRST_ACCOUNT": str(FIRST_SLOT)} if has_accounts else {}),
    }


@pytest.fixture
def as_its_account(services: Services, environment: dict[str, str], tmp_path: Path) -> list[str]:
    """The words that run a TMS as the account that `make up` gives it, the owner of its directory; none without one."""
    if (secluded := services.secluded) is None:
        return []
    with_condor = environment["EWMS_POOL"] == "condor"
    account = TMS if with_condor else ROOT
    directory = Path(environment["EWMS_TMS_DIR"])
    directory.mkdir(mode=0o700 if with_condor else 0o711)
    secluded.give_tree(directory, account)
    # Stand-in pilots leave word there.
    tmp_path.chmod(0o777)
    token = [services.condor.tms_config.parent] if services.condor else []
    return secluded.account_command(account, readable=token, writable=[tmp_path])


@pytest.fixture
async def tms(
    environment: dict[str, str], as_its_account: list[str], tmp_path: Path, peers: Peers
) -> AsyncIterator[TmsProcess]:
    """A TMS that was not started yet; what it leaves in the pool is removed."""
    process = TmsProcess(environment, tmp_path / "tms.log", as_its_account)
    yield process
    await process.stop(signal.SIGKILL)
    if environment["EWMS_POOL"] == "condor":
        pool = CondorPool(schedd="")
        for cluster in await pool.list_clusters():
            await pool.remove_clusters(cluster.taskforce_uuid)
        await pool.stop()
