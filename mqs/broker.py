"""The data vhost: declares and deletes what `mqs.topology` says, sets the policy, counts what lies in queues.

Declaring goes over AMQP, several queues at a time, since each one costs the broker some milliseconds; whatever is
there already stays. The policy, and what is unacknowledged or delayed, are known to the management API only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar
from urllib.parse import quote, unquote

import httpx2
from aio_pika.abc import AbstractChannel
from aiormq.abc import AbstractChannel as RawChannel
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from yarl import URL

from mqs.topology import (
    VHOST_CHAIN,
    Binding,
    Chain,
    Doomed,
    Exchange,
    Queue,
    QueueLimits,
    dead_letter_chain,
    policy_document,
    queue_chain,
)
from runtime.amqp import Connection, ConnectionLost, full_jitter
from runtime.telemetry import log
from schemas.errors import Broken, Rejected, Unavailable
from schemas.ids import Mqid, WorkflowId
from schemas.topology import POLICY_NAME

#: Channels at a time. Tried on RabbitMQ 4.3.6 and two cores: 24 queues in 212, 110, 77 ms over 1, 4, 8 channels.
_N_LANES = 8

#: The first version whose policies know delayed retries. Source: rabbitmq-server pull request 16395.
_DELAYED_RETRY_SINCE = (4, 3, 1)

_NAMES_A_REQUEST = 100

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Count:
    """What lies in a queue. Ready events and consumers are exact, the others up to some seconds old."""

    n_ready: int
    n_unacknowledged: int = 0
    #: Failed, and held by the broker until their next attempt is due.
    n_delayed: int = 0
    n_consumers: int = 0

    @property
    def n_events(self) -> int:
        """How many events are in it, wherever they stand."""
        return self.n_ready + self.n_unacknowledged + self.n_delayed

    @property
    def in_use(self) -> bool:
        """Whether anything is in it or anybody waits at it."""
        return bool(self.n_events or self.n_consumers)


@dataclass(frozen=True, slots=True)
class Load:
    """What the broker carries in all, as it counted last."""

    n_bytes: int
    n_connections: int


class Broker:
    """MQS's hands on the data vhost. Build it with `Broker.connect`."""

    def __init__(self, connection: Connection, api: httpx2.AsyncClient, *, vhost: str) -> None:
        self._connection = connection
        self._api = api
        self._vhost = quote(vhost, safe="")
        # Of the whole connection: a broker may allow no more than 16 channels on one.
        self._lanes = asyncio.Semaphore(_N_LANES)

    @classmethod
    async def connect(cls, data_url: str, api_url: str, *, wait_s: float = 30.0) -> Self:
        """Return the broker whose data vhost is at `data_url`; it is waited for up to `wait_s`.

        Raises:
            Unavailable: it did not come.
            AccessRefused: it refuses the credentials.
        """
        connection = await Connection.connect(data_url, name="ewms mqs", wait_s=wait_s, backoff_cap_s=5.0)
        vhost = unquote(URL(data_url).raw_path.removeprefix("/")) or "/"
        return cls(connection, httpx2.AsyncClient(base_url=api_url, timeout=10.0), vhost=vhost)

    async def prepare(self, limits: QueueLimits, *, wait_s: float = 30.0) -> None:
        """Make the vhost ready for workflows: the exchange of dead letters, and the policy, checked once set.

        Setting a policy makes the broker visit every queue, so one that is right already is left alone.

        Raises:
            Broken: the broker does not keep the policy.
            Unavailable: it is away for longer than `wait_s`.
        """
        await self._on_lanes([VHOST_CHAIN], _declare)
        deadline = asyncio.get_running_loop().time() + wait_s
        attempt = 0
        while True:
            try:
                return await self._set_policy(limits)
            except Unavailable:
                # AMQP is served some moments before the management API.
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                await asyncio.sleep(full_jitter(attempt, cap_s=2.0))
                attempt += 1

    async def declare(self, workflow_id: WorkflowId, mqids: Iterable[Mqid]) -> None:
        """Create the queues of a workflow with all that belongs to them; what exists stays as it is."""
        await self._on_lanes([dead_letter_chain(workflow_id)], _declare)
        await self._on_lanes([queue_chain(workflow_id, mqid) for mqid in mqids], _declare)

    async def remove(self, doomed: Doomed) -> None:
        """Delete queues and exchanges with whatever is in them; what is gone already is fine."""
        # Exchanges first: from then on nothing can be published that would be deleted unseen.
        await self._on_lanes(doomed.exchanges, _delete_exchange)
        await self._on_lanes(doomed.queues, _delete_queue)

    async def counts(self, queues: Sequence[str]) -> dict[str, Count]:
        """Return what lies in each of `queues` that exists."""
        ready: dict[str, tuple[int, int]] = {}

        async def count(channel: RawChannel, queue: str) -> None:
            declared = await channel.queue_declare(queue, passive=True)
            ready[queue] = (declared.message_count or 0, declared.consumer_count or 0)

        _, totals = await asyncio.gather(self._on_lanes(queues, count, missing_ok=True), self._totals(queues))
        return {
            queue: replace(totals.get(queue, Count(0)), n_ready=n_ready, n_consumers=n_consumers)
            for queue, (n_ready, n_consumers) in ready.items()
        }

    async def all_counts(self) -> dict[str, Count]:
        """Return what lies in every queue of the vhost, all of it some seconds old, in one cheap question."""
        queues = await self._get(f"/api/queues/{self._vhost}", _TOTALS)
        return {queue["name"]: _totals(queue) for queue in queues}

    async def load(self) -> Load:
        """Return what the broker carries in all.

        Costs it a look at every queue: to be asked only where a budget names bytes or connections.
        """
        columns = {"columns": "message_bytes"}
        queues, connections = await asyncio.gather(
            self._get(f"/api/queues/{self._vhost}", columns),
            self._get(f"/api/vhosts/{self._vhost}/connections", {"columns": "name"}),
        )
        return Load(sum(queue.get("message_bytes", 0) for queue in queues), len(connections))

    async def ping(self) -> None:
        """Return if the data vhost can be reached.

        Raises:
            Unavailable: it cannot.
        """
        await self._connection.ready(0.1)

    async def close(self) -> None:
        """Close both connections."""
        await self._connection.close()
        await self._api.aclose()

    async def _set_policy(self, limits: QueueLimits) -> None:
        version = _version((await self._get("/api/overview", {}))["rabbitmq_version"])
        delayed_retry = version >= _DELAYED_RETRY_SINCE
        if not delayed_retry:
            log.warning("this broker is too old to space the attempts at a failing event", version=version)
        wanted = policy_document(limits, delayed_retry=delayed_retry)
        path = f"/api/policies/{self._vhost}/{POLICY_NAME}"
        if _says(await self._get(path, {}, missing_ok=True), wanted):
            return
        await self._call("PUT", path, json=wanted)
        if not _says(await self._get(path, {}), wanted):
            raise Broken("the broker does not keep the policy of the data vhost")
        log.info("policy set", policy=POLICY_NAME, definition=wanted["definition"])

    async def _totals(self, queues: Sequence[str]) -> dict[str, Count]:
        found: dict[str, Count] = {}
        for start in range(0, len(queues), _NAMES_A_REQUEST):
            # The names hold nothing that a regular expression would read otherwise, but for the harmless dot.
            pattern = f"^({'|'.join(queues[start : start + _NAMES_A_REQUEST])})$"
            page = await self._get(
                f"/api/queues/{self._vhost}",
                {**_TOTALS, "page": "1", "page_size": str(_NAMES_A_REQUEST), "name": pattern, "use_regex": "true"},
            )
            found |= {queue["name"]: _totals(queue) for queue in page["items"]}
        return found

    async def _on_lanes(
        self,
        items: Iterable[Item],
        act: Callable[[RawChannel, Item], Awaitable[None]],
        *,
        missing_ok: bool = False,
    ) -> None:
        """Do `act` on every item, over several channels at a time."""
        left = list(reversed(list(items)))

        async def lane() -> None:
            async with self._lanes:
                while left:
                    async with self._connection.channel() as channel:
                        await run(channel)

        async def run(channel: AbstractChannel) -> None:
            under = await channel.get_underlay_channel()
            while left:
                try:
                    await act(under, left.pop())
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

    async def _get(self, path: str, query: Mapping[str, str], *, missing_ok: bool = False) -> Any:
        answer = await self._call("GET", path, params=query, missing_ok=missing_ok)
        return None if answer.status_code == 404 else answer.json()

    async def _call(self, method: str, path: str, *, missing_ok: bool = False, **what: Any) -> httpx2.Response:
        try:
            answer = await self._api.request(method, path, **what)
        except httpx2.TransportError as error:
            raise Unavailable(f"the broker's management API is away: {type(error).__name__}") from error
        if answer.is_success or (missing_ok and answer.status_code == 404):
            return answer
        if answer.status_code >= 500:
            raise Unavailable(f"the broker's management API answered {answer.status_code}")
        raise Rejected(f"the broker's management API refused {method} {path}: {answer.status_code}", hint=answer.text)


