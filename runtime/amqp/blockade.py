"""Know whether the broker reads from a connection. The broker stops reading while it is low on memory or disk.

During such an alarm RabbitMQ stops reading from a connection when the first event is published on it. RabbitMQ then
sends `connection.blocked` with the reason, and reads on when the alarm is over. Later events wait in the socket.
Source: RabbitMQ documentation, "Blocked Connection Notifications".
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

log = logging.getLogger(__name__)

#: aiormq 7.2 only logs the two notifications. To get them, we replace its private handlers. Remove this when the
#: library offers a callback.
_ON_BLOCKED = "_Connection__handle_connection_blocked"
_ON_UNBLOCKED = "_Connection__handle_connection_unblocked"

_Handler = Callable[[Any], Awaitable[None]]


class Blockade:
    """The state of one link: whether the broker reads from it. The state holds for all connections that the link opens
    in turn.
    """

    def __init__(self) -> None:
        #: Why the broker does not read; empty while it reads.
        self.reason = ""
        #: Callbacks that are called with `reason` each time it changes.
        self.on_change: list[Callable[[str], None]] = []
        self._over = asyncio.Event()
        self._over.set()

    def watch_connection(self, connection: Any) -> None:
        """Follow the broker's notifications on `connection`, which is an open connection of aiormq."""
        of_blocked: _Handler = getattr(connection, _ON_BLOCKED)
        of_unblocked: _Handler = getattr(connection, _ON_UNBLOCKED)

        async def note_blocked(frame: Any) -> None:
            await of_blocked(frame)
            self._begin_blockade(str(frame.reason or "an alarm of the broker"))

        async def note_unblocked(frame: Any) -> None:
            await of_unblocked(frame)
            log.info("the broker takes events again")
            self.end_blockade()

        setattr(connection, _ON_BLOCKED, note_blocked)
        setattr(connection, _ON_UNBLOCKED, note_unblocked)

    async def wait_until_over(self) -> None:
        """Wait until the broker reads, or until the connection is lost."""
        await self._over.wait()

    def end_blockade(self) -> None:
        """End the blockade, because the broker reads again, or because the connection is lost."""
        self._over.set()
        self._set_reason("")

    def _begin_blockade(self, reason: str) -> None:
        log.warning("the broker takes no events for now (%s); events to publish wait", reason)
        self._over.clear()
        self._set_reason(reason)

    def _set_reason(self, reason: str) -> None:
        if reason != self.reason:
            self.reason = reason
            for callback in self.on_change:
                callback(reason)
