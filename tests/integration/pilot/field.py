"""A workflow's queues on a real broker, and pilots as the processes that they are."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import aio_pika
import jwt

from deploy.local.servers.rabbitmq import RabbitMQ
from mqs.broker.topology import (
    VHOST_CHAIN,
    Binding,
    Exchange,
    QueueDeclaration,
    QueueLimits,
    declaration_stages,
    policy_documents,
)
from schemas import ids
from schemas.broker.topology import RESOURCE_SERVER, dead_exchange, dead_queue, event_exchange
from schemas.ids import Mqid, TaskforceUuid, TaskId, WorkflowId
from schemas.pilot.job_names import SECRETS_FILE
from tests.forked_processes import ForkedProcess, start_module
from tests.waiting import eventually

PYTHON = sys.executable
ROOT = Path(__file__).parents[3]


@dataclass
class PilotProcess:
    """One `python -m pilot`."""

    process: asyncio.subprocess.Process | ForkedProcess
    directory: Path
    chirp_fd: int
    chirps: list[str] = field(default_factory=list)

    async def ended(self, timeout_s: float = 30) -> int:
        """Return the exit status."""
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()

    @property
    def log(self) -> str:
        """What it wrote to its standard error."""
        return (self.directory / "pilot.log").read_text(errors="replace")

    @property
    def said(self) -> list[str]:
        """Its chirps so far, one line each."""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.chirp_fd, 65536):
                self.chirps += chunk.decode().splitlines()
        return self.chirps

    async def until(self, condition: Callable[["PilotProcess"], bool], timeout_s: float = 20) -> None:
        """Return as soon as `condition` holds of this pilot."""
        await eventually(partial(condition, self), within_s=timeout_s, show=lambda: f"{self.said}\n{self.log}")

    async def tasking(self) -> None:
        """Return as soon as its first task runs."""
        await self.until(lambda pilot: "Tasking" in pilot.statuses())

    def statuses(self) -> list[str]:
        """The statuses that it chirped, in order."""
        prefix = "HTChirpEWMSPilotStatus: "
        return [line.removeprefix(prefix).strip('"') for line in self.said if line.startswith(prefix)]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


class Field:
    """One workflow on a vhost of its own."""

    def __init__(self, rabbitmq: RabbitMQ, vhost: str, directory: Path, *, forks_pilots: bool = False) -> None:
        """With `forks_pilots`, a pilot is the fork of a process that has imported it, unless it has a prefix."""
        self.rabbitmq, self.vhost, self.directory = rabbitmq, vhost, directory
        self._forks_pilots = forks_pilots
        self.workflow = WorkflowId(f"WF-{int(time.time()):x}-{uuid.uuid4().hex[:8]}")
        self.task = TaskId(self.workflow.replace("WF", "TK") + "-00000001")
        self.taskforce = TaskforceUuid(self.workflow.replace("WF", "TF") + "-00000001-00000001")
        self.url = rabbitmq.amqp_url("mqs", vhost)
        self._pilots: list[PilotProcess] = []
        self._n = 0

    @property
    def address(self) -> str:
        url = urlsplit(self.url)
        return f"user@{url.hostname}:{url.port}/{self.vhost}"

    async def open(self) -> None:
        await self.reconnect()
        await self._declare(VHOST_CHAIN)
        for stage in declaration_stages(self.workflow, []):
            for chain in stage:
                await self._declare(chain)
        await asyncio.to_thread(self.set_policy)

    async def reconnect(self) -> None:
        """Connect again, after somebody has cut all connections."""
        self.connection = await aio_pika.connect(self.url)
        self.channel = await self.connection.channel(on_return_raises=True)

    def set_policy(self, *, step_s: float = 0.1, max_events: int = 100_000) -> None:
        """Set the policy that MQS would set, with short delays."""
        limits = QueueLimits(
            max_events=max_events,
            max_bytes=1 << 30,
            consumer_timeout=timedelta(hours=1),
            retry_step=timedelta(seconds=step_s),
            retry_max=timedelta(seconds=2),
        )
        for name, document in policy_documents(limits, delayed_retry=True).items():
            self.api("PUT", f"policies/{quote(self.vhost, safe='')}/{name}", document)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        url = urlsplit(self.rabbitmq.management_url("admin"))
        credentials = b64encode(f"{unquote(url.username or '')}:{unquote(url.password or '')}".encode()).decode()
        request = urllib.request.Request(
            f"http://{url.hostname}:{url.port}/api/{path}",
            data=json.dumps(body).encode() if body is not None else None,
            method=method,
            headers={"Authorization": f"Basic {credentials}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    async def queue(self) -> Mqid:
        """Make one queue of the workflow."""
        mqid = ids.mqid(uuid.uuid4().int)
        for stage in declaration_stages(self.workflow, [mqid]):
            for chain in stage:
                await self._declare(chain)
        return mqid

    async def delete(self, mqid: Mqid) -> None:
        """Delete a queue and the way into it, as MQS does."""
        await self.channel.queue_delete(mqid)
        await self.channel.exchange_delete(event_exchange(mqid))

    async def _declare(self, chain: Sequence[Exchange | QueueDeclaration | Binding]) -> None:
        for part in chain:
            if isinstance(part, Exchange):
                await self.channel.declare_exchange(part.name, part.kind, durable=True)
            elif isinstance(part, QueueDeclaration):
                await self.channel.declare_queue(part.name, durable=True, arguments=dict(part.arguments))
            else:
                queue = await self.channel.get_queue(part.queue, ensure=False)
                await queue.bind(part.exchange, routing_key=part.key, arguments=dict(part.arguments))

    async def put(
        self,
        mqid: Mqid,
        *bodies: bytes,
        content_type: str | None = "text/plain",
        headers: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Publish events with the same `headers`, and return their ids."""
        exchange = await self.channel.get_exchange(event_exchange(mqid), ensure=False)
        ids = [str(uuid.uuid4()) for _ in bodies]

        async def put_one(body: bytes, event_id: str) -> None:
            message = aio_pika.Message(
                body, message_id=event_id, delivery_mode=2, content_type=content_type, headers=dict(headers or {})
            )
            await exchange.publish(message, routing_key=mqid)

        await asyncio.gather(*(put_one(body, event_id) for body, event_id in zip(bodies, ids, strict=True)))
        return ids

    async def take(self, name: str, n: int, timeout_s: float = 90) -> list[aio_pika.abc.AbstractIncomingMessage]:
        """Return the next `n` events of a queue, acknowledged."""
        got: list[aio_pika.abc.AbstractIncomingMessage] = []
        channel = await self.connection.channel()
        await channel.set_qos(prefetch_count=max(1, min(n, 1000)))
        queue = await channel.get_queue(name, ensure=False)
        enough = asyncio.Event()

        async def on_message(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            if len(got) < n:
                got.append(message)
                await message.ack()
            if len(got) >= n:
                enough.set()

        tag = await queue.consume(on_message)
        try:
            async with asyncio.timeout(timeout_s):
                await enough.wait()
        except TimeoutError:
            raise AssertionError(f"{len(got)} of {n} events came from {name}") from None
        finally:
            await queue.cancel(tag)
            await channel.close()
        return got

    async def dead(self, n: int = 1, timeout_s: float = 30) -> list[aio_pika.abc.AbstractIncomingMessage]:
        """Return the next `n` dead letters."""
        return await self.take(dead_queue(self.workflow), n, timeout_s)

    async def depth(self, name: str) -> int:
        """Return how many events a queue has ready: all but those on loan and those that wait for a retry."""
        channel = await self.connection.channel()
        try:
            queue = await channel.declare_queue(name, passive=True)
            return queue.declaration_result.message_count or 0
        finally:
            await channel.close()

    def token(
        self, inputs: Sequence[Mqid], outputs: Sequence[Mqid], *, life_s: float = 3600, vhost: str | None = None
    ) -> str:
        """Return a pilot's token for these queues, as MQS would mint it; `vhost` may be a pattern."""
        now = time.time()
        vhost = vhost or self.vhost
        scope = [f"{RESOURCE_SERVER}.read:{vhost}/{mqid}" for mqid in inputs]
        writes = [*(event_exchange(mqid) for mqid in outputs), dead_exchange(self.workflow)]
        scope += [f"{RESOURCE_SERVER}.write:{vhost}/{exchange}" for exchange in writes]
        claims = {"sub": self.taskforce, "aud": [RESOURCE_SERVER], "iat": now, "exp": now + life_s, "scope": scope}
        key = self.rabbitmq.key_files.private.read_text()
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": self.rabbitmq.key_files.kid})

    def pilot_directory(
        self, variables: Mapping[str, Any], *, inputs: Sequence[Mqid], outputs: Sequence[Mqid], token: str | None = None
    ) -> Path:
        """Make what TMS sends with a job: the task file and the token file; return the job's directory."""
        self._n += 1
        directory = self.directory / f"job-{self._n}"
        directory.mkdir()
        told = {
            "_EWMS_PILOT_CONTAINER_PLATFORM": "none",
            "EWMS_PILOT_QUEUE_INCOMING": ";".join(inputs),
            "EWMS_PILOT_QUEUE_OUTGOING": ";".join(outputs),
            "EWMS_PILOT_QUEUE_INCOMING_BROKER_ADDRESS": self.address if inputs else "",
            "EWMS_PILOT_QUEUE_OUTGOING_BROKER_ADDRESS": self.address if outputs else "",
            "EWMS_PILOT_WORKFLOW_ID": self.workflow,
            "EWMS_PILOT_TASK_ID": self.task,
            "EWMS_PILOT_TASKFORCE_UUID": self.taskforce,
            "EWMS_PILOT_HTCHIRP": "True",
            "EWMS_PILOT_HTCHIRP_DEST": "JOB_EVENT_LOG",
            "EWMS_PILOT_HTCHIRP_RATELIMIT_INTERVAL": "0.2",
            "EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR": "False",
            **{name: str(value) for name, value in variables.items()},
        }
        (directory / "ewms_pilot_task.json").write_text(json.dumps({"environment": told}))
        descriptor = os.open(directory / "ewms_pilot_token", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, (token or self.token(inputs, outputs)).encode())
        os.close(descriptor)
        return directory

    async def pilot(
        self,
        variables: Mapping[str, Any],
        *,
        inputs: Sequence[Mqid] = (),
        outputs: Sequence[Mqid] = (),
        token: str | None = None,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        secrets: str = "",
    ) -> PilotProcess:
        """Start a pilot as a job of its own. `secrets` is the content of the file with its secrets."""
        directory = self.pilot_directory(variables, inputs=inputs, outputs=outputs, token=token)
        if secrets:
            (directory / SECRETS_FILE).touch(mode=0o600)
            (directory / SECRETS_FILE).write_text(secrets)
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        told = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "EWMS_PILOT_HTCHIRP_FD": str(theirs),
            **(environment or {}),
        }
        with (directory / "pilot.log").open("wb") as log:
            process: asyncio.subprocess.Process | ForkedProcess
            if prefix or not self._forks_pilots:
                process = await asyncio.create_subprocess_exec(
                    *(*prefix, PYTHON, "-m", "pilot"),
                    cwd=directory,
                    env=told,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs,),
                )
            else:
                process = await start_module(
                    "pilot", environment=told, directory=directory, stdout=log, stderr=log, passed_on=[theirs]
                )
        os.close(theirs)
        pilot = PilotProcess(process, directory, ours)
        self._pilots.append(pilot)
        return pilot

    async def close(self) -> None:
        for pilot in self._pilots:
            if pilot.process.returncode is None:
                pilot.signal(signal.SIGKILL)
                await pilot.process.wait()
            os.close(pilot.chirp_fd)
        await self.connection.close()


@contextlib.asynccontextmanager
async def opened(
    rabbitmq: RabbitMQ, vhost: str, directory: Path, *, forks_pilots: bool = False
) -> AsyncIterator[Field]:
    """Give a workflow on `vhost`; everything started for it is gone afterwards."""
    workflow = Field(rabbitmq, vhost, directory, forks_pilots=forks_pilots)
    await workflow.open()
    try:
        yield workflow
    finally:
        await workflow.close()
