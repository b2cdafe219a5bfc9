"""Write the settings of the launcher's RabbitMQ. (core)"""

from collections.abc import Mapping
from pathlib import Path

from schemas.broker import topology

#: The time between two removals of the counts that closed channels have left; RabbitMQ's default is two minutes.
_METRICS_REMOVAL_MS = 6 * 3600 * 1000

#: How long the broker waits for a lost node before it gives the events of its clients to others: long enough for a
#: restart of the node, after which each such event counts as an attempt. Without the node the broker counts none.
_LOST_NODE_MS = 20_000


def configuration_text(
    ports: Mapping[str, int], *, kid: str, public_key: Path, definitions_file: Path, channels: int, tick_s: int
) -> str:
    """Return rabbitmq.conf of a broker that listens on these ports of loopback, by name.

    It believes tokens that the key `kid` has signed, whose public part is in the file `public_key`. `channels` is the
    most channels of a connection. Queues report every `tick_s` seconds.
    """
    return f"""\
listeners.tcp.1 = 127.0.0.1:{ports["amqp"]}
management.tcp.ip = 127.0.0.1
management.tcp.port = {ports["management"]}
load_definitions = {definitions_file}
log.console.level = info

auth_backends.1 = rabbit_auth_backend_oauth2
auth_backends.2 = rabbit_auth_backend_internal
auth_oauth2.resource_server_id = {topology.RESOURCE_SERVER}
auth_oauth2.resource_server_type = {topology.RESOURCE_SERVER}
auth_oauth2.default_key = {kid}
auth_oauth2.signing_keys.{kid} = {public_key}
auth_oauth2.algorithms.1 = RS256
auth_oauth2.algorithms.2 = ES256

channel_max = {channels}
heartbeat = 30
max_message_size = {topology.MAX_EVENT_BYTES}
# A task may take a day. By default the broker closes the channel of a consumer that holds an event for 30 minutes.
consumer_timeout = 90000000
# If a node is lost, the broker gives the events in the hands of its clients to others after this time. By default it
# waits for the node for 60 s.
consumer_disconnected_timeout = {_LOST_NODE_MS}
# Depths come from these statistics, which must be as young as the queues' own reports (see also `advanced_settings`).
collect_statistics_interval = {tick_s * 1000}
disk_free_limit.absolute = 200MB
raft.wal_max_size_bytes = 67108864
"""


def advanced_settings(jwks_url: str, *, tick_s: int) -> str:
    """Return the settings that rabbitmq.conf cannot hold, in the older format.

    rabbitmq.conf accepts only https for the JWKS address, and here it is plain http on loopback. Quorum queues report
    their depths every `tick_s` seconds (RabbitMQ's default: 5 s). Each report costs CPU, also that of an empty queue
    (docs/performance.md).

    The broker seldom removes the counts that closed channels have left. A removal also takes the counts of the last
    second, which no statistics hold yet: with RabbitMQ's default of two minutes, the broker lost 470 of 23 000 events
    that short connections had published.
    """
    own = f"{{quorum_tick_interval,{tick_s * 1000}}},{{core_metrics_gc_interval,{_METRICS_REMOVAL_MS}}}"
    return f'[{{rabbitmq_auth_backend_oauth2,[{{jwks_uri,"{jwks_url}"}}]}},{{rabbit,[{own}]}}].\n'
