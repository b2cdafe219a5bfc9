"""Work on the data vhost: declare and delete what `mqs.broker.topology` says, set policies, count events in queues.

MQS declares queues over AMQP, several at a time, since each costs the broker some milliseconds; whatever is there
already stays. Only the management API knows the policies, and how many events are unacknowledged or delayed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar
from urllib.parse import unquote

from aiormq.channel import Channel
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from yarl import URL

from mqs.broker.management import Load, Management, Totals
from mqs.broker.owner_shares import FULL_POLICY, full_patterns
from mqs.broker.topology import (
    ATTEMPTS,
    VHOST_CHAIN,
    Binding,
    Chain,
    Deletion,
    Exchange,
    QueueDeclaration,
    QueueLimits,
    attempts_binding,
    declaration_stages,
    full_policy_document,
    is_for_results,
    policy_documents,
    way_in,
)
from mqs.broker.traffic import Counters
from runtime.amqp import AccessRefused, Connection, ConnectionLost, Consumer
from runtime.amqp.consumer import OnDelivery
from runtime.amqp.sealing import SharedCalls, declare_seal, new_seal_name
from runtime.telemetry import counter, histogram, log
from schemas.errors import Broken
from schemas.failures.attempts import ATTEMPTS_QUEUE
from schemas.ids import Mqid, WorkflowId
from schemas.services import Service
from schemas.topology import is_dead_queue

#: Channels at a time. Tried on RabbitMQ 4.3.6 and two cores: 24 queues in 212, 110, 77 ms over 1, 4, 8 channels.
_N_LANES = 8

#: How long a new queue is at risk if the broker refuses a seal. RabbitMQ writes the queue down after 3 s at the latest.
#: Source: Erlang/OTP, dets_utils.erl, DEFAULT_CACHE.
_SETTLE_S = 4.0

_seal_s = histogram("mqs_seal_seconds", "Time until new queues survive a crash of the broker.")
_unsealed = counter("mqs_seals_refused_total", "Seals that the broker has refused: activations wait 4 s instead.")

#: The first version whose policies know delayed retries. Source: rabbitmq-server pull request 16395.
_DELAYED_RETRY_SINCE = (4, 3, 1)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class QueueCount:
    """How many events and consumers a queue has. Ready events and consumers are exact, the others some seconds old."""

    n_ready: int
    n_unacknowledged: int = 0
    #: Failed, and held by the broker until their next attempt is due.
    n_delayed: int = 0
    n_consumers: int = 0

    @property
    def n_events(self) -> int:
        """How many events are in it, in whatever state."""
        return self.n_ready + self.n_unacknowledged + self.n_delayed

    @property
    def is_in_use(self) -> bool:
        """Whether it holds events or has consumers."""
        return bool(self.n_events or self.n_consumers)


class DataVhost:
    """MQS's access to the data vhost. Build it with `DataVhost.connect`."""

    def __init__(self, connection: Connection, api: Management, *, settle_s: float) -> None:
        self._connection = connection
        self._api = api
        self._limits: QueueLimits | None = None
        self._delayed_retry = False
        self._settle_s = settle_s
        #: Returns how many dead letters of a queue MQS has on loan. Only MQS takes any.
        self.n_held: Callable[[str], int] = lambda _: 0
        # Shared by the whole connection: a broker may allow no more than 16 channels on one.
        self._lanes = asyncio.Semaphore(_N_LANES)
        self._seals = SharedCalls(self._seal_once)
        self._deletions: set[asyncio.Task[None]] = set()
        self._n_reconnects = 0
        connection.on_connected.append(self._count_reconnect)

    @classmethod
    async def connect(cls, data_url: str, api_url: str, *, wait_s: float = 30.0, settle_s: float = _SETTLE_S) -> Self:
        """Connect to the data vhost at `data_url`. Wait up to `wait_s` for the broker.

        If the broker refuses to seal new queues, they are left alone for `settle_s`.

        Raises:
            Unavailable: the broker did not come up in time.
            AccessRefused: it refuses the credentials.
        """
        connection = await Connection.connect(data_url, name="ewms mqs", wait_s=wait_s, backoff_cap_s=5.0)
        vhost = unquote(URL(data_url).raw_path.removeprefix("/")) or "/"
        return cls(connection, Management(api_url, vhost=vhost), settle_s=settle_s)

    async def prepare_vhost(self, limits: QueueLimits, *, wait_s: float = 30.0) -> None:
        """Make the vhost ready for workflows: the exchange of dead letters, and the policies.

        Raises:
            Broken: the broker does not keep a policy.
            Unavailable: it is away for longer than `wait_s`.
        """
        await self._on_lanes([VHOST_CHAIN], _declare_chain)
        version = await self._api.read_version(wait_s=wait_s)
        delayed_retry = version >= _DELAYED_RETRY_SINCE
        if not delayed_retry:
            log.warning("this broker is too old to space the attempts at a failing event", version=version)
        self._limits, self._delayed_retry = limits, delayed_retry
        for name, document in policy_documents(limits, delayed_retry=delayed_retry).items():
            await self._api.set_policy(name, document)

    async def declare_queues(self, workflow_id: WorkflowId, mqids: Sequence[Mqid]) -> None:
        """Create the exchanges and queues of a workflow; what exists stays as it is."""
        await self._on_lanes(declaration_stages(workflow_id, mqids)[0], _declare_chain)

    async def bind_queues(self, workflow_id: WorkflowId, mqids: Sequence[Mqid]) -> None:
        """Bind the exchanges and queues of a workflow, which must exist. Existing bindings stay."""
        await self._on_lanes(declaration_stages(workflow_id, mqids)[1], _declare_chain)

    async def bind_attempts(self, workflow_ids: Iterable[WorkflowId]) -> None:
        """Let the pilots of workflows report failed attempts; a workflow without a dead exchange is left out."""
        await self._on_lanes([(ATTEMPTS,)], _declare_chain)
        await self._on_lanes(
            [(attempts_binding(workflow),) for workflow in workflow_ids], _declare_chain, missing_ok=True
        )

    async def consume_attempts(self, on_delivery: OnDelivery, *, prefetch: int) -> Consumer:
        """Take the reports of failed attempts; `on_delivery` is called with each."""

        async def prepare(channel: Channel) -> None:
            await _declare_chain(channel, (ATTEMPTS,))

        return await self._connection.consume(ATTEMPTS_QUEUE, on_delivery, prefetch=prefetch, prepare=prepare)

    @property
    def on_connected(self) -> list[Callable[[], None]]:
        """Return the callbacks that are called whenever the broker is back."""
        return self._connection.on_connected

    async def seal_queues(self) -> None:
        """Return when every queue declared before this call survives a crash of the broker.

        Groups created at the same time share a seal. If the broker refuses one (the rights of `mqs`, a limit of
        queues), this waits until the broker has written the queues down by itself.
        """
        with _seal_s.time():
            await self._seals.call_soon()

    async def shut_queues(self, mqids: Sequence[Mqid]) -> None:
        """Let no more events into queues; publishers get their events back. Queues already shut or gone are fine."""
        await self._on_lanes(map(way_in, mqids), _unbind_queue, missing_ok=True)

    async def remove_queues(self, doomed: Deletion) -> None:
        """Delete queues and exchanges with whatever is in them; what is gone already is fine."""
        # Exchanges first, so that nobody publishes an event that would be deleted unseen.
        await self._on_lanes(doomed.exchanges, _delete_exchange)
        await self._on_lanes(doomed.queues, _delete_queue)

    async def count_queues(self, queues: Sequence[str]) -> dict[str, QueueCount]:
        """Count the events in each existing queue of `queues`. Ready events are counted last."""
        totals = await self._api.read_totals(queues)
        ready: dict[str, tuple[int, int]] = {}

        async def count(channel: Channel, queue: str) -> None:
            declared = await channel.queue_declare(queue, passive=True)
            ready[queue] = (declared.message_count or 0, declared.consumer_count or 0)

        await self._on_lanes(queues, count, missing_ok=True)
        return {
            # Only MQS takes dead letters, so it knows how many are on loan without asking.
            queue: QueueCount(n_ready, self.n_held(queue))
            if is_dead_queue(queue)
            else _count_of(totals.get(queue, Totals()), n_ready=n_ready, n_consumers=n_consumers)
            for queue, (n_ready, n_consumers) in ready.items()
        }

    async def count_in_one_life(self, queues: Sequence[str]) -> tuple[int, dict[str, QueueCount]]:
        """Return a number that changes when the broker may have restarted meanwhile, and the counts of `queues`.

        Raises:
            ConnectionLost: the broker may have restarted during the count.
        """
        before = self._n_reconnects
        counts = await self.count_queues(queues)
        # Ready events were counted last, over this connection. If it is still the same, the other counts are of its
        # time.
        if self._n_reconnects != before or not self._connection.is_connected:
            raise ConnectionLost("the broker went away while queues were counted")
        return before, counts

    async def read_counters(self, queues: Sequence[str] | None = None) -> dict[str, Counters]:
        """Return what the broker has counted at `queues`, or at all queues (None), since it started."""
        return await self._api.read_counters(queues)

    async def count_all(self) -> dict[str, QueueCount]:
        """Count the events in every queue of the vhost. The numbers are some seconds old and leave out consumers."""
        totals = await self._api.read_totals()
        return {queue: _count_of(figures, n_ready=figures.n_ready) for queue, figures in totals.items()}

    async def fill_queues(self, mqids: Iterable[Mqid]) -> None:
        """Make exactly these queues refuse new events. Queues that an earlier call named take events again.

        Raises:
            Unavailable: the management API is away.
        """
        if self._limits is None:
            raise Broken("the vhost is not prepared")
        mqids = list(mqids)
        results = set(filter(is_for_results, mqids))
        wanted = {
            name: full_policy_document(
                self._limits, pattern, delayed_retry=self._delayed_retry, for_results=for_results
            )
            for for_results, some in ((False, set(mqids) - results), (True, results))
            for name, pattern in full_patterns(some).items()
        }
        for name in await self._api.read_policies():
            if name.startswith(FULL_POLICY) and name not in wanted:
                await self._api.remove_policy(name)
        for name, document in wanted.items():
            await self._api.set_policy(name, document)

    async def measure_load(self, *, connections: bool) -> Load:
        """Return what the broker carries in all. Ask only if a budget limits bytes or connections."""
        return await self._api.measure_load(connections=connections)

    async def ping(self) -> None:
        """Return if the data vhost can be reached.

        Raises:
            Unavailable: it cannot be reached.
        """
        await self._connection.wait_until_ready(0.1)

    async def close(self) -> None:
        """Close both connections."""
        await asyncio.gather(*self._deletions, return_exceptions=True)
        await self._connection.close()
        await self._api.close()

    def _count_reconnect(self) -> None:
        self._n_reconnects += 1

    async def _seal_once(self) -> None:
        try:
            name = new_seal_name(Service.MQS)
            await self._on_lanes([name], declare_seal)
            # Nobody has to wait until the seal is deleted, and a seal that stays expires.
            deletion = asyncio.create_task(self._on_lanes([name], _delete_queue), name=f"delete {name}")
            self._deletions.add(deletion)
            deletion.add_done_callback(self._forget_deletion)
        except (AccessRefused, Broken) as error:
            _unsealed.inc()
            log.warning("the broker refuses to seal new queues, so activating them takes longer", reason=error.reason)
            await self._wait_until_written()

    def _forget_deletion(self, deletion: asyncio.Task[None]) -> None:
        self._deletions.discard(deletion)
        if not deletion.cancelled() and (error := deletion.exception()) is not None:
            log.debug("a seal is left to expire", reason=repr(error))

    async def _wait_until_written(self) -> None:
        came_back = asyncio.Event()
        self._connection.on_connected.append(came_back.set)
        try:
            await asyncio.sleep(self._settle_s)
        finally:
            self._connection.on_connected.remove(came_back.set)
        if came_back.is_set() or not self._connection.is_connected:
            raise ConnectionLost("the broker went away while new queues settled")

    async def _on_lanes(
        self,
        items: Iterable[Item],
        act: Callable[[Channel, Item], Awaitable[None]],
        *,
        missing_ok: bool = False,
    ) -> None:
        """Do `act` on every item, over several channels at a time."""
        left = list(reversed(list(items)))

        async def lane() -> None:
            async with self._lanes:
                while left:
                    async with self._connection.lend_channel() as channel:
                        await run(channel)

        async def run(channel: Channel) -> None:
            while left:
                try:
                    await act(channel, left.pop())
                except ChannelNotFoundEntity:
                    if not missing_ok:
                        raise
                    return  # the broker has closed the channel; the next one goes on
                except ChannelPreconditionFailed as error:
                    raise Broken(f"something else has declared this otherwise: {error}") from error

        results = await asyncio.gather(*(lane() for _ in range(min(_N_LANES, len(left)))), return_exceptions=True)
        for result in results:
            if isinstance(result, asyncio.CancelledError):
                # The library cancels whoever waits for an answer on a channel that is closed meanwhile.
                raise ConnectionLost("the channel was closed before the answer")
            if result is not None:
                raise result


def _count_of(totals: Totals, *, n_ready: int, n_consumers: int = 0) -> QueueCount:
    return QueueCount(n_ready, totals.n_unacknowledged, totals.n_delayed, n_consumers)


async def _declare_chain(channel: Channel, chain: Chain) -> None:
    for link in chain:
        match link:
            case Exchange():
                await channel.exchange_declare(exchange=link.name, exchange_type=link.kind, durable=True)
            case QueueDeclaration():
                await channel.queue_declare(link.name, durable=True, arguments=dict(link.arguments))
            case Binding():
                await channel.queue_bind(
                    link.queue, link.exchange, routing_key=link.key, arguments=dict(link.arguments)
                )


async def _unbind_queue(channel: Channel, way: Binding) -> None:
    await channel.queue_unbind(way.queue, way.exchange, routing_key=way.key)


async def _delete_exchange(channel: Channel, exchange: str) -> None:
    await channel.exchange_delete(exchange)


async def _delete_queue(channel: Channel, queue: str) -> None:
    # Quorum queues support neither `if_unused` nor `if_empty`: the broker would close the whole connection.
    await channel.queue_delete(queue)
