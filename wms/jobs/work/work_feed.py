"""Publish the hosts of a work into its first queue, each once.

    at most once    note the range, then publish it        a crash in between loses these hosts: they end as `error`
    else            publish the range, then note it        a crash in between publishes some hosts a second time

The compare-and-set of the note lets several WMS feed one work.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from runtime.amqp import Connection, ConnectionLost
from runtime.clock import stored_now
from runtime.failpoints import failpoint
from runtime.telemetry import log
from schemas.errors import Unavailable
from schemas.ids import Alias
from schemas.jobs import JobDocument, JobWorkDocument
from schemas.objects import MQProfile
from schemas.payloads.data_events import JSON, Header
from schemas.topology import event_exchange
from wms.engine.workflow_queues import WorkflowQueues, open_connection
from wms.jobs.plans.fleet_requests import HOSTS, INVENTORY_KEY, gets_inventory, make_unit_id
from wms.jobs.plans.payloads import make_host_payload, make_inventory_payload
from wms.jobs.stored.job_store import JobStore
from wms.jobs.stored.work_store import WorkStore

#: How many hosts are read and published at once.
_RANGE = 100
#: No process publishes one range for so long.
_PUBLISHING = timedelta(seconds=60)


class WorkFeed:
    """Publishes hosts of works."""

    def __init__(self, jobs: JobStore, works: WorkStore, queues: WorkflowQueues) -> None:
        self._jobs = jobs
        self._works = works
        self._queues = queues

    async def feed_work(self, job: JobDocument, work: JobWorkDocument) -> bool:
        """Publish what is left of a work. Return False if another process does so, or has just done so.

        Raises:
            Unavailable: MQS or the broker does not answer, or the queue is not open yet.
        """
        if work.n_fed >= len(work.places):
            # Another process may still publish what it has noted.
            return work.fed_at is None or stored_now() - work.fed_at > _PUBLISHING
        profile = (await self._queues.find_queues(work.id, work.owner)).get(Alias(HOSTS))
        if profile is None:
            raise Unavailable(f"the hosts' queue of {work.id} is not open yet")
        async with open_connection(profile) as connection:
            while work.n_fed < len(work.places):
                fed = await self._feed_range(connection, profile, job, work)
                if fed is None:
                    return False
                work = work.model_copy(update={"n_fed": fed})
        return True

    async def _feed_range(
        self, connection: Connection, profile: MQProfile, job: JobDocument, work: JobWorkDocument
    ) -> int | None:
        """Publish the next hosts; return how many have been in all. Return None if another process has moved on."""
        is_whole = gets_inventory(job.tasks[work.first : work.last + 1])
        end = len(work.places) if is_whole else min(work.n_fed + _RANGE, len(work.places))
        hosts = await self._jobs.list_hosts(job.uuid, work.places[work.n_fed : end])
        if work.is_at_most_once and not await self._works.note_fed(work, end):
            return None
        failpoint("jobs.feeding")
        if is_whole:
            units = [_Unit(None, INVENTORY_KEY, make_inventory_payload(hosts, job.inventory_vars, job.payload))]
        else:
            units = [_Unit(host.place, host.name, make_host_payload(host, job.payload)) for host in hosts]
        await asyncio.gather(*(_publish(connection, profile, work, unit) for unit in units))
        failpoint("jobs.fed")
        if not work.is_at_most_once and not await self._works.note_fed(work, end):
            return None
        return end


@dataclass(frozen=True, slots=True)
class _Unit:
    """An event for one container: its place in the job (None: all hosts), its key, its payload."""

    place: int | None
    key: str
    payload: bytes


async def _publish(connection: Connection, profile: MQProfile, work: JobWorkDocument, unit: _Unit) -> None:
    try:
        await connection.publish(
            event_exchange(profile.mqid),
            profile.mqid,
            unit.payload,
            message_id=make_unit_id(work.id, unit.place),
            content_type=JSON,
            headers={Header.KEY.value: unit.key},
            may_repeat=not work.is_at_most_once,
        )
    except ConnectionLost as error:
        if not work.is_at_most_once:
            raise
        # Nobody knows whether the broker has it. To publish it again could run the task twice.
        log.warning("in doubt whether a host was published", workflow_id=work.id, host=unit.key, reason=error.reason)
