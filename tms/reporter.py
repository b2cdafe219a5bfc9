"""Say things to WMS: a payload in its envelope, confirmed by the broker."""

import uuid
from collections.abc import Callable
from datetime import datetime

from runtime import tracing
from runtime.bus.service_bus import Bus
from schemas.events import Payload, envelope
from schemas.ids import EventId

#: Tells the time: aware, in UTC.
Clock = Callable[[], datetime]


class Voice:
    """Speaks for one TMS on its bus."""

    def __init__(self, bus: Bus, *, clock: Clock) -> None:
        self._bus = bus
        self.now = clock

    async def say(self, payload: Payload) -> None:
        """Return when the broker holds `payload` for WMS.

        Raises:
            Unavailable: the broker, or WMS's inbox, is away.
        """
        await self._bus.publish(
            envelope(
                payload,
                event_id=EventId(str(uuid.uuid4())),
                source=self._bus.source,
                time=self.now(),
                traceparent=tracing.traceparent(),
            )
        )
