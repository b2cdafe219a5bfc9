import re
from pathlib import Path

import pytest

from deploy.local.servers.rabbitmq import read_tick_s
from deploy.local.servers.rabbitmq_config import advanced_settings, configuration_text
from tests.campaigns.node_strikes import BROKER_S


def test_the_broker_keeps_the_counts_of_closed_channels_for_hours() -> None:
    found = re.search(r"core_metrics_gc_interval,(\d+)}", advanced_settings("http://127.0.0.1:1/jwks", tick_s=1))
    assert found
    assert int(found[1]) >= 3_600_000


def test_the_advanced_settings_name_the_address_of_the_keys() -> None:
    assert advanced_settings("http://127.0.0.1:9/k", tick_s=1).startswith(
        '[{rabbitmq_auth_backend_oauth2,[{jwks_uri,"http://127.0.0.1:9/k"}]}'
    )


def make_settings(tick_s: int = 1) -> str:
    ports = {"amqp": 1, "management": 2}
    return configuration_text(
        ports, kid="k", public_key=Path("k"), definitions_file=Path("d"), channels=64, tick_s=tick_s
    )


def test_events_in_the_hands_of_a_lost_nodes_clients_do_not_wait_for_the_node() -> None:
    found = re.search(r"^consumer_disconnected_timeout = (\d+)$", make_settings(), re.MULTILINE)
    assert found
    assert int(found[1]) / 1000 < BROKER_S


def test_queues_and_statistics_report_at_the_same_interval() -> None:
    settings = make_settings(tick_s=5)
    assert "collect_statistics_interval = 5000\n" in settings
    assert "{quorum_tick_interval,5000}" in advanced_settings("http://127.0.0.1:9/k", tick_s=5)


@pytest.mark.parametrize(("told", "tick_s"), [("", 1), ("5", 5), ("0", 1), ("soon", 1)])
def test_the_interval_is_the_one_that_mqs_is_told(told: str, tick_s: int) -> None:
    assert read_tick_s({"EWMS_BROKER_TICK_S": told}) == tick_s
