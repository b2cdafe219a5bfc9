"""What the environment may say, and what it must not."""

import pytest
from pydantic import SecretStr, ValidationError

from wms.fleet.clusters import ClusterMap
from wms.settings import Settings

BASE = {"mongo_url": SecretStr("mongodb://m/"), "control_amqp_url": SecretStr("amqp://wms:x@b/ewms-control")}


def test_without_an_issuer_wms_does_not_start_for_auth_is_on() -> None:
    with pytest.raises(ValidationError, match="EWMS_AUTH_ISSUER is needed"):
        Settings(**BASE)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "example.org"])
def test_auth_cannot_be_off_where_others_can_reach_it(host: str) -> None:
    with pytest.raises(ValidationError, match="must be a loopback address"):
        Settings(**BASE, auth="off", gateway_host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_auth_may_be_off_on_loopback(host: str) -> None:
    assert Settings(**BASE, auth="off", gateway_host=host).auth == "off"


def test_the_contracts_locations_are_the_default() -> None:
    clusters = ClusterMap(Settings(**BASE, auth_issuer="https://id.example.org").clusters)
    assert {clusters.find(name).schedd for name in ("osg", "OSG", "sub-2")} == {"grid-submitter.icecube.wisc.edu"}


def test_a_pattern_that_is_none_stops_the_start() -> None:
    with pytest.raises(ValidationError, match="no regular expression"):
        Settings(**BASE, auth_issuer="https://id.example.org", auth_projects="(")
    rule = {"role": "user", "claim": "groups", "pattern": "["}
    with pytest.raises(ValidationError, match="no regular expression"):
        Settings.model_validate({**BASE, "auth_issuer": "https://id.example.org", "auth_roles": [rule]})


def test_secrets_are_not_printed() -> None:
    assert "wms:x" not in repr(Settings(**BASE, auth_issuer="https://id.example.org"))
