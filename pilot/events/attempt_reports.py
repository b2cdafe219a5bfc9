"""Report failed attempts to MQS while the pilot works, so that users see the attempts at once.

Reports are optional. The pilot drops a report if there are too many, or if the broker is slow or refuses the report. So
a report never delays an event and never costs a result.
"""

import asyncio
import logging
import time
import uuid
from datetime import UTC, datetime

from pilot.events.publishing import TaskRun
from pilot.events.queues import PilotQueues
from pilot.events.report_rate import ReportAllowance, take_one
from pilot.failures.failure import Failure
from pilot.life.attempts import failed_attempt
from pilot.settings import PilotSettings
from pilot.whereabouts import Whereabouts
from runtime.amqp import Delivery, NotDeclared
from schemas.errors import EWMSError, Unavailable
from schemas.failures.attempts import attempt_to_bytes
from schemas.ids import EventId
from schemas.payloads.data_events import JSON, DataEvent
from schemas.pilot.pilot_wire import QueueEndpoint

log = logging.getLogger(__name__)

#: How long one report may take, and how long the pilot waits for its last reports before it leaves.
_TIMEOUT_S = 10.0
_LAST_WAIT_S = 2.0


class AttemptReports:
    """Reports the failed attempts of one pilot."""

    def __init__(self, settings: PilotSettings, queues: PilotQueues, whereabouts: Whereabouts) -> None:
        self._settings = settings
        self._queues = queues
        self._whereabouts = whereabouts
        #: A random name of this pilot.
        self.pilot = uuid.uuid4().hex
        self._allowance = ReportAllowance()
        #: Whether the broker has refused a report. An older MQS has no queue for reports.
        self._refused = False
        self._under_way: set[asyncio.Task[None]] = set()

    def report_attempt(
        self, queue: QueueEndpoint, delivery: Delivery, run: TaskRun, *, failure: Failure, gave_up: bool, counts: bool
    ) -> None:
        """Begin to send a report of a failed attempt, unless the pilot has sent too many (`ReportAllowance`).

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
            now=datetime.fromtimestamp(time.time() - (loop.time() - run.ended_s), UTC),
        )
        task = loop.create_task(self._send_report(queue, attempt_to_bytes(found)))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def finish_sending(self) -> None:
        """Wait at most `_LAST_WAIT_S` for the last reports. Cancel the reports that are not sent by then."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_LAST_WAIT_S)
        for task in tuple(self._under_way):
            task.cancel()

    async def _send_report(self, queue: QueueEndpoint, body: bytes) -> None:
        event = DataEvent(body, EventId(uuid.uuid4().hex), JSON)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._queues.publish_attempt(queue, event)
        except NotDeclared as error:
            self._refused = True
            log.info("failed attempts are not reported from here on: %s", error.reason)
        except (Unavailable, TimeoutError) as error:
            log.debug("a report of a failed attempt could not be sent: %s", error)
        except EWMSError as error:
            self._refused = True
            log.info("failed attempts are not reported from here on: %s", error.reason)
        except Exception:
            self._refused = True
            log.exception("failed attempts are not reported from here on")
