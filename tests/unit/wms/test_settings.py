"""What the environment may say, and what it must not."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from wms.fleet.choices.locations import Location, LocationMap
from wms.settings import WmsSettings

BASE: dict[str, Any] = {
    "mongo_url": SecretStr("mongodb://m/"),
    "control_amqp_url": SecretStr("amqp://wms:x@b/ewms-control"),
}
OFF: dict[str, Any] = {**BASE, "auth": "off"}


def test_without_an_issuer_wms_does_not_start_for_auth_is_on() -> None:
    with pytest.raises(ValidationError, match="EWMS_AUTH_ISSUER is needed"):
        WmsSettings(**BASE)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "example.org"])
def test_auth_cannot_be_off_where_others_can_reach_it(host: str) -> None:
    with pytest.raises(ValidationError, match="must be a loopback address"):
        WmsSettings(**BASE, auth="off", gateway_host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_auth_may_be_off_on_loopback(host: str) -> None:
    assert WmsSettings(**BASE, auth="off", gateway_host=host).auth == "off"


def test_the_contracts_locations_are_the_default() -> None:
    clusters = LocationMap(WmsSettings(**BASE, auth_issuer="https://id.example.org").clusters)
    assert {clusters.find_location(name).schedd for name in ("osg", "OSG", "sub-2")} == {
        "grid-submitter.icecube.wisc.edu"
    }


def test_a_file_of_clusters_is_the_whole_truth(tmp_path: Path) -> None:
    file = tmp_path / "clusters.json"
    file.write_text('{"a": {"schedd": "S1", "served_by": "rest"}, "b": "a", "c": {"schedd": "S2"}}')
    clusters = LocationMap(WmsSettings(**OFF, clusters={"x": Location(schedd="X")}, clusters_file=file).clusters)
    assert {name: clusters.find_location(name).schedd for name in clusters} == {"a": "S1", "b": "S1", "c": "S2"}
    assert clusters.polling_schedds == {"S1"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "Invalid JSON"),
        ("[]", "should be an object"),
        ('{"a": {"schedd": "S", "served_by": "pigeons"}}', "served_by"),
        ('{"a": "b"}', "is no location"),
        ('{"a": {"schedd": "S"}, "b": {"schedd": "S", "served_by": "rest"}}', "choose one"),
    ],
)
def test_a_file_of_clusters_that_makes_no_sense_stops_the_start(tmp_path: Path, text: str, error: str) -> None:
    file = tmp_path / "clusters.json"
    file.write_text(text)
    with pytest.raises(ValidationError, match=error):
        WmsSettings(**OFF, clusters_file=file)


def test_files_that_are_not_there_stop_the_start(tmp_path: Path) -> None:
    for name in ("clusters_file", "openapi_file"):
        with pytest.raises(ValidationError, match="cannot be read"):
            WmsSettings.model_validate({**OFF, name: tmp_path / "none.json"})


def test_an_operators_document_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text('{"openapi": "3.1.0"}')
    settings = WmsSettings(**OFF, openapi_file=file)
    file.unlink()
    assert settings.openapi_text == b'{"openapi":"3.1.0"}'
    assert WmsSettings(**OFF).openapi_text is None


def test_the_existing_services_names_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {
        "MONGODB_HOST": "mongo.example.org",
        "MONGODB_PORT": "27018",
        "MONGODB_AUTH_USER": "wms",
        "MONGODB_AUTH_PASS": "p/w",
        "REST_HOST": "127.0.0.1",
        "REST_PORT": "8181",
        "MQS_ADDRESS": "http://mqs.example.org",
        "AUTH_OPENID_URL": "https://id.example.org",
        "AUTH_AUDIENCE": "ewms",
        "USER_QUERY_MAX_BYTES": "1000",
        "TMS_ACTION_RETRIES": "7",
        "CVMFS_PILOT_SINGULARITY_IMAGES_DIR": "/cvmfs/x",
        "EWMS_CONTROL_AMQP_URL": "amqp://wms:x@b/ewms-control",
    }
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    settings = WmsSettings()
    assert settings.mongo_url.get_secret_value() == "mongodb://wms:p%2Fw@mongo.example.org:27018/"
    assert (settings.gateway_port, settings.mqs_url, settings.auth_issuer, settings.auth_audience) == (
        8181,
        "http://mqs.example.org",
        "https://id.example.org",
        "ewms",
    )
    assert (settings.query_max_bytes, settings.image_dir) == (1000, Path("/cvmfs/x"))
    assert settings.tms_action_retries == 7


def test_a_pattern_that_is_none_stops_the_start() -> None:
    with pytest.raises(ValidationError, match="not a valid regular expression"):
        WmsSettings(**BASE, auth_issuer="https://id.example.org", auth_projects="(")
    rule = {"role": "user", "claim": "groups", "pattern": "["}
    with pytest.raises(ValidationError, match="not a valid regular expression"):
        WmsSettings.model_validate({**BASE, "auth_issuer": "https://id.example.org", "auth_roles": [rule]})


def test_secrets_are_not_printed() -> None:
    assert "wms:x" not in repr(WmsSettings(**BASE, auth_issuer="https://id.example.org"))
