"""Open one public queue: get its profile from the gateway, connect to the broker with its token, renew the token."""

import asyncio
import logging
import time
from typing import Self
from urllib.parse import urlencode

from ewms.errors import NotThere, Refused, TimedOut, Unreachable
from ewms.gateway.http import Gateway
from ewms.gateway.token_claims import read_wire, renewal_due_at
from runtime.amqp import AccessRefused, Connection, ConnectionLost
from schemas.api.queues import ProfilesAnswerBody, Use
from schemas.errors import EWMSError
from schemas.ids import Mqid, WorkflowId
from schemas.objects import MQProfile

log = logging.getLogger(__name__)

#: The pauses (seconds) between two questions to the gateway: short at first, then one second.
_FIRST_LOOK_S = 0.02
_LAST_LOOK_S = 1.0

#: How long (seconds) after a failed renewal we try again; the token has more than half of its life left then.
_RENEWAL_RETRY_S = 15.0

#: How long (seconds) we wait for a broker that is just coming up.
_BROKER_WAIT_S = 10.0


class Polling:
    """The pauses of a loop that asks the gateway again and again. The pauses end when the timeout is over.

    The first pause is 20 ms, each further pause 1.5 times as long, up to 1 s. If `timeout_s` is None, there is no
    timeout.
    """

    def __init__(self, timeout_s: float | None, waiting_for: str) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = None if timeout_s is None else loop.time() + timeout_s
        self._timeout_s = timeout_s
        self._waiting_for = waiting_for
        self._pause_s = _FIRST_LOOK_S

    async def wait_for_next(self) -> None:
        """Wait until it is time to ask again.

        Raises:
            TimedOut: the timeout is over.
        """
        left = float("inf") if self._deadline is None else self._deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise TimedOut(f"{self._waiting_for}: not within {self._timeout_s:g} s")
        await asyncio.sleep(min(self._pause_s, left))
        self._pause_s = min(self._pause_s * 1.5, _LAST_LOOK_S)


async def fetch_public_profiles(gateway: Gateway, workflow: WorkflowId) -> list[MQProfile]:
    """Return the profiles of the workflow's public queues. The profiles of active queues have tokens."""
    answer = await gateway.get_json(f"/mqs/workflows/{workflow}/mq-profiles/public")
    return ProfilesAnswerBody.model_validate(answer, extra="ignore").mqprofiles


async def fetch_public_profile(gateway: Gateway, workflow: WorkflowId, alias: str, use: Use | None = None) -> MQProfile:
    """Return the profile of the public queue `alias`. If `use` is given, the gateway checks that the queue allows it.

    Raises:
        NotThere: the workflow has no such public queue.
        Refused: the queue does not allow `use`, or its workflow has ended.
    """
    profiles = (
        await fetch_public_profiles(gateway, workflow)
        if use is None
        else await _fetch_for_use(gateway, workflow, alias, use)
    )
    for profile in profiles:
        if profile.alias == alias:
            return profile
    names = ", ".join(profile.alias for profile in profiles) or "none at all"
    raise NotThere(f"workflow {workflow} has no public queue {alias!r}", hint=f"its public queues: {names}")


async def _fetch_for_use(gateway: Gateway, workflow: WorkflowId, alias: str, use: Use) -> list[MQProfile]:
    question = urlencode({"alias": alias, "to": use})
    answer = await gateway.get_json(f"/mqs/workflows/{workflow}/mq-profiles/public?{question}")
    return ProfilesAnswerBody.model_validate(answer, extra="ignore").mqprofiles


async def wait_until_active(
    gateway: Gateway, workflow: WorkflowId, alias: str, use: Use, timeout_s: float | None
) -> MQProfile:
    """Wait until the public queue `alias` is active, and return its profile. If `timeout_s` is None, there is no
    timeout.

    Raises:
        NotThere: the workflow has no such public queue.
        Refused: the queue does not allow `use`, or its workflow has ended.
        TimedOut: the queue is not active in time.
    """
    looks = Polling(timeout_s, f"queue {alias!r} of {workflow} is not active")
    while True:
        profile = await fetch_public_profile(gateway, workflow, alias, use)
        if profile.is_activated and profile.auth_token and profile.broker_address:
            return profile
        await looks.wait_for_next()


async def explain_refusal(gateway: Gateway, workflow: WorkflowId, alias: str, refusal: EWMSError) -> EWMSError:
    """Return why the broker refuses consumers of `alias`: the gateway's reason if there is one, else `refusal`."""
    if not isinstance(refusal, Unreachable):
        try:
            await fetch_public_profile(gateway, workflow, alias, Use.CONSUME)
        except Refused as error:
            return error
        except (EWMSError, ValueError):
            return refusal
    return refusal


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
