import re

from deploy.local.servers.rabbitmq_config import advanced_settings


def test_the_broker_keeps_the_counts_of_closed_channels_for_hours() -> None:
    found = re.search(r"core_metrics_gc_interval,(\d+)}", advanced_settings("http://127.0.0.1:1/jwks"))
    assert found
    assert int(found[1]) >= 3_600_000


def test_the_advanced_settings_name_the_address_of_the_keys() -> None:
    assert advanced_settings("http://127.0.0.1:9/k").startswith(
        '[{rabbitmq_auth_backend_oauth2,[{jwks_uri,"http://127.0.0.1:9/k"}]}'
    )
