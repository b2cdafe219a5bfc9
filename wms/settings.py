"""What WMS is told by its environment. Lists and mappings are JSON; the existing service's names are accepted too."""

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, model_validator

from runtime.settings import StoreSettings
from schemas.api import MAX_BODY_BYTES
from wms.fleet.clusters import Cluster
from wms.gateway.auth import DEFAULT_PROJECTS, DEFAULT_RULES, Pattern, RoleRule


def _named(name: str, contract: str) -> AliasChoices:
    return AliasChoices(name, contract)


Count = Annotated[int, Field(ge=1)]

#: Source: contract, 3.6.
_CLUSTERS: dict[str, Cluster | str] = {
    "osg": Cluster(schedd="grid-submitter.icecube.wisc.edu"),
    "OSG": "osg",
    "sub-2": "osg",
}


class Settings(StoreSettings):
    """Settings of WMS. Units are in the names."""

    mongo_database: str = "WMS_DB"

    #: Where the gateway listens.
    gateway_host: str = Field("127.0.0.1", validation_alias=_named("EWMS_GATEWAY_HOST", "REST_HOST"))
    gateway_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        8080, validation_alias=_named("EWMS_GATEWAY_PORT", "REST_PORT")
    )

    #: `off` makes every caller the same developer. Only on loopback.
    auth: Literal["on", "off"] = "on"
    auth_issuer: str = Field("", validation_alias=_named("EWMS_AUTH_ISSUER", "AUTH_OPENID_URL"))
    auth_audience: str = Field("", validation_alias=_named("EWMS_AUTH_AUDIENCE", "AUTH_AUDIENCE"))
    auth_roles: tuple[RoleRule, ...] = DEFAULT_RULES
    #: Groups that fully match share what any of their members makes.
    auth_projects: Pattern = DEFAULT_PROJECTS

    #: Location -> cluster, or the name of another location.
    clusters: dict[str, Cluster | str] = Field(default_factory=lambda: dict(_CLUSTERS))
    #: What the pilot tag `latest` means.
    pilot_tag: str = "0.1.0"

    #: Where MQS serves its keys.
    mqs_url: str = Field("http://127.0.0.1:8081", validation_alias=_named("EWMS_MQS_URL", "MQS_ADDRESS"))

    query_max_bytes: Count = Field(
        10 * 1024 * 1024, validation_alias=_named("EWMS_QUERY_MAX_BYTES", "USER_QUERY_MAX_BYTES")
    )
    max_body_bytes: Count = MAX_BODY_BYTES

    @model_validator(mode="after")
    def _auth_is_possible(self) -> Self:
        if self.auth == "on" and not self.auth_issuer:
            raise ValueError("EWMS_AUTH_ISSUER is needed: the OpenID issuer whose tokens users bring")
        if self.auth == "off" and not _is_loopback(self.gateway_host):
            raise ValueError("EWMS_AUTH=off is for development: EWMS_GATEWAY_HOST must be a loopback address")
        return self


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
