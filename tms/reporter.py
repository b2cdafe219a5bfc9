"""Send reports to WMS, each in an envelope. The broker confirms every report."""

import uuid
from collections.abc import Callable
from datetime import datetime

from runtime import tracing
from runtime.bus.service_bus import Bus
from schemas.events import Payload, build_event
from schemas.ids import EventId

#: A function that returns the present time, aware, in UTC.
Clock = Callable[[], datetime]


class Reporter:
    """Sends the reports of one TMS over its bus."""

    def __init__(self, bus: Bus, *, clock: Clock) -> None:
        self._bus = bus
        self.now = clock

    async def report_to_wms(self, payload: Payload) -> None:
        """Send `payload` to WMS. Return when the broker has confirmed the event.

        Raises:
            Unavailable: the broker does not answer, or WMS's inbox does not exist.
        """
        await self._bus.publish(
            build_event(
                payload,
                event_id=EventId(str(uuid.uuid4())),
                source=self._bus.source,
                time=self.now(),
                traceparent=tracing.current_traceparent(),
            )
        )