_TOTALS = {"disable_stats": "true", "enable_queue_totals": "true"}


def _totals(queue: Mapping[str, Any]) -> Count:
    n_ready, n_unacknowledged = queue.get("messages_ready", 0), queue.get("messages_unacknowledged", 0)
    # Delayed events are in the sum and have no figure of their own here.
    n_delayed = max(0, queue.get("messages", 0) - n_ready - n_unacknowledged)
    return Count(n_ready, n_unacknowledged, n_delayed)


async def _declare(channel: RawChannel, chain: Chain) -> None:
    for link in chain:
        match link:
            case Exchange():
                await channel.exchange_declare(exchange=link.name, exchange_type=link.kind, durable=True)
            case Queue():
                await channel.queue_declare(link.name, durable=True, arguments=dict(link.arguments))
            case Binding():
                await channel.queue_bind(
                    link.queue, link.exchange, routing_key=link.key, arguments=dict(link.arguments)
                )


async def _delete_exchange(channel: RawChannel, exchange: str) -> None:
    await channel.exchange_delete(exchange)


async def _delete_queue(channel: RawChannel, queue: str) -> None:
    # A quorum queue knows neither `if_unused` nor `if_empty`, and the whole connection would be closed.
    await channel.queue_delete(queue)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("-", maxsplit=1)[0].split(".") if part.isdigit())


def _says(policy: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    return policy is not None and all(policy.get(name) == value for name, value in wanted.items())
