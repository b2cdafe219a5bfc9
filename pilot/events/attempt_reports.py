"""Report failed attempts, and all attempts at traced events, to MQS while the pilot works: users see them at once.

Reports are optional. The pilot drops a report if there are too many, or if the broker is slow or refuses the report. So
a report never delays an event and never costs a result.
"""

import asyncio
import logging
import uuid

from pilot.events.carried_headers import read_trace
from pilot.events.publishing import TaskRun
from pilot.events.queues import PilotQueues
from pilot.events.traced_attempts import TracedAttempt, describe_done
from pilot.failures.failure import Failure
from pilot.life.attempts import failed_attempt
from pilot.machine.wall_time import to_instant
from pilot.machine.whereabouts import Whereabouts
from pilot.settings import PilotSettings
from runtime.amqp import Delivery, NotDeclared
from schemas.attempts.allowance import Allowance, take_one
from schemas.attempts.done_reports import DONE_REPORT_TYPE, done_report_to_bytes
from schemas.attempts.failed_reports import attempt_to_bytes
from schemas.errors import EWMSError, Unavailable
from schemas.ids import EventId
from schemas.payloads.data_events import JSON, DataEvent
from schemas.pilot.pilot_wire import QueueEndpoint

log = logging.getLogger(__name__)

#: How long one report may take, and how long the pilot waits for its last reports before it leaves.
_TIMEOUT_S = 10.0
_LAST_WAIT_S = 2.0

#: How many reports a pilot sends.
_ALLOWANCE = Allowance(burst=20, per_s=2)


class AttemptReports:
    """Reports the failed attempts of one pilot, and those at traced events that ended well."""

    def __init__(self, settings: PilotSettings, queues: PilotQueues, whereabouts: Whereabouts) -> None:
        self._settings = settings
        self._queues = queues
        self._whereabouts = whereabouts
        #: A random name of this pilot.
        self.pilot = uuid.uuid4().hex
        self._allowance = _ALLOWANCE
        #: Reports of traced events take nothing from those of failures.
        self._allowance_for_done = _ALLOWANCE
        #: Whether the broker has refused a report. An older MQS has no queue for reports.
        self._refused = False
        self._under_way: set[asyncio.Task[None]] = set()

    def report_attempt(
        self, queue: QueueEndpoint, delivery: Delivery, run: TaskRun, *, failure: Failure, gave_up: bool, counts: bool
    ) -> None:
        """Begin to send a report of a failed attempt, unless the pilot has sent too many (`_ALLOWANCE`).

        Do nothing if the broker has refused a report, or if the workflow is unknown.
        """
        loop = asyncio.get_running_loop()
        if self._refused or not self._settings.workflow_id:
            return
        if (left := take_one(self._allowance, loop.time())) is None:
            log.debug("the pilot does not report a failed attempt at event %s: there are too many", delivery.id)
            return
        self._allowance = left
        found = failed_attempt(
            delivery.event,
            failure,
            attempt=delivery.attempt,
            gave_up=gave_up,
            counts=counts,
            queue=queue.mqid,
            settings=self._settings,
            whereabouts=self._whereabouts,
            pilot=self.pilot,
            last_lines=run.last_lines,
            took_s=run.ended_s - run.started_s,
            now=to_instant(run.ended_s),
            taken_at=to_instant(run.traced.taken_s) if run.traced is not None else None,
            root=run.traced.root if run.traced is not None else "",
            traceparent=read_trace(delivery.event.headers),
        )
        self._begin_sending(queue, attempt_to_bytes(found), JSON)

    def report_done(self, queue: QueueEndpoint, delivery: Delivery, run: TaskRun, traced: TracedAttempt) -> None:
        """Begin to send a report of an attempt that has just ended with an acknowledgement.

        Under the conditions of `report_attempt`, do nothing.
        """
        now_s = asyncio.get_running_loop().time()
        if self._refused or not self._settings.workflow_id:
            return
        if (left := take_one(self._allowance_for_done, now_s)) is None:
            return
        self._allowance_for_done = left
        found = describe_done(
            delivery.event,
            traced,
            attempt=delivery.attempt,
            queue=queue.mqid,
            settings=self._settings,
            whereabouts=self._whereabouts,
            pilot=self.pilot,
            started_s=run.started_s,
            ended_s=run.ended_s,
            acknowledged_s=now_s,
            to_instant=to_instant,
        )
        self._begin_sending(queue, done_report_to_bytes(found), DONE_REPORT_TYPE)

    def _begin_sending(self, queue: QueueEndpoint, body: bytes, content_type: str) -> None:
        task = asyncio.get_running_loop().create_task(self._send_report(queue, body, content_type))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def finish_sending(self) -> None:
        """Wait at most `_LAST_WAIT_S` for the last reports. Cancel the reports that are not sent by then."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_LAST_WAIT_S)
        for task in tuple(self._under_way):
            task.cancel()

    async def _send_report(self, queue: QueueEndpoint, body: bytes, content_type: str) -> None:
        event = DataEvent(body, EventId(uuid.uuid4().hex), content_type)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._queues.publish_attempt(queue, event)
        except NotDeclared as error:
            self._refused = True
            log.info("attempts are not reported from here on: %s", error.reason)
        except (Unavailable, TimeoutError) as error:
            log.debug("a report of an attempt could not be sent: %s", error)
        except EWMSError as error:
            self._refused = True
            log.info("attempts are not reported from here on: %s", error.reason)
        except Exception:
            self._refused = True
            log.exception("attempts are not reported from here on")
