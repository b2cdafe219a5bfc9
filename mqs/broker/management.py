"""Call the broker's management API, for policies and for counts of queues that AMQP does not give.

Its counts are some seconds old: a quorum queue reports them at a tick (`quorum_tick_interval`, 5 s).
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx2

from mqs.api_hosts import ApiHosts
from mqs.broker.owner_shares import name_pattern, split_names
from mqs.broker.traffic import MANY_PROCESSES, BrokerLife, Counters
from runtime.concurrency.retry import call_until_there
from runtime.hosts.certificates import explain_distrust
from runtime.hosts.host_list import parse_hosts
from runtime.telemetry import log
from schemas.errors import Broken, Rejected, Unavailable

_TIMEOUT_S = 10.0

#: Ask for the counts that queues report themselves, and not for the statistics of the API.
_TOTALS = {"disable_stats": "true", "enable_queue_totals": "true"}

#: The columns with a queue's counters. They include the name: without it, a queue without counters is `[]`.
_COUNTERS = "name,message_stats.publish,message_stats.ack"


@dataclass(frozen=True, slots=True)
class Totals:
    """How many events a queue held at its last report, and the node that leads the queue."""

    n_ready: int = 0
    n_unacknowledged: int = 0
    n_delayed: int = 0
    leader: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """The sums over the whole vhost: bytes of events, and connections."""

    n_bytes: int
    n_connections: int
    bytes_of: Mapping[str, int] = field(default_factory=dict)
    counters_of: Mapping[str, Counters] = field(default_factory=dict)
    #: Queue -> how many consumers it has. A queue that has not reported yet is missing.
    consumers_of: Mapping[str, int] = field(default_factory=dict)

    @property
    def without_takers(self) -> Set[str]:
        """The queues that have no consumer."""
        return {queue for queue, n in self.consumers_of.items() if not n}


class Management:
    """A client of RabbitMQ's management API for one vhost. It logs in as the user `mqs`."""

    def __init__(self, url: str, *, vhost: str) -> None:
        self._client = ApiHosts(parse_hosts(url), timeout_s=_TIMEOUT_S)
        self._vhost = quote(vhost, safe="")

    async def read_version(self, *, wait_s: float = 0.0) -> tuple[int, ...]:
        """Return the broker's version, for example (4, 3, 6). Wait up to `wait_s` for the API, which starts after AMQP.

        Raises:
            Unavailable: the API did not come up in time.
        """
        overview = await call_until_there(
            lambda: self._get_json("/api/overview", {}),
            missing=Unavailable,
            waiting_for="the management API",
            wait_s=wait_s,
        )
        text = overview["rabbitmq_version"]
        return tuple(int(part) for part in text.split("-", maxsplit=1)[0].split(".") if part.isdigit())

    async def read_life(self) -> BrokerLife:
        """Return the life of the broker's one node. A broker of several nodes has the process `MANY_PROCESSES`. Without
        the tag `monitoring` the life is unknown.

        Raises:
            Unavailable: the broker is away.
        """
        try:
            nodes = await self._get_json("/api/nodes", {"columns": "name,os_pid,uptime"})
        except Rejected:
            return BrokerLife()
        if len(nodes) != 1:
            return BrokerLife(MANY_PROCESSES)
        # In its first seconds a node has neither.
        return BrokerLife(str(nodes[0].get("os_pid", "")), nodes[0].get("uptime", 0) / 1000)

    async def set_policy(self, name: str, wanted: Mapping[str, Any]) -> None:
        """Set the policy `name` to `wanted`, and check that the broker keeps it.

        It does not set a policy that is right already, because setting it would make the broker visit every queue.

        Raises:
            Broken: afterwards the broker has another policy.
            Rejected: the broker refuses the policy.
        """
        path = f"/api/policies/{self._vhost}/{name}"
        if _is_as_wanted(await self._get_json(path, {}, missing_ok=True), wanted):
            return
        await self._call_api("PUT", path, json=wanted)
        if not _is_as_wanted(await self._get_json(path, {}), wanted):
            raise Broken(f"the broker does not keep the policy {name}")
        log.info("policy set", policy=name, definition=wanted["definition"])

    async def read_totals(self, queues: Sequence[str] | None = None) -> dict[str, Totals]:
        """Return how many events each of `queues` holds, or every queue (None), by the queue's name.

        The numbers are those of the queue's last report, or 0 if it has not reported. Leave out queues that do not
        exist.
        """
        path = f"/api/queues/{self._vhost}"
        if queues is None:
            return {queue["name"]: _parse_totals(queue) for queue in await self._get_json(path, _TOTALS)}
        found: dict[str, Totals] = {}
        for names in split_names(queues):
            page = {"page": "1", "page_size": str(len(names)), "name": name_pattern(names), "use_regex": "true"}
            answer = await self._get_json(path, {**_TOTALS, **page})
            found |= {queue["name"]: _parse_totals(queue) for queue in answer["items"]}
        return found

    async def measure_load(self, *, connections: bool) -> Load:
        """Return the vhost's sums; count connections only if asked. The broker visits every queue for this."""
        columns = {"columns": f"{_COUNTERS},message_bytes,consumers"}
        queues = await self._get_json(f"/api/queues/{self._vhost}", columns)
        path = f"/api/vhosts/{self._vhost}/connections"
        open_ones = await self._get_json(path, {"columns": "name"}) if connections else []
        bytes_of = {queue["name"]: queue.get("message_bytes", 0) for queue in queues}
        return Load(
            sum(bytes_of.values()),
            len(open_ones),
            bytes_of,
            _parse_counters(queues),
            {queue["name"]: queue["consumers"] for queue in queues if "consumers" in queue},
        )

    async def read_counters(self, queues: Sequence[str] | None = None) -> dict[str, Counters]:
        """Return the broker's counters of `queues`, or of every queue (None), by the queue's name. Leave out queues
        without any traffic.
        """
        path = f"/api/queues/{self._vhost}"
        if queues is None:
            return _parse_counters(await self._get_json(path, {"columns": _COUNTERS}))
        found: dict[str, Counters] = {}
        for names in split_names(queues):
            page = {"page": "1", "page_size": str(len(names)), "name": name_pattern(names), "use_regex": "true"}
            answer = await self._get_json(path, {"columns": _COUNTERS, **page})
            found |= _parse_counters(answer["items"])
        return found

    async def read_policies(self) -> dict[str, Mapping[str, Any]]:
        """Return the policies of the vhost by name."""
        return {policy["name"]: policy for policy in await self._get_json(f"/api/policies/{self._vhost}", {})}

    async def remove_policy(self, name: str) -> None:
        """Delete a policy. Do nothing if it is gone already."""
        await self._call_api("DELETE", f"/api/policies/{self._vhost}/{quote(name, safe='')}", missing_ok=True)
        log.info("policy removed", policy=name)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _get_json(self, path: str, query: Mapping[str, str], *, missing_ok: bool = False) -> Any:
        answer = await self._call_api("GET", path, params=query, missing_ok=missing_ok)
        if answer.status_code == 404:
            return None
        try:
            return answer.json()
        except ValueError as error:
            # Something between MQS and the API, such as a proxy, has answered.
            raise Unavailable("the broker's management API did not answer with JSON") from error

    async def _call_api(self, method: str, path: str, *, missing_ok: bool = False, **what: Any) -> httpx2.Response:
        try:
            answer = await self._client.request(method, path, **what)
        except httpx2.TransportError as error:
            why, remedy = explain_distrust(error)
            if why:
                raise Unavailable(f"the certificate of the management API is refused: {why}", hint=remedy) from error
            raise Unavailable(f"the broker's management API does not answer: {type(error).__name__}") from error
        if answer.is_success or (missing_ok and answer.status_code == 404):
            return answer
        if answer.status_code >= 500:
            raise Unavailable(f"the broker's management API answered {answer.status_code}")
        raise Rejected(f"the broker's management API refused {method} {path}: {answer.status_code}", hint=answer.text)


def _parse_totals(queue: Mapping[str, Any]) -> Totals:
    n_ready, n_unacknowledged = queue.get("messages_ready", 0), queue.get("messages_unacknowledged", 0)
    # Delayed events are in the sum, but have no separate count here.
    n_delayed = max(0, queue.get("messages", 0) - n_ready - n_unacknowledged)
    return Totals(n_ready, n_unacknowledged, n_delayed, queue.get("leader", ""))


def _parse_counters(queues: Iterable[Mapping[str, Any]]) -> dict[str, Counters]:
    counted = ((queue["name"], queue.get("message_stats")) for queue in queues)
    return {name: Counters(stats.get("publish", 0), stats.get("ack", 0)) for name, stats in counted if stats}


def _is_as_wanted(policy: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    return policy is not None and all(policy.get(name) == value for name, value in wanted.items())
