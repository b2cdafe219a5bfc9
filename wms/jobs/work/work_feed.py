"""Publish the hosts of a work into its first queue, each once.

    at most once    note the range, then publish it        a crash in between loses these hosts: they end as `error`
    else            publish the range, then note it        a crash in between publishes some hosts a second time

An event that the broker refuses is never published: its host ends as `error` at once, or a later try publishes it.

The compare-and-set of the note lets several WMS feed one work.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from runtime.amqp import AccessRefused, Connection, NotDeclared, QueueFull, Unroutable
from runtime.clock import stored_now
from runtime.failpoints import failpoint
from runtime.telemetry import log
from schemas.automation.jobs import JobDocument, JobWorkDocument
from schemas.broker.topology import event_exchange
from schemas.errors import EWMSError, Unavailable
from schemas.fleet.objects import MQProfile
from schemas.ids import Alias, EventId, Mqid
from schemas.payloads.data_events import JSON, Header
from wms.engine.nested.workflow_queues import WorkflowQueues, open_connection
from wms.jobs.plans.fleet_requests import HOSTS, INVENTORY_KEY, gets_inventory, make_unit_id
from wms.jobs.plans.payloads import make_host_payload, make_inventory_payload
from wms.jobs.plans.work_progress import make_refusal_result
from wms.jobs.stored.job_store import JobStore
from wms.jobs.stored.work_store import WorkStore

#: How many hosts are read and published at once.
_RANGE = 100
#: The broker has not taken the event. After any other error it may have.
_REFUSALS = (Unroutable, QueueFull, NotDeclared, AccessRefused)
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
            payload = make_inventory_payload(hosts, job.inventory_vars, job.payload)
            units = [FedUnit(make_unit_id(work.id, None), INVENTORY_KEY, payload, tuple(host.id for host in hosts))]
        else:
            units = [
                FedUnit(make_unit_id(work.id, host.place), host.name, make_host_payload(host, job.payload), (host.id,))
                for host in hosts
            ]
        refused = await publish_units(connection, profile.mqid, units, may_repeat=not work.is_at_most_once)
        await self._jobs.keep_results(
            (host, work.first, make_refusal_result(reason)) for unit, reason in refused for host in unit.hosts
        )
        failpoint("jobs.fed")
        if not work.is_at_most_once and not await self._works.note_fed(work, end):
            return None
        return end


@dataclass(frozen=True, slots=True)
class FedUnit:
    """An event for one container: its id, its key, its payload, and the ids of the hosts that it is about."""

    id: EventId
    key: str
    payload: bytes
    hosts: tuple[str, ...]


class PublishesEvents(Protocol):
    """The part of a connection that publishes one event."""

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        message_id: str,
        content_type: str,
        headers: dict[str, Any],
        may_repeat: bool,
    ) -> None:
        """Publish one event, and return after the broker's confirm."""
        ...


async def publish_units(
    connection: PublishesEvents, queue: Mqid, units: Sequence[FedUnit], *, may_repeat: bool
) -> list[tuple[FedUnit, str]]:
    """Publish events. If none `may_repeat`, return those that the broker has certainly refused, with its reasons.

    Raises:
        Unavailable: an event is not published, and all of them may be published again.
    """
    outcomes = await asyncio.gather(
        *(
            connection.publish(
                event_exchange(queue),
                queue,
                unit.payload,
                message_id=unit.id,
                content_type=JSON,
                headers={Header.KEY.value: unit.key},
                may_repeat=may_repeat,
            )
            for unit in units
        ),
        return_exceptions=True,
    )
    refused: list[tuple[FedUnit, str]] = []
    for unit, error in zip(units, outcomes, strict=True):
        if error is None:
            continue
        if may_repeat or not isinstance(error, EWMSError):
            raise error
        if isinstance(error, _REFUSALS):
            refused.append((unit, error.reason))
        else:
            # Nobody knows whether the broker has it. To publish it again could run the task twice.
            log.warning("in doubt whether a host was published", queue=queue, host=unit.key, reason=error.reason)
    return refused
