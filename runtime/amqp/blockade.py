"""Follow whether the broker reads what a connection sends. While low on memory or disk it does not, and says so.

RabbitMQ stops reading a connection with the first event published during such an alarm, sends `connection.blocked`
with the reason, and goes on reading when the alarm is over. What was sent meanwhile waits in the socket.
Source: RabbitMQ documentation, "Blocked Connection Notifications".
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

log = logging.getLogger(__name__)

#: aiormq 7.2 only logs the two notifications. To hear them, we take the place of its private handlers. This can go once
#: the library calls somebody back.
_ON_BLOCKED = "_Connection__handle_connection_blocked"
_ON_UNBLOCKED = "_Connection__handle_connection_unblocked"

_Handler = Callable[[Any], Awaitable[None]]


class Blockade:
    """The state of one link, over all its connections."""

    def __init__(self) -> None:
        #: Why the broker reads nothing; empty while it reads.
        self.reason = ""
        #: Called with `reason` whenever that changes.
        self.on_change: list[Callable[[str], None]] = []
        self._over = asyncio.Event()
        self._over.set()

    def watch_connection(self, connection: Any) -> None:
        """Follow what the broker says on `connection`, an open one of aiormq."""
        of_blocked: _Handler = getattr(connection, _ON_BLOCKED)
        of_unblocked: _Handler = getattr(connection, _ON_UNBLOCKED)

        async def blocked(frame: Any) -> None:
            await of_blocked(frame)
            self._begin_blockade(str(frame.reason or "an alarm of the broker"))

        async def unblocked(frame: Any) -> None:
            await of_unblocked(frame)
            log.info("the broker takes events again")
            self.end_blockade()

        setattr(connection, _ON_BLOCKED, blocked)
        setattr(connection, _ON_UNBLOCKED, unblocked)

    async def wait_until_over(self) -> None:
        """Return once the broker reads, or the connection has gone."""
        await self._over.wait()

    def end_blockade(self) -> None:
        """Note that nothing is blocked any more: the broker says so, or the connection has gone."""
        self._over.set()
        self._set_reason("")

    def _begin_blockade(self, reason: str) -> None:
        log.warning("the broker takes nothing for now (%s); what is to be published waits", reason)
        self._over.clear()
        self._set_reason(reason)

    def _set_reason(self, reason: str) -> None:
        if reason != self.reason:
            self.reason = reason
            for callback in self.on_change:
                callback(reason)
