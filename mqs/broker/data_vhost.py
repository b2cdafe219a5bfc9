"""Work on the data vhost: declare and delete the objects of `mqs.broker.topology`, set policies, count events.

MQS declares queues over AMQP, several at a time, because each costs the broker some milliseconds. Existing queues stay
as they are. Only the management API has the policies and the numbers of unacknowledged and delayed events.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Self
from urllib.parse import unquote

from aiormq.channel import Channel

from mqs.broker.channel_lanes import ChannelLanes
from mqs.broker.channel_steps import declare_chain, delete_exchange, delete_queue, unbind_queue
from mqs.broker.management import Load, Management, Totals
from mqs.broker.owner_shares import FULL_POLICY, full_patterns
from mqs.broker.picture import QueueCount, QueueReport, count_dead_letters
from mqs.broker.queue_seals import SETTLE_S, QueueSeals
from mqs.broker.topology import (
    ATTEMPTS,
    VHOST_CHAIN,
    Deletion,
    QueueLimits,
    attempts_binding,
    declaration_stages,
    full_policy_document,
    is_for_results,
    policy_documents,
    queue_binding,
)
from mqs.broker.traffic import BrokerLife, Counters
from runtime.amqp import Connection, ConnectionLost, Consumer
from runtime.amqp.address import broker_urls
from runtime.amqp.consumer import OnDelivery
from runtime.telemetry import log
from schemas.attempts.failed_reports import ATTEMPTS_QUEUE
from schemas.broker.topology import is_dead_queue
from schemas.errors import Broken
from schemas.ids import Mqid, WorkflowId

#: The first version whose policies know delayed retries. Source: rabbitmq-server pull request 16395.
_DELAYED_RETRY_SINCE = (4, 3, 1)


#: Opens a block in which MQS begins no loan of a dead queue's letters, and ends none. The block's value returns how
#: many letters MQS has on loan; None: it does not read the queue.
HoldLoan = Callable[[str], AbstractAsyncContextManager[Callable[[], int | None]]]


class DataVhost:
    """MQS's access to the data vhost. Build it with `DataVhost.connect`."""

    def __init__(self, connection: Connection, api: Management, *, settle_s: float) -> None:
        self._connection = connection
        self._api = api
        self._limits: QueueLimits | None = None
        self._delayed_retry = False
        self.hold_loan: HoldLoan = lambda _: nullcontext(lambda: None)
        self._lanes = ChannelLanes(connection)
        self._seals = QueueSeals(connection, self._lanes, settle_s=settle_s)
        self._n_reconnects = 0
        #: Queue -> the node that led it at the last look, and how often MQS has seen a queue with another leader.
        self._leaders: dict[str, str] = {}
        self._n_moves = 0
        connection.on_connected.append(self._count_reconnect)

    @classmethod
    async def connect(cls, data_url: str, api_url: str, *, wait_s: float = 30.0, settle_s: float = SETTLE_S) -> Self:
        """Connect to the data vhost at `data_url`. Wait up to `wait_s` for the broker.

        If the broker refuses to seal new queues, MQS waits `settle_s` seconds before it uses them.

        Raises:
            Unavailable: the broker does not answer within `wait_s`.
            AccessRefused: the broker refuses the credentials.
        """
        connection = await Connection.connect(data_url, name="ewms mqs", wait_s=wait_s, backoff_cap_s=5.0)
        vhost = unquote(broker_urls(data_url)[0].raw_path.removeprefix("/")) or "/"
        return cls(connection, Management(api_url, vhost=vhost), settle_s=settle_s)

    async def prepare_vhost(self, limits: QueueLimits, *, wait_s: float = 30.0) -> None:
        """Make the vhost ready for workflows: the exchange of dead letters, and the policies.

        Raises:
            Broken: the exchange has other properties at the broker, or the broker does not keep a policy.
            Rejected: the broker refuses a policy.
            Unavailable: the broker is away for longer than `wait_s`.
        """
        await self._lanes.act_on_all([VHOST_CHAIN], declare_chain)
        version = await self._api.read_version(wait_s=wait_s)
        delayed_retry = version >= _DELAYED_RETRY_SINCE
        if not delayed_retry:
            log.warning(
                "this broker is older than 4.3.1: it repeats a failed event at once, without a pause", version=version
            )
        self._limits, self._delayed_retry = limits, delayed_retry
        for name, document in policy_documents(limits, delayed_retry=delayed_retry).items():
            await self._api.set_policy(name, document)

    async def declare_queues(self, workflow_id: WorkflowId, mqids: Sequence[Mqid]) -> None:
        """Create the queues for the events of a workflow. Existing ones stay as they are.

        Raises:
            EWMSError: the broker does not answer, or refuses a declaration.
        """
        await self._lanes.act_on_all(declaration_stages(workflow_id, mqids)[0], declare_chain)

    async def declare_exchanges(self, workflow_id: WorkflowId, mqids: Sequence[Mqid]) -> None:
        """Create the exchanges of a workflow, and the queue of its dead letters. Existing ones stay as they are.

        Raises:
            EWMSError: the broker does not answer, or refuses a declaration.
        """
        await self._lanes.act_on_all(declaration_stages(workflow_id, mqids)[1], declare_chain)

    async def find_leaderless(self, queues: Iterable[str]) -> list[str]:
        """Return which of the new and empty `queues` do not work. See `QueueSeals.find_leaderless`."""
        return await self._seals.find_leaderless(queues)

    async def bind_queues(self, workflow_id: WorkflowId, mqids: Sequence[Mqid]) -> None:
        """Bind the exchanges and queues of a workflow, which must exist. Existing bindings stay.

        Raises:
            EWMSError: the broker does not answer, or refuses a binding.
        """
        await self._lanes.act_on_all(declaration_stages(workflow_id, mqids)[2], declare_chain)

    async def bind_attempts(self, workflow_ids: Iterable[WorkflowId]) -> None:
        """Let the pilots of workflows report failed attempts. Skip workflows without a dead exchange.

        Raises:
            EWMSError: the broker does not answer, or refuses a binding.
        """
        await self._lanes.act_on_all([(ATTEMPTS,)], declare_chain)
        await self._lanes.act_on_all(
            [(attempts_binding(workflow),) for workflow in workflow_ids], declare_chain, missing_ok=True
        )

    async def consume_attempts(self, on_delivery: OnDelivery, *, prefetch: int) -> Consumer:
        """Return a consumer of the reports of failed attempts. It calls `on_delivery` with each report."""

        async def declare_attempts(channel: Channel) -> None:
            await declare_chain(channel, (ATTEMPTS,))

        return await self._connection.consume(ATTEMPTS_QUEUE, on_delivery, prefetch=prefetch, prepare=declare_attempts)

    @property
    def on_connected(self) -> list[Callable[[], None]]:
        """Return the list of callbacks to call whenever the broker is back. Callers may append to it."""
        return self._connection.on_connected

    async def seal_queues(self) -> None:
        """Return when all queues that were declared before this call survive a crash of the broker: `QueueSeals`."""
        await self._seals.seal_queues()

    async def shut_queues(self, mqids: Sequence[Mqid]) -> None:
        """Let no more events into queues. Publishers get their events back. Skip queues that are shut or gone.

        Raises:
            EWMSError: the broker does not answer.
        """
        await self._lanes.act_on_all(map(queue_binding, mqids), unbind_queue, missing_ok=True)

    async def remove_queues(self, doomed: Deletion) -> None:
        """Delete queues with the events in them, and exchanges. Ignore those that are gone already.

        Raises:
            EWMSError: the broker does not answer.
        """
        # Delete exchanges first, so that no client publishes an event that would be deleted unseen.
        await self._lanes.act_on_all(doomed.exchanges, delete_exchange)
        await self._lanes.act_on_all(doomed.queues, delete_queue)

    async def count_queues(self, queues: Sequence[str]) -> dict[str, QueueCount]:
        """Return queue name -> how many events the queue holds, for the existing queues among `queues`.

        This counts the ready events last.

        Raises:
            EWMSError: the broker does not answer.
        """
        return (await self._count_with_totals(queues))[1]

    async def _count_with_totals(self, queues: Sequence[str]) -> tuple[dict[str, Totals], dict[str, QueueCount]]:
        totals = await self._api.read_totals(queues)
        self._note_leaders(totals)
        counts: dict[str, QueueCount] = {}

        async def count_ready(channel: Channel, queue: str) -> None:
            declared = await channel.queue_declare(queue, passive=True)
            counts[queue] = _count_of(
                totals.get(queue, Totals()),
                n_ready=declared.message_count or 0,
                n_consumers=declared.consumer_count or 0,
            )

        async def count_dead(queue: str) -> None:
            async with self.hold_loan(queue) as count_loan:
                await self._lanes.act_on_all([queue], count_ready, missing_ok=True)
                if queue in counts:
                    counts[queue] = count_dead_letters(counts[queue], n_on_loan=count_loan())

        await self._lanes.act_on_all(
            [queue for queue in queues if not is_dead_queue(queue)], count_ready, missing_ok=True
        )
        await asyncio.gather(*(count_dead(queue) for queue in queues if is_dead_queue(queue)))
        return totals, counts

    @property
    def epoch(self) -> int:
        """A number that changes when the broker may have restarted, or a queue has moved: it has not reported then."""
        return self._n_reconnects + self._n_moves

    async def count_in_one_life(self, queues: Sequence[str]) -> tuple[int, dict[str, QueueCount]]:
        """Return the number of the broker's life, and queue name -> count for `queues`.

        The number changes whenever the broker may have restarted, or a queue has another leader.

        Raises:
            ConnectionLost: the broker may have restarted during the count, or a queue is about to get another leader.
        """
        before = self.epoch
        totals, counts = await self._count_with_totals(queues)
        # Ready events were counted last, over this connection. If the connection is still the same, the broker has not
        # restarted since the other counts.
        if self.epoch != before or not self._connection.is_connected:
            raise ConnectionLost("the broker restarted, or queues moved to another node, while MQS counted them")
        # While a queue has no leader, the broker leaves it out of the reports, and says that it is empty.
        if silent := counts.keys() - totals.keys():
            raise ConnectionLost(f"the queue {min(silent)} has no leader at the moment")
        return before, counts

    async def read_counters(self, queues: Sequence[str] | None = None) -> dict[str, Counters]:
        """Return the broker's counters of `queues`, or of all queues (None), by the queue's name. They count since the
        broker started.
        """
        return await self._api.read_counters(queues)

    async def read_life(self) -> BrokerLife:
        """Return the life of the broker, to see whether it has restarted since an earlier look."""
        return await self._api.read_life()

    async def count_all(self) -> dict[str, QueueCount]:
        """Return how many events every queue of the vhost holds, by its name. The numbers are some seconds old and
        leave out consumers.
        """
        totals = await self._api.read_totals()
        self._note_leaders(totals)
        self._leaders = {queue: leader for queue, leader in self._leaders.items() if queue in totals}
        return {queue: _count_of(figures, n_ready=figures.n_ready) for queue, figures in totals.items()}

    async def fill_queues(self, mqids: Iterable[Mqid]) -> None:
        """Make exactly these queues refuse new events. Other queues, filled by an earlier call, take events again.

        Raises:
            Unavailable: the management API is away.
            Broken: `prepare_vhost` was not called before.
        """
        if self._limits is None:
            raise Broken("fill_queues needs prepare_vhost first")
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
        """Return the sums over the vhost. Call this only if a budget limits bytes or connections: it is expensive."""
        return await self._api.measure_load(connections=connections)

    async def ping(self) -> None:
        """Check that the broker answers on the data vhost.

        Raises:
            Unavailable: the broker does not answer.
        """
        await self._connection.wait_until_ready(0.1)

    async def close(self) -> None:
        """Close the connections to the broker and to the management API."""
        await self._seals.close()
        await self._connection.close()
        await self._api.close()

    def _note_leaders(self, totals: Mapping[str, Totals]) -> None:
        seen = {queue: one.leader for queue, one in totals.items() if one.leader}
        self._n_moves += any(self._leaders.get(queue, leader) != leader for queue, leader in seen.items())
        self._leaders |= seen

    def _count_reconnect(self) -> None:
        self._n_reconnects += 1


def _count_of(totals: Totals, *, n_ready: int, n_consumers: int = 0) -> QueueCount:
    reported = QueueReport(totals.n_ready, totals.n_unacknowledged, totals.n_delayed)
    return QueueCount(n_ready, totals.n_unacknowledged, totals.n_delayed, n_consumers, reported)
