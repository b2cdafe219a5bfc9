"""Take in the outcomes of one work: store them, and only then acknowledge them.

Outcomes that come at once are stored at once. A repeated outcome changes nothing, so several WMS may take in the same
queue.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from runtime.amqp import Delivery
from runtime.failpoints import failpoint
from runtime.loops import BackgroundLoop
from runtime.telemetry import log
from schemas.errors import Rejected, Unavailable
from schemas.ids import Alias, EventId, RunUuid, TaskId
from schemas.jobs import HostResult, JobWorkDocument
from schemas.pilot.outcome_reading import outcome_from_bytes
from wms.engine.workflow_queues import WorkflowQueues, open_connection
from wms.jobs.plans.fleet_requests import OUTCOMES, make_unit_id
from wms.jobs.plans.outcome_results import read_outcome
from wms.jobs.stored.job_store import JobStore

#: How many outcomes the broker lends at once.
_PREFETCH = 200
_REST_S = 0.02


class WorkIntake:
    """Takes in the outcomes of one work, from `start` to `stop`."""

    def __init__(
        self,
        work: JobWorkDocument,
        numbers: Mapping[TaskId, int],
        jobs: JobStore,
        *,
        gets_inventory: bool,
        on_news: Callable[[], None],
    ) -> None:
        """`numbers` has the number in the job of each task of the workflow."""
        self._work = work
        self._numbers = numbers
        self._jobs = jobs
        self._on_news = on_news
        self._hosts = _map_units(work, gets_inventory=gets_inventory)
        self._waiting: list[Delivery] = []
        self._stack = AsyncExitStack()
        self._loop = BackgroundLoop(self._store_waiting, name="outcomes", failed="outcomes wait", rest_s=_REST_S)
        self._clock = asyncio.get_running_loop()
        self._began_s = self._quiet_since_s = self._clock.time()

    @property
    def age_s(self) -> float:
        """How many seconds ago it was made."""
        return self._clock.time() - self._began_s

    @property
    def quiet_s(self) -> float:
        """For how many seconds nothing has come."""
        return 0.0 if self._waiting else self._clock.time() - self._quiet_since_s

    async def start(self, queues: WorkflowQueues) -> None:
        """Begin to take in.

        Raises:
            Unavailable: MQS or the broker does not answer, or the queue is not open yet.
            NotFound: the queue is gone.
        """
        profile = (await queues.find_queues(self._work.id, self._work.owner)).get(Alias(OUTCOMES))
        if profile is None:
            raise Unavailable(f"the outcomes' queue of {self._work.id} is not open")
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(open_connection(profile))
            self._loop.start()
            stack.push_async_callback(self._loop.stop)
            await connection.consume(profile.mqid, self._take, prefetch=_PREFETCH, on_lost=self._waiting.clear)
            self._stack = stack.pop_all()
        self._quiet_since_s = self._clock.time()

    async def stop(self) -> None:
        """Stop taking in. What is not stored yet returns to the queue."""
        await self._stack.aclose()

    def _take(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        self._quiet_since_s = self._clock.time()
        self._loop.wake()

    async def _store_waiting(self) -> None:
        taken = list(self._waiting)
        if not taken:
            return
        results: list[tuple[str, int, HostResult]] = []
        for delivery in taken:
            results += self._read(delivery)
        await self._jobs.keep_results(results)
        failpoint("jobs.taken")
        for delivery in taken:
            await delivery.ack()
        done = set(map(id, taken))
        self._waiting[:] = [delivery for delivery in self._waiting if id(delivery) not in done]
        self._on_news()
        if self._waiting:
            self._loop.wake()

    def _read(self, delivery: Delivery) -> list[tuple[str, int, HostResult]]:
        try:
            outcome = outcome_from_bytes(delivery.body)
        except Rejected as error:
            log.warning("an outcome cannot be read", workflow_id=self._work.id, reason=error.reason)
            return []
        number, hosts = self._numbers.get(outcome.task_id), self._hosts.get(outcome.event_id)
        if number is None or hosts is None:
            log.warning("an outcome of no host", workflow_id=self._work.id, event_id=outcome.event_id)
            return []
        result = read_outcome(outcome)
        return [(host, number, result) for host in hosts]


def _map_units(work: JobWorkDocument, *, gets_inventory: bool) -> dict[EventId, tuple[str, ...]]:
    """Return the id of each event -> the ids of the hosts that it is about."""
    ids = {place: name_host(work.job, place) for place in work.places}
    if gets_inventory:
        return {make_unit_id(work.id, None): tuple(ids.values())}
    return {make_unit_id(work.id, place): (host,) for place, host in ids.items()}


def name_host(job: RunUuid, place: int) -> str:
    """Return the id of the host at a place of a job."""
    return f"{job}/{place}"
