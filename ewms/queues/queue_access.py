"""Open one public queue: wait for its profile, connect to the broker with its token, renew the token."""

import asyncio
import logging
import time
from typing import Self

from ewms.errors import Unreachable
from ewms.gateway.http import Gateway
from ewms.gateway.token_claims import renewal_due_at
from ewms.queues.queue_state import fetch_public_profile, wait_until_active
from runtime.amqp import AccessRefused, Connection, ConnectionLost
from schemas.api.queues.profiles import Use
from schemas.broker.token_claims import read_wire
from schemas.errors import EWMSError
from schemas.fleet.objects import MQProfile
from schemas.ids import Mqid, WorkflowId

log = logging.getLogger(__name__)

#: How long (seconds) after a failed renewal we try again; the token has more than half of its life left then.
_RENEWAL_RETRY_S = 15.0

#: How long (seconds) we wait for a broker that is just coming up.
_BROKER_WAIT_S = 10.0


class QueueAccess:
    """An open connection for one queue. `QueueAccess.open_queue` makes these objects."""

    def __init__(self, gateway: Gateway, profile: MQProfile, token: str) -> None:
        self._gateway = gateway
        self.profile = profile
        #: The queue's name on the broker.
        self.mqid: Mqid = profile.mqid
        self._token = token
        #: The format that the queue's events must have. The queue's token names it.
        self.wire = read_wire(token)
        self._nudged = asyncio.Event()
        self._renewal: asyncio.Task[None] | None = None
        self.connection: Connection

    @classmethod
    async def open_queue(
        cls, gateway: Gateway, workflow: WorkflowId, alias: str, use: Use, timeout_s: float | None
    ) -> Self:
        """Wait until the public queue `alias` is active, connect to the broker, and return the access.

        Raises:
            NotThere, Refused, TimedOut: see `wait_until_active`.
            AccessRefused: the broker refuses the token.
            Unreachable: the broker does not answer.
        """
        profile = await wait_until_active(gateway, workflow, alias, use, timeout_s)
        self = cls(gateway, profile, profile.auth_token or "")
        address = profile.broker_address or ""
        try:
            self.connection = await Connection.connect(
                address, token=lambda: self._token, name=f"ewms client, {alias}", wait_s=_BROKER_WAIT_S
            )
        except ConnectionLost as error:
            raise Unreachable(
                f"cannot reach the broker at {_broker_host(address)}: {error.reason}",
                hint="the broker has another address than the gateway: check that it runs, and that this machine can "
                "reach it",
            ) from error
        except AccessRefused as error:
            raise AccessRefused(
                f"the broker at {_broker_host(address)} refuses the token for queue {alias!r}: {error.reason}",
                hint="try again, which takes a new token; if the broker refuses that one too, tell the people who "
                "run the server",
            ) from error
        self.connection.on_lost.append(lambda _: self._nudged.set())
        self._renewal = asyncio.create_task(self._renew_token(), name=f"renewal for {alias}")
        return self

    async def close(self) -> None:
        """Send the events that are on their way, then close the connection."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        await self.connection.close()

    async def _renew_token(self) -> None:
        while True:
            due = renewal_due_at(self._token, now_s=time.time())
            await self._wait_until(due)
            if due is not None and time.time() < due:
                continue
            try:
                profile = await fetch_public_profile(self._gateway, self.profile.workflow_id, self.profile.alias)
                if profile.auth_token:
                    self._token = profile.auth_token
                    self.wire = read_wire(profile.auth_token)
                    await self.connection.renew_token(profile.auth_token)
                    continue
            except (EWMSError, ValueError):
                # No answer, or not a gateway's. The old token still has half of its life. If the queue is gone, the
                # connection will tell.
                pass
            except Exception:
                log.exception("the token of a queue was not renewed")
            await asyncio.sleep(_RENEWAL_RETRY_S)

    async def _wait_until(self, due: float | None) -> None:
        # The loop's clock stands still while a laptop sleeps. A lost connection ends the wait early, so that the caller
        # looks at the wall clock.
        self._nudged.clear()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - time.time())):
                await self._nudged.wait()
        except TimeoutError:
            return


def _broker_host(address: str) -> str:
    # Leave out what stands before the @: it names an account.
    return address.rpartition("@")[2].partition("/")[0]
