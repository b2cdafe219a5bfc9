import pytest
from pydantic import ValidationError

from runtime.settings import LogSettings, ServiceSettings, StoreSettings, explain_error

URL = "amqp://wms:hunter2@127.0.0.1:5672/ewms-control"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EWMS_CONTROL_AMQP_URL", "EWMS_MONGO_URL", "EWMS_HTTP_PORT", "EWMS_LOG_LEVEL", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOST", "PORT", "AUTH_USER", "AUTH_PASS"):
        monkeypatch.delenv(f"MONGODB_{name}", raising=False)


def read(settings: type[LogSettings]) -> LogSettings:
    # What mypy takes for missing arguments comes from the environment.
    return settings()


def test_our_names_are_read_and_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EWMS_CONTROL_AMQP_URL", URL)
    monkeypatch.setenv("EWMS_HTTP_PORT", "8080")
    monkeypatch.setenv("EWMS_LOG_LEVEL", "debug")
    settings = read(ServiceSettings)
    assert isinstance(settings, ServiceSettings)
    assert (settings.control_amqp_url.get_secret_value(), settings.http_port, settings.log_level) == (
        URL,
        8080,
        "DEBUG",
    )
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("name", ["log_format", "http_host"])
def test_settings_cannot_be_changed_once_read(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("EWMS_CONTROL_AMQP_URL", URL)
    with pytest.raises(ValidationError):
        setattr(read(ServiceSettings), name, "console")


def test_the_existing_services_names_for_mongodb_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EWMS_CONTROL_AMQP_URL", URL)
    monkeypatch.setenv("MONGODB_HOST", "db.example")
    monkeypatch.setenv("MONGODB_PORT", "27018")
    monkeypatch.setenv("MONGODB_AUTH_USER", "ewms")
    monkeypatch.setenv("MONGODB_AUTH_PASS", "p@ss/word")
    settings = read(StoreSettings)
    assert isinstance(settings, StoreSettings)
    assert settings.mongo_url.get_secret_value() == "mongodb://ewms:p%40ss%2Fword@db.example:27018/"
    assert "p@ss" not in repr(settings)


def test_everything_that_is_wrong_is_said_at_once_by_name_and_without_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EWMS_HTTP_PORT", "hunter2")
    with pytest.raises(ValidationError) as raised:
        read(ServiceSettings)
    said = explain_error(raised.value).reason
    assert "EWMS_CONTROL_AMQP_URL: is needed" in said
    assert "EWMS_HTTP_PORT: " in said
    assert "hunter2" not in said
