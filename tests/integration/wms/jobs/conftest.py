"""A WMS on real services with Ready tasks and an inventory, and pilots that the test plays on real queues."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from yarl import URL

from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.amqp import Connection, Delivery
from schemas.automation.catalogue import CatalogueTask, FanOut, TaskStatus
from schemas.broker.topology import event_exchange
from schemas.events import QueuesActivated, WorkflowRequested
from schemas.fleet.documents import TASK_DIRECTIVES
from schemas.fleet.objects import MQProfile
from schemas.ids import Alias, CatalogueTaskId, EventId, Mqid, OrganizationId, TaskId
from schemas.payloads.data_events import Header
from schemas.pilot.outcomes import EventOutcome, LogPiece, RunEnding, TaskStream, outcome_to_bytes, piece_to_bytes
from tests.integration.wms.conftest import World
from tests.unit.wms.catalogue.making import make_in
from tests.waiting import eventually
from wms.catalogue.task_store import TaskStore

_PUBLIC = ("hosts", "outcomes", "logs")

#: Says how a task ends on a host: (name of the task, name of the host) -> (ending, exit status).
Answers = Callable[[str, str], tuple[RunEnding, int | None] | None]


def exit_well(_task: str, _host: str) -> tuple[RunEnding, int | None]:
    """End well."""
    return RunEnding.EXITED, 0


@dataclass
class JobWorld:
    """The running WMS, as those see it who run jobs, and its pilots."""

    world: World
    connection: Connection
    answers: Answers = exit_well
    #: What the pilots have run: (task, host), and the payloads.
    runs: list[tuple[str, str]] = field(default_factory=list)
    payloads: list[Any] = field(default_factory=list)
    #: The queues of each workflow, by alias.
    queues: dict[str, dict[str, Mqid]] = field(default_factory=dict)

    def sign_in(self, caller: str) -> dict[str, str]:
        """Return the headers of `<subject>/<organization>/<role>`; root is a superuser."""
        subject, _, place = caller.partition("/")
        claims: dict[str, Any] = {"groups": [f"/organizations/{each}" for each in place.split(",") if each]}
        claims["ewms_role"] = {"root": "superuser", "watch": "system-auditor"}.get(subject)
        return self.world.as_user(subject, **claims)

    async def send(
        self, method: str, path: str, body: Any = None, *, caller: str = "ada/north/member", **headers: str
    ) -> httpx2.Response:
        """Send a request below /v1."""
        headers = {**self.sign_in(caller), **headers}
        return await self.world.http.request(method, f"/v1{path}", json=body, headers=headers)

    async def add_task(self, name: str, **changes: Any) -> int:
        """Store a Ready public task of the organization north, and return its id."""
        tasks = TaskStore(self.world.wms.store)
        made = make_in(changes.pop("status", TaskStatus.READY))
        recipe = made.versions[-1].recipe.model_copy(
            update={"fan_out": FanOut.HOST, "locations": ("osg",), **changes.pop("recipe", {})}
        )
        version = made.versions[-1].model_copy(update={"recipe": recipe, "images": {"osg": f"/images/{name}"}})
        number = await tasks.take_task_id()
        fields = {
            "id": CatalogueTaskId(number),
            "name": name,
            "visibility": "public",
            "organization": OrganizationId("north"),
            "versions": (version,),
            **changes,
        }
        task = CatalogueTask.model_validate({**made.model_dump(), **fields})
        await tasks.add_task(task, None)
        return number

    async def add_inventory(self, text: str, *, name: str = "lab", caller: str = "boss/north/admin") -> int:
        """Import an inventory in the form INI, and return its id."""
        body = {"name": name, "content": text, "format": "ini"}
        answer = await self.send("POST", "/inventories", body, caller=caller)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    async def start(self, code: int = 201, *, caller: str = "ada/north/member", **body: Any) -> dict[str, Any]:
        """Start a job; return the answer."""
        answer = await self.send("POST", "/jobs", body, caller=caller)
        assert answer.status_code == code, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def get(self, job: int) -> dict[str, Any]:
        """Return a job."""
        found: dict[str, Any] = (await self.send("GET", f"/jobs/{job}")).json()
        return found

    async def until_over(self, job: int) -> dict[str, Any]:
        """Return a job once it is over."""
        found: dict[str, Any] = await eventually(lambda: self.get(job), lambda each: each["ended_at"])
        return found

    async def states(self, job: int) -> dict[str, tuple[str, list[str]]]:
        """Return for each host of a job its state, and the state after each task."""
        hosts = (await self.send("GET", f"/jobs/{job}/hosts")).json()["hosts"]
        return {each["name"]: (each["state"], [one["state"] for one in each["results"]]) for each in hosts}

    async def play_pilot(self, workflow_id: str, delivery: Delivery) -> None:
        """Run the tasks of a workflow on one event, as the pilots of the workflow would, and report."""
        host = str(delivery.headers[Header.KEY.value])
        payload = json.loads(delivery.body)
        for directive, name in await self._list_tasks(workflow_id):
            self.runs.append((name, host))
            self.payloads.append(payload)
            ended = self.answers(name, host)
            if ended is None:
                break
            await self._publish_log(workflow_id, delivery.id, directive, host, f"{name} on {host}\n")
            await self._report(workflow_id, delivery.id, directive, ended)
            if ended != (RunEnding.EXITED, 0):
                break
        await delivery.ack()

    async def _publish(self, workflow_id: str, alias: str, body: bytes) -> None:
        queue = self.queues[workflow_id][alias]
        await self.connection.publish(event_exchange(queue), queue, body, message_id=str(uuid.uuid4()))

    async def _report(
        self, workflow_id: str, event_id: EventId, task_id: TaskId, ended: tuple[RunEnding, int | None]
    ) -> None:
        """Publish an outcome, twice: a pilot may repeat it."""
        outcome = EventOutcome(event_id=event_id, attempt=1, task_id=task_id, ending=ended[0], exit_status=ended[1])
        for _ in range(2):
            await self._publish(workflow_id, "outcomes", outcome_to_bytes(outcome))

    async def _publish_log(self, workflow_id: str, event_id: EventId, task_id: TaskId, host: str, text: str) -> None:
        """Publish what a container wrote, in two pieces, of which the second one comes first and twice."""
        fields: dict[str, Any] = {"event_id": event_id, "attempt": 1, "run": f"r-{event_id}-{task_id}", "key": host}
        for number in (1, 1, 0):
            piece = LogPiece(
                **fields,
                task_id=task_id,
                stream=TaskStream.STDOUT,
                number=number,
                text=text if number == 0 else "done\n",
                is_last=number == 1,
            )
            await self._publish(workflow_id, "logs", piece_to_bytes(piece))

    async def _list_tasks(self, workflow_id: str) -> list[tuple[TaskId, str]]:
        found = await self.world.wms.store.find(TASK_DIRECTIVES, {"workflow_id": workflow_id}, sort=[("cursor", 1)])
        return [(TaskId(each["task_id"]), each["task_image"].rpartition("/")[2]) for each in found]


@pytest.fixture
async def jobs(world: World, rabbitmq: RabbitMQ, data_vhost: str) -> AsyncIterator[JobWorld]:
    """WMS, and pilots that run everything at once, on real queues of each workflow."""
    url = URL(rabbitmq.amqp_url("mqs", data_vhost))
    async with AsyncExitStack() as stack:
        connection = await Connection.connect(str(url), name="pilots", wait_s=10.0)
        stack.push_async_callback(connection.close)
        playing = JobWorld(world, connection)
        tasks: set[asyncio.Task[None]] = set()

        async def make_queues(wanted: WorkflowRequested) -> None:
            found = {plan.alias: plan.mqid for plan in wanted.queues if plan.alias in _PUBLIC}
            playing.queues[wanted.workflow_id] = {str(alias): mqid for alias, mqid in found.items()}
            async with connection.lend_channel() as channel:
                for queue in found.values():
                    await channel.exchange_declare(event_exchange(queue), durable=True)
                    await channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
                    await channel.queue_bind(queue, event_exchange(queue), routing_key=queue)
            world.mqs.profiles = [
                *(world.mqs.profiles or []),
                *(
                    MQProfile(
                        mqid=queue,
                        workflow_id=wanted.workflow_id,
                        timestamp=1.5,
                        alias=alias,
                        is_public=True,
                        is_activated=True,
                        auth_token=url.password,
                        broker_type="rabbitmq",
                        broker_address=f"mqs@{url.host}:{url.port}/{data_vhost}",
                    )
                    for alias, queue in found.items()
                ),
            ]

            def play(delivery: Delivery) -> None:
                task = asyncio.create_task(playing.play_pilot(wanted.workflow_id, delivery))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

            await connection.consume(found[Alias("hosts")], play, prefetch=100)
            await world.mqs.say(QueuesActivated(workflow_id=wanted.workflow_id))

        world.mqs.react_to = make_queues  # type: ignore[method-assign]
        yield playing
        assert not [task for task in tasks if task.done() and task.exception() is not None]
