"""A WMS on real services with Ready tasks and an inventory, and pilots that the test plays on real queues."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from yarl import URL

from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.amqp import Connection, Delivery
from schemas.catalogue import CatalogueTask, FanOut, TaskStatus
from schemas.documents import TASK_DIRECTIVES
from schemas.ids import Alias, CatalogueTaskId, EventId, Mqid, OrganizationId, TaskId, WorkflowId
from schemas.jobs import JOB_WORKS
from schemas.objects import MQProfile
from schemas.payloads.data_events import Header
from schemas.pilot.outcomes import EventOutcome, RunEnding, outcome_to_bytes
from schemas.topology import event_exchange
from tests.integration.wms.conftest import World
from tests.unit.wms.catalogue.making import make_in
from tests.waiting import eventually
from wms.catalogue.task_store import TaskStore

_QUEUES = {"hosts": "a72475165e05b4f83a948", "outcomes": "b72475165e05b4f83a948"}

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
    names: dict[int, str] = field(default_factory=dict)

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

    async def play_pilot(self, delivery: Delivery) -> None:
        """Run the tasks of a workflow on one event, as the pilots of the workflow would, and report."""
        host = str(delivery.headers[Header.KEY.value])
        work = await self._find_work(delivery.id)
        payload = json.loads(delivery.body)
        for directive, name in await self._list_tasks(work):
            self.runs.append((name, host))
            self.payloads.append(payload)
            ended = self.answers(name, host)
            if ended is None:
                break
            await self.report(delivery.id, directive, ending=ended[0], exit_status=ended[1])
            if ended != (RunEnding.EXITED, 0):
                break
        await delivery.ack()

    async def report(self, event_id: EventId, task_id: TaskId, **fields: Any) -> None:
        """Publish an outcome, twice: a pilot may repeat it."""
        outcome = EventOutcome(event_id=event_id, attempt=1, task_id=task_id, **fields)
        queue = Mqid(_QUEUES["outcomes"])
        for number in range(2):
            message_id = f"{event_id}/{task_id}/{number}"
            await self.connection.publish(
                event_exchange(queue), queue, outcome_to_bytes(outcome), message_id=message_id
            )

    async def _find_work(self, event_id: str) -> Mapping[str, Any]:
        from wms.jobs.plans.fleet_requests import make_unit_id

        for work in await self.world.wms.store.find(JOB_WORKS, {}):
            units = {make_unit_id(WorkflowId(work["_id"]), place) for place in (None, *work["places"])}
            if event_id in units:
                return work
        raise AssertionError(f"an event of no work: {event_id}")

    async def _list_tasks(self, work: Mapping[str, Any]) -> list[tuple[TaskId, str]]:
        found = await self.world.wms.store.find(TASK_DIRECTIVES, {"workflow_id": work["_id"]}, sort=[("cursor", 1)])
        return [(TaskId(each["task_id"]), each["task_image"].rpartition("/")[2]) for each in found]


@pytest.fixture
async def jobs(world: World, rabbitmq: RabbitMQ, data_vhost: str) -> AsyncIterator[JobWorld]:
    """WMS, and pilots that run everything at once."""
    url = URL(rabbitmq.amqp_url("mqs", data_vhost))
    async with AsyncExitStack() as stack:
        connection = await Connection.connect(str(url), name="pilots", wait_s=10.0)
        stack.push_async_callback(connection.close)
        async with connection.lend_channel() as channel:
            for queue in _QUEUES.values():
                await channel.exchange_declare(event_exchange(Mqid(queue)), durable=True)
                await channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
                await channel.queue_bind(queue, event_exchange(Mqid(queue)), routing_key=queue)
        world.mqs.profiles = [
            MQProfile(
                mqid=Mqid(queue),
                workflow_id=WorkflowId("WF-1"),
                timestamp=1.5,
                alias=Alias(alias),
                is_public=True,
                is_activated=True,
                auth_token=url.password,
                broker_type="rabbitmq",
                broker_address=f"mqs@{url.host}:{url.port}/{data_vhost}",
            )
            for alias, queue in _QUEUES.items()
        ]
        playing = JobWorld(world, connection)
        tasks: set[asyncio.Task[None]] = set()

        def play(delivery: Delivery) -> None:
            task = asyncio.create_task(playing.play_pilot(delivery))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        await connection.consume(_QUEUES["hosts"], play, prefetch=100)
        yield playing
        assert not [task for task in tasks if task.done() and task.exception() is not None]
