"""Connect the pilot to its input and output queues.

There is one connection for each broker and token, and more connections if the pilot has many inputs.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from pilot.chirp.proxy import ChirpProxy
from pilot.errors import BrokerAway, QueueGone
from pilot.events.gone_queues import Refusals, describe_gone
from pilot.events.token_file import TokenFile, half_life_at, is_expired, look_again_in_s
from pilot.events.token_renewal import TokenSource
from pilot.settings import PilotSettings
from runtime.amqp import Connection, ConnectionLost, Consumer, Delivery, NotDeclared, Unroutable
from schemas.attempts.failed_reports import ATTEMPTS_KEY
from schemas.broker.topology import dead_exchange, event_exchange
from schemas.errors import EWMSError
from schemas.ids import Mqid
from schemas.payloads.data_events import DataEvent
from schemas.pilot.pilot_wire import QueueEndpoint

log = logging.getLogger(__name__)

_Key = tuple[str, str]

#: A connection needs one channel for each input, and two further channels: one to publish, and one in reserve.
_OTHER_CHANNELS = 2


class PilotQueues:
    """The input and output queues of one pilot."""

    def __init__(self, settings: PilotSettings, *, clock: Callable[[], float], proxy: ChirpProxy | None) -> None:
        self._settings = settings
        self._clock = clock
        self._token_file = TokenFile(settings.token_file)
        self._token_source = TokenSource(settings, proxy)
        self._token = ""
        #: The first connection of each list publishes. The inputs are spread over the whole list (`_spread_inputs`).
        self._connections: dict[_Key, list[Connection]] = {}
        self._of_input: dict[Mqid, Connection] = {}
        self._consumers: dict[Mqid, Consumer] = {}
        self._wanted = False
        self._subscribing = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None
        #: `on_delivery` is called with each event and its queue, `on_lost` with each queue whose deliveries are lost.
        self.on_delivery: Callable[[QueueEndpoint, Delivery], None] = lambda _queue, _delivery: None
        self.on_lost: Callable[[QueueEndpoint], None] = lambda _queue: None
        #: Called when the pilot finds out that a queue was deleted.
        self.on_gone: Callable[[QueueGone], None] = lambda _error: None
        self._refusals: dict[Mqid, Refusals] = {}
        self._refused: dict[Mqid, str] = {}

    async def connect(self) -> None:
        """Connect to every broker of the queues.

        Raises:
            TokenUnusable: the token file has no usable token.
            BrokerAway: a broker cannot be reached, or refuses the token.
        """
        queues = (*self._settings.inputs, *self._settings.outputs)
        if any(not queue.token for queue in queues):
            await self._read_token()
        keys = {_connection_key(queue) for queue in queues}
        try:
            opened = await asyncio.gather(*(self._open_connection(*key) for key in keys))
            self._connections = {key: [connection] for key, connection in zip(keys, opened, strict=True)}
            for key, connections in self._connections.items():
                await self._spread_inputs(key, connections)
        except EWMSError as error:
            raise BrokerAway(f"the broker cannot be used: {error.reason}", hint=error.hint) from error
        if self._token:
            self._renewing = asyncio.create_task(self._renew_token(), name="token renewal")

    async def _spread_inputs(self, key: _Key, connections: list[Connection]) -> None:
        """Choose a connection for each input. Open more if needed: a broker limits the channels of a connection."""
        inputs = [queue.mqid for queue in self._settings.inputs if _connection_key(queue) == key]
        each = inputs_per_connection(connections[0].max_channels)
        for start in range(0, len(inputs), each):
            if start:
                connections.append(await self._open_connection(*key))
            self._of_input |= dict.fromkeys(inputs[start : start + each], connections[-1])

    @property
    def _all_connections(self) -> list[Connection]:
        return [connection for connections in self._connections.values() for connection in connections]

    async def _read_token(self) -> None:
        """Read the token. If it has expired, wait for TMS to renew it, at most as long as a reconnect may take.

        A pool that was stopped for long restarts its jobs with their old token files, before TMS has renewed the
        tokens.

        Raises:
            TokenUnusable: the token file has no usable token.
        """
        self._token = self._token_file.read_token()
        until = self._clock() + self._settings.reconnect_timeout_s
        while self._settings.token_source and is_expired(self._token, now := self._clock()) and now < until:
            log.warning("the token has expired; waiting for TMS to renew it")
            await self._fetch_token()
            if is_expired(self._token_file.read_token(), now):
                await asyncio.sleep(look_again_in_s(self._token, now))
            self._token = self._token_file.read_token()

    async def _open_connection(self, address: str, token: str) -> Connection:
        return await Connection.connect(
            address,
            token=token or self._current_token,
            name=f"pilot {self._settings.taskforce_uuid}".strip(),
            wait_s=self._settings.reconnect_timeout_s,
            ca_file=self._settings.ca_file,
        )

    def _current_token(self) -> str:
        """Return the newest token for a reconnect. If the token file is unusable now, return the last good token."""
        with suppress(EWMSError):
            self._token = self._token_file.read_token()
        return self._token

    @property
    def is_standing(self) -> bool:
        """Whether all connections are open and, if the pilot wants events, all its subscriptions are active."""
        if not all(connection.is_connected for connection in self._all_connections):
            return False
        return not self._wanted or all(consumer.is_active for consumer in self._consumers.values())

    @property
    def complaint(self) -> str:
        """The last error of a broker that is away or refuses a queue; empty if there is no such error."""
        reasons = [connection.error.reason for connection in self._all_connections if connection.error]
        for queue in self._settings.inputs:
            consumer = self._consumers.get(queue.mqid)
            if consumer is not None and not consumer.is_active and (why := self._refused.get(queue.mqid)):
                reasons.append(f"the input queue {queue} cannot be used: {why}")
        return next(iter(reasons), "")

    async def start_listening(self, prefetch: int) -> None:
        """Take events from all input queues. Each queue may deliver `prefetch` events that are not settled yet.

        Events that are already in hand do not count.

        Raises:
            BrokerAway: the broker refuses a queue. The subclass QueueGone: the queue does not exist.
        """
        async with self._subscribing:
            self._wanted = True
            for queue in self._settings.inputs:
                consumer = self._consumers.get(queue.mqid)
                if consumer is None:
                    self._consumers[queue.mqid] = await self._subscribe_to(queue, prefetch)
                else:
                    await consumer.set_prefetch(prefetch)
                    await consumer.resume()

    async def stop_listening(self) -> None:
        """Take no more events. The pilot keeps the events that are not settled."""
        async with self._subscribing:
            self._wanted = False
            for consumer in self._consumers.values():
                await consumer.pause()

    async def _subscribe_to(self, queue: QueueEndpoint, prefetch: int) -> Consumer:
        while True:
            try:
                return await self._of_input[queue.mqid].consume(
                    queue.mqid,
                    lambda delivery: self.on_delivery(queue, delivery),
                    prefetch=prefetch,
                    on_lost=lambda: self.on_lost(queue),
                    on_refused=lambda error: self._on_refused(queue, error),
                )
            except ConnectionLost as error:
                log.warning("the connection to the broker ended before queue %s could be used: %s", queue, error.reason)
                await self._of_input[queue.mqid].wait_until_ready(self._settings.reconnect_timeout_s)
            except NotDeclared as error:
                raise QueueGone(describe_gone("input", queue, self._settings.workflow_id)) from error
            except EWMSError as error:
                raise BrokerAway(f"the input queue {queue} cannot be used: {error.reason}") from error

    def _on_refused(self, queue: QueueEndpoint, error: EWMSError) -> None:
        """Note that the broker refuses a queue. Call `on_gone` if the queue counts as deleted."""
        is_missing = isinstance(error, NotDeclared)
        self._refused[queue.mqid] = error.reason
        seen = self._refusals.get(queue.mqid, Refusals()).add_attempt(self._clock(), is_missing=is_missing)
        self._refusals[queue.mqid] = seen
        if seen.is_gone:
            self.on_gone(QueueGone(describe_gone("input", queue, self._settings.workflow_id)))

    async def publish_output(self, queue: QueueEndpoint, event: DataEvent, *, may_repeat: bool = True) -> None:
        """Publish an output event, and return once the broker has confirmed it. If the broker is away or blocked, wait.

        Raises:
            QueueGone: the output queue does not exist.
            ConnectionLost: only without `may_repeat`: the broker may have the event or not.
            EWMSError: any other error of `ConfirmedPublisher.publish`.
        """
        try:
            exchange = event_exchange(queue.mqid)
            await self._publish_event(queue, exchange, queue.mqid, event, may_repeat=may_repeat)
        except (NotDeclared, Unroutable) as error:
            gone = QueueGone(describe_gone("output", queue, self._settings.workflow_id))
            if isinstance(error, NotDeclared):
                self.on_gone(gone)
            raise gone from error

    async def publish_dead(self, queue: QueueEndpoint, event: DataEvent) -> None:
        """Publish an event of `queue` to the workflow's dead letters, and return once the broker has confirmed it.

        Raises:
            EWMSError: any error of `ConfirmedPublisher.publish`, except `ConnectionLost`.
        """
        workflow = self._settings.workflow_id
        await self._publish_event(queue, dead_exchange(workflow), workflow, event)

    async def publish_attempt(self, queue: QueueEndpoint, event: DataEvent) -> None:
        """Publish the report of a failed attempt at an event of `queue`. Raises the errors of `publish_dead`."""
        await self._publish_event(queue, dead_exchange(self._settings.workflow_id), ATTEMPTS_KEY, event)

    async def _publish_event(
        self, queue: QueueEndpoint, exchange: str, routing_key: str, event: DataEvent, *, may_repeat: bool = True
    ) -> None:
        await self._connections[_connection_key(queue)][0].publish(
            exchange,
            routing_key,
            event.body,
            message_id=event.id,
            content_type=event.content_type,
            headers=event.headers,
            # Never give up and publish again: a second copy would cost a run of each further task in the workflow.
            timeout_s=None,
            may_repeat=may_repeat,
        )

    async def close(self) -> None:
        """Stop renewing the token, and close all connections."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        await asyncio.gather(*(connection.close() for connection in self._all_connections))

    async def _fetch_token(self) -> None:
        """Fetch the renewed token from TMS's file, if the current token is past half of its life."""
        half_at = half_life_at(self._token)
        if half_at is None or self._clock() < half_at:
            return
        try:
            await self._token_source.fetch_token()
        except (OSError, ImportError) as error:
            log.warning("the renewed token cannot be fetched: %s", error)

    @property
    def _on_the_token_file(self) -> list[Connection]:
        by_token = self._connections.items()
        return [connection for (_, own_token), connections in by_token if not own_token for connection in connections]

    async def _renew_token(self) -> None:
        """Look at the token file repeatedly, and send each new token to the brokers over the open connections."""
        while True:
            await asyncio.sleep(look_again_in_s(self._token, self._clock()))
            try:
                await self._renew_once()
            except EWMSError as error:
                log.warning("the token cannot be renewed: %s", error.reason)
            except Exception:
                log.exception("the token cannot be renewed")

    async def _renew_once(self) -> None:
        await self._fetch_token()
        token = self._token_file.read_token()
        if token == self._token:
            return
        self._token = token
        for connection in self._on_the_token_file:
            try:
                await connection.renew_token(token)
                log.info("the token was renewed")
            except EWMSError as error:
                # Go on: the other connections need the new token too.
                log.warning("the broker refused the renewed token: %s", error.reason)


def inputs_per_connection(max_channels: int) -> int:
    """Return how many input queues one connection can serve if the broker allows it `max_channels` channels."""
    return max(1, max_channels - _OTHER_CHANNELS)


def _connection_key(queue: QueueEndpoint) -> _Key:
    return queue.address, queue.token
