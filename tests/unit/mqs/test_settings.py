"""The environment of MQS, in our names and in those of the existing service."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from mqs.settings import MqsSettings
from mqs.tokens.grants import Audience

OURS: dict[str, Any] = {
    "mongo_url": "mongodb://127.0.0.1/",
    "control_amqp_url": "amqp://mqs:secret-1@127.0.0.1/ewms-control",
    "data_amqp_url": "amqp://mqs:secret-2@127.0.0.1/ewms",
    "rabbitmq_api_url": "http://mqs:secret-3@127.0.0.1:15672",
}
KEYS: dict[str, Any] = {"EWMS_BROKER_KEY_FILE": "/k", "EWMS_BROKER_PUBLIC_KEY_FILE": "/k.pub"}


def test_the_existing_services_names_are_accepted() -> None:
    settings = MqsSettings(
        **OURS,
        BROKER_URL="broker.example.org:5671/ewms",
        BROKER_QUEUE_USERNAME="someone",
        BROKER_QUEUE_AUTH_PRIVATE_KEY_FILE="/k",
        BROKER_QUEUE_AUTH_PUBLIC_KEY_FILE="/k.pub",
        BROKER_QUEUE_AUTH_TOKEN_EXP=3600,
        BROKER_RESOURCE_SERVER_ID="rabbitmq",
        BROKER_RESOURCE_SERVER_TYPE="",
        HERE_URL="https://mqs.example.org/",
        REST_HOST="0.0.0.0",
        REST_PORT="8080",
    )
    assert (settings.http_host, settings.http_port) == ("0.0.0.0", 8080)
    assert settings.audience == Audience("rabbitmq", "rabbitmq")
    assert settings.profile_address == "someone@broker.example.org:5671/ewms"
    assert settings.issuer == "https://mqs.example.org/mqbroker-issuer"
    assert settings.user_token_life_s == 3600


def test_an_address_with_its_user_is_printed_as_it_is() -> None:
    settings = MqsSettings(**OURS, **KEYS, EWMS_BROKER_ADDRESS="user@127.0.0.1:5672/ewms")
    assert settings.profile_address == "user@127.0.0.1:5672/ewms"


def test_a_limit_of_zero_is_none() -> None:
    budget = MqsSettings(**OURS, **KEYS, EWMS_BROKER_ADDRESS="h", budget_queues=0, budget_connections=7).budget
    assert (budget.max_queues, budget.max_bytes, budget.max_connections) == (None, None, 7)


def test_durations_are_seconds() -> None:
    settings = MqsSettings(**OURS, **KEYS, EWMS_BROKER_ADDRESS="h", retire_unused_s=90, event_retry_s=0.5)
    assert settings.rules.unused == timedelta(seconds=90)
    assert settings.limits.retry_step == timedelta(milliseconds=500)


@pytest.mark.parametrize("name", ["aging_s", "retire_look_s", "queue_max_events"])
def test_what_would_divide_by_zero_or_never_rest_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        MqsSettings(**{**OURS, **KEYS, "EWMS_BROKER_ADDRESS": "h", name: 0})


def test_no_secret_is_shown() -> None:
    assert "secret" not in repr(MqsSettings(**OURS, **KEYS, EWMS_BROKER_ADDRESS="h"))


def test_the_environment_is_read_under_either_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"REST_PORT": "8081", "EWMS_LEGACY_CLIENTS": "on", "BROKER_URL": "h"}.items():
        monkeypatch.setenv(name, value)
    settings = MqsSettings(**OURS, **KEYS)
    assert (settings.http_port, settings.broker_address, settings.legacy_clients) == (8081, "h", True)
    monkeypatch.setenv("EWMS_HTTP_PORT", "8082")
    monkeypatch.setenv("EWMS_LEGACY_CLIENTS", "off")
    settings = MqsSettings(**OURS, **KEYS)
    assert (settings.http_port, settings.legacy_clients) == (8082, False)


def test_existing_clients_are_not_served_unless_it_is_said() -> None:
    settings = MqsSettings(**OURS, **KEYS, EWMS_BROKER_ADDRESS="h")
    assert settings.legacy_clients is False
    assert settings.audience == Audience("ewms", "ewms")


def test_existing_clients_get_no_address_with_several_hosts() -> None:
    several = {**OURS, **KEYS, "EWMS_BROKER_ADDRESS": "one:5672,two:5672/ewms"}
    assert MqsSettings(**several).profile_address == "user@one:5672,two:5672/ewms"
    with pytest.raises(ValidationError, match="EWMS_BROKER_ADDRESS has several hosts"):
        MqsSettings(**several, legacy_clients=True)


def test_an_address_with_tls_keeps_its_scheme_in_front_of_the_user() -> None:
    several = {**OURS, **KEYS, "EWMS_BROKER_ADDRESS": "amqps://one:5671,two:5671/ewms"}
    assert MqsSettings(**several).profile_address == "amqps://user@one:5671,two:5671/ewms"
