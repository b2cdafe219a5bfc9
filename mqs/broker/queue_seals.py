"""Make new queues safe: wait until they survive a crash of the broker, and find those that a crash has broken."""

import asyncio
from collections.abc import Iterable

from mqs.broker.channel_lanes import ChannelLanes
from mqs.broker.channel_steps import delete_queue
from runtime.amqp import AccessRefused, Connection, ConnectionLost
from runtime.amqp.leaders import LeaderQuestions
from runtime.amqp.sealing import SharedCalls, declare_seal, new_seal_name
from runtime.telemetry import counter, histogram, log
from schemas.broker.services import Service
from schemas.errors import Broken

#: How many seconds a new queue is at risk if the broker refuses a seal. RabbitMQ writes it to disk after 3 s at most.
#: Source: Erlang/OTP, dets_utils.erl, DEFAULT_CACHE.
SETTLE_S = 4.0

_seal_s = histogram("mqs_seal_seconds", "Time until new queues survive a crash of the broker.")
_unsealed = counter("mqs_seals_refused_total", "Seals that the broker has refused: tokens wait 4 s instead.")


class QueueSeals:
    """Seals new queues over one connection. If the broker refuses a seal, MQS waits `settle_s` seconds instead."""

    def __init__(self, connection: Connection, lanes: ChannelLanes, *, settle_s: float) -> None:
        self._connection = connection
        self._lanes = lanes
        self._leaders = LeaderQuestions(connection)
        self._settle_s = settle_s
        self._seals = SharedCalls(self._seal_once)
        self._deletions: set[asyncio.Task[None]] = set()

    async def seal_queues(self) -> None:
        """Return when every queue that was declared before this call survives a crash of the broker.

        Groups created at the same time share a seal. If the broker refuses a seal (the rights of `mqs`, a limit of
        queues), this waits until the broker has written the queues to disk by itself.
        """
        with _seal_s.time():
            await self._seals.call_soon()

    async def find_leaderless(self, queues: Iterable[str]) -> list[str]:
        """Return which of `queues` have no leader, so that they take and give no events. See `runtime.amqp.leaders`.

        Raises:
            EWMSError: the broker does not answer at all.
        """
        return await self._leaders.find_leaderless(queues)

    async def close(self) -> None:
        """Wait for the deletion of seals, and close the connections that asked for leaders."""
        await self._leaders.close()
        await asyncio.gather(*self._deletions, return_exceptions=True)

    async def _seal_once(self) -> None:
        try:
            name = new_seal_name(Service.MQS)
            await self._lanes.act_on_all([name], declare_seal)
            # Delete the seal in the background: no caller needs to wait, and a seal that stays expires.
            deletion = asyncio.create_task(self._lanes.act_on_all([name], delete_queue), name=f"delete {name}")
            self._deletions.add(deletion)
            deletion.add_done_callback(self._forget_deletion)
        except (AccessRefused, Broken) as error:
            _unsealed.inc()
            log.warning("the broker refuses to seal new queues, so their first tokens come later", reason=error.reason)
            await self._wait_until_written()

    def _forget_deletion(self, deletion: asyncio.Task[None]) -> None:
        self._deletions.discard(deletion)
        if not deletion.cancelled() and (error := deletion.exception()) is not None:
            log.debug("a seal could not be deleted and will expire", reason=repr(error))

    async def _wait_until_written(self) -> None:
        came_back = asyncio.Event()
        self._connection.on_connected.append(came_back.set)
        try:
            await asyncio.sleep(self._settle_s)
        finally:
            self._connection.on_connected.remove(came_back.set)
        if came_back.is_set() or not self._connection.is_connected:
            raise ConnectionLost("the connection to the broker was lost before new queues were safe")
