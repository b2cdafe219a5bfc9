"""A bus without a broker, for what must happen at one moment exactly: it answers and takes what a test says."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from pydantic import SecretStr

from runtime.bus.service_bus import Bus
from schemas.events import ControlEvent, Payload, TaskforceCompleted
from schemas.ids import TaskforceUuid
from schemas.questions.queues import GrantAnswer, GrantQuery
from tms.files import TmsDirectory
from tms.log.watch import LogWatch
from tms.reporter import Reporter

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIFE = timedelta(hours=1)
LOG = b"035 (007.-01.-01) 2026-11-21 01:30:05 Cluster submitted\n...\n"
LEFT = b"036 (007.-01.-01) 2026-11-21 01:30:07 Cluster removed\n...\n"


class StandIn:
    """In the place of a `Bus`: `meanwhile` happens during each request, and may raise what is to go wrong."""

    source = "ewms/tms/test"

    def __init__(self, meanwhile: Callable[[GrantQuery], Awaitable[None]] | None = None) -> None:
        self._meanwhile = meanwhile
        self.asked: list[TaskforceUuid] = []
        self.said: list[Payload] = []
        self.may_say_the_end = asyncio.Event()
        self.may_say_the_end.set()

    async def ask(self, query: GrantQuery, **_: object) -> GrantAnswer:
        self.asked.append(query.taskforce_uuid)
        if self._meanwhile:
            await self._meanwhile(query)
        token = SecretStr(f"{query.taskforce_uuid} {self.asked.count(query.taskforce_uuid)}")
        return GrantAnswer(token=token, expires_at=NOW + LIFE, broker_type="rabbitmq", broker_address="b")

    async def publish(self, event: ControlEvent) -> None:
        self.said.append(event.data)
        if isinstance(event.data, TaskforceCompleted):
            await self.may_say_the_end.wait()

    @property
    def bus(self) -> Bus:
        """Return it under the name of what it stands for."""
        return cast(Bus, self)


def watch_of(stand_in: StandIn, home: TmsDirectory) -> LogWatch:
    return LogWatch(home, Reporter(stand_in.bus, clock=lambda: NOW), schedd="s", epoch=1)


def submitted(home: TmsDirectory, uuid: TaskforceUuid, *, expires_at: datetime, log: bytes = LOG) -> Path:
    """Make the files of a taskforce whose token was granted a life ago; return where the token is."""
    files = home.taskforce_files(uuid)
    files.create_directory()
    files.log.write_bytes(log)
    files.token.write_text("first")
    grant = GrantQuery(workflow_id="WF-6b00e09f-926a610b", taskforce_uuid=uuid, inputs=["a" + "0" * 20], outputs=[])
    files.write_submission(
        {
            "n_workers": 1,
            "cluster_id": 7,
            "grant": grant.model_dump(),
            "token_granted_at": (expires_at - LIFE).isoformat(),
            "token_expires_at": expires_at.isoformat(),
        }
    )
    return files.token
