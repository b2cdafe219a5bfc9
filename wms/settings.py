"""The settings of WMS, from its environment. Lists and mappings are JSON. The existing service's names work too."""

import ipaddress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AliasChoices, Field, SecretStr, TypeAdapter, ValidationError, model_validator
from pydantic_core import to_json

from runtime.kernel.store import Store
from runtime.settings import StoreSettings
from runtime.web.callers.limits import CallerLimits
from runtime.web.callers.tokens import TokenVerifier
from runtime.web.server.connections import ConnectionLimits
from schemas.automation.build_sources import DEFAULT_GIT_PROTOCOLS
from schemas.automation.builds import BuildLimits
from schemas.broker.topology import RESOURCE_SERVER
from schemas.errors import Broken
from schemas.rules.claim_patterns import Pattern
from schemas.rules.limits import MAX_BODY_BYTES
from wms.catalogue.catalogue_parts import CatalogueSettings
from wms.catalogue.task_recipes import SourceRules
from wms.encryption import SecretKeys
from wms.fleet.choices.locations import Location, LocationMap
from wms.fleet.choices.pilot_images import FixedTag, ImageDirectory, PilotImages
from wms.gateway.roles import DEFAULT_PROJECTS, DEFAULT_RULES, RoleRule
from wms.joblogs.job_logs import JobLogs
from wms.notifications.notification_settings import NotificationSettings
from wms.tenancy.claims import DEFAULT_TENANCY_RULES, TenancyRule


def _accept_names(name: str, contract: str) -> AliasChoices:
    return AliasChoices(name, contract)


Value = TypeVar("Value")
Count = Annotated[int, Field(ge=1)]

#: Source: contract, 3.6.
_CLUSTERS: dict[str, Location | str] = {
    "osg": Location(schedd="grid-submitter.icecube.wisc.edu"),
    "OSG": "osg",
    "sub-2": "osg",
}


class WmsSettings(StoreSettings):
    """Settings of WMS. Units are in the names."""

    mongo_database: str = "WMS_DB"

    #: How often to look for missing indexes and create them again.
    index_look_s: Annotated[float, Field(gt=0)] = 30.0
    #: How long a step worker may be silent. After that WMS takes it for gone, and gives its steps to others.
    step_worker_silence_s: Annotated[float, Field(gt=0)] = 60.0

    #: Where the gateway listens.
    gateway_host: str = Field("127.0.0.1", validation_alias=_accept_names("EWMS_GATEWAY_HOST", "REST_HOST"))
    gateway_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        8080, validation_alias=_accept_names("EWMS_GATEWAY_PORT", "REST_PORT")
    )

    #: `off` makes every caller the same developer. Only on loopback.
    auth: Literal["on", "off"] = "on"
    auth_issuer: str = Field("", validation_alias=_accept_names("EWMS_AUTH_ISSUER", "AUTH_OPENID_URL"))
    auth_audience: str = Field("", validation_alias=_accept_names("EWMS_AUTH_AUDIENCE", "AUTH_AUDIENCE"))
    #: The public client of the web page at that issuer, for the code flow. Without it, people paste a token.
    page_client_id: str = ""
    #: How long WMS may still trust a key after the issuer withdraws it.
    auth_keys_life_s: Annotated[float, Field(ge=1)] = 300.0
    auth_roles: tuple[RoleRule, ...] = DEFAULT_RULES
    #: If a group's whole name matches this, its members share the objects that any of them makes.
    auth_projects: Pattern = DEFAULT_PROJECTS
    #: Which claims give which roles in organizations, and above them. Stored memberships give more.
    organization_roles: tuple[TenancyRule, ...] = DEFAULT_TENANCY_RULES

    #: Name of a location -> its schedd and settings, or the name of another location.
    clusters: dict[str, Location | str] = Field(default_factory=lambda: dict(_CLUSTERS))
    #: The same as a JSON file. It replaces `clusters`.
    clusters_file: Path | None = None

    #: The directory of pilot images, with entries `<pilot_image>:<tag>`. Without it, the tag `latest` means
    #: `pilot_tag`.
    image_dir: Path | None = Field(
        None, validation_alias=_accept_names("EWMS_IMAGE_DIR", "CVMFS_PILOT_SINGULARITY_IMAGES_DIR")
    )
    pilot_image: str = "ewms-pilot"
    pilot_tag: str = "0.1.0"

    #: Files with OpenAPI documents to serve in place of our own, at /schema/openapi and at /mqs/schema/openapi.
    openapi_file: Path | None = None
    mqs_openapi_file: Path | None = None

    #: Where MQS serves its keys.
    mqs_url: str = Field("http://127.0.0.1:8081", validation_alias=_accept_names("EWMS_MQS_URL", "MQS_ADDRESS"))

    #: How often WMS repeats a failed start. After this many failures of a removal, its pauses between removals grow.
    tms_action_retries: Annotated[int, Field(ge=0, le=100)] = Field(
        2, validation_alias=_accept_names("EWMS_TMS_ACTION_RETRIES", "TMS_ACTION_RETRIES")
    )

    #: Must be as in MQS. Tokens for existing message clients need more bytes for each queue, so a task may have fewer
    #: queues.
    legacy_clients: bool = False
    #: Must be as in MQS. Each right in a token names it.
    broker_resource_server: str = Field(
        RESOURCE_SERVER, validation_alias=_accept_names("EWMS_BROKER_RESOURCE_SERVER", "BROKER_RESOURCE_SERVER_ID")
    )

    #: Fernet keys (a JSON list) for the secrets that users give to WMS. The first one encrypts, all of them decrypt.
    secret_keys: tuple[SecretStr, ...] = ()
    #: Where catalogue tasks may live: protocols and hosts (patterns) of git, and directories of the server. Builders
    #: have the same settings, and check again.
    build_git_protocols: tuple[str, ...] = DEFAULT_GIT_PROTOCOLS
    build_git_hosts: tuple[str, ...] = ("*",)
    task_roots: tuple[str, ...] = ()
    #: What one build may take.
    build_limits: BuildLimits = BuildLimits()

    #: How long the logs of jobs on hosts are kept, and how many characters of one job's log.
    job_log_kept_for_s: Annotated[float, Field(ge=60)] = 30 * 86_400.0
    job_log_characters: Annotated[int, Field(ge=1)] = 256 * 1024 * 1024

    #: What comes before the paths of links in notifications, such as `https://ewms.example.org`.
    public_url: str = ""
    #: Whether notifications may go to this machine and to link-local addresses.
    notifications_to_local_hosts: bool = False
    #: How long one attempt to send a notification may take, and the pause after the first failed one.
    notification_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    notification_pause_s: Annotated[float, Field(gt=0, le=600)] = 5.0

    #: How many connections the gateway keeps, in all and from one address.
    gateway_connections: Count = 1000
    gateway_connections_per_address: Count = 500
    #: Addresses of reverse proxies, joined by commas. The gateway trusts the `X-Forwarded-For` of these.
    trusted_proxies: str = ""
    #: How many requests one caller may have under way, send per second (0 means any number), and send in a row.
    caller_at_once: Count = 24
    caller_per_s: Annotated[float, Field(ge=0)] = 200.0
    caller_burst: Count = 2000
    #: How many workflows of one user may be under way (0 means any number).
    caller_workflows: Annotated[int, Field(ge=0)] = 10_000
    #: How many of these may wait for their queues (0 means any number).
    caller_workflows_waiting: Annotated[int, Field(ge=0)] = 100

    #: How many workers run one task of a job at one location, at most.
    job_workers: Count = 50
    query_max_bytes: Count = Field(
        10 * 1024 * 1024, validation_alias=_accept_names("EWMS_QUERY_MAX_BYTES", "USER_QUERY_MAX_BYTES")
    )
    max_body_bytes: Count = MAX_BODY_BYTES

    @model_validator(mode="after")
    def _auth_is_possible(self) -> Self:
        if self.auth == "on" and not self.auth_issuer:
            raise ValueError("EWMS_AUTH_ISSUER is needed: set it to the OpenID issuer of the users' tokens")
        if self.auth == "off" and not _is_loopback(self.gateway_host):
            raise ValueError("EWMS_AUTH=off is for development: EWMS_GATEWAY_HOST must be a loopback address")
        return self

    @model_validator(mode="after")
    def _secret_keys_are_keys(self) -> Self:
        try:
            _ = self.make_secret_keys()
        except ValueError:
            text = "EWMS_SECRET_KEYS must be a JSON list of Fernet keys; `python -m wms.encryption` makes one"
            raise ValueError(text) from None
        return self

    @property
    def notification_settings(self) -> NotificationSettings:
        """Return the settings of notifications."""
        return NotificationSettings(
            keys=self.make_secret_keys(),
            public_url=self.public_url,
            allows_local=self.notifications_to_local_hosts,
            timeout_s=self.notification_timeout_s,
            first_pause_s=self.notification_pause_s,
        )

    @property
    def catalogue_settings(self) -> CatalogueSettings:
        """Return the settings of catalogue tasks."""
        rules = SourceRules(
            git_protocols=self.build_git_protocols, git_hosts=self.build_git_hosts, task_roots=self.task_roots
        )
        return CatalogueSettings(rules=rules, limits=self.build_limits, keys=self.make_secret_keys())

    def make_job_logs(self, store: Store) -> JobLogs:
        """Return the logs of jobs on hosts."""
        kept_for = timedelta(seconds=self.job_log_kept_for_s)
        return JobLogs(store, kept_for=kept_for, max_characters=self.job_log_characters)

    def make_images(self) -> PilotImages:
        """Return the pilot images that requests may name."""
        if self.image_dir is None:
            return FixedTag(self.pilot_tag)
        return ImageDirectory(self.image_dir, self.pilot_image)

    def make_verifier(self) -> TokenVerifier | None:
        """Return what verifies users' tokens; None if WMS believes every request."""
        if self.auth == "off":
            return None
        return TokenVerifier(issuer=self.auth_issuer, audience=self.auth_audience, keys_life_s=self.auth_keys_life_s)

    def make_secret_keys(self) -> SecretKeys:
        """Return the keys with which WMS stores secrets."""
        return SecretKeys([key.get_secret_value() for key in self.secret_keys])

    @model_validator(mode="after")
    def _clusters_are_known(self) -> Self:
        if self.clusters_file is not None:
            # The model is frozen. Here it is still being made, so it may change.
            object.__setattr__(self, "clusters", _read_file("EWMS_CLUSTERS_FILE", self.clusters_file, _LOCATIONS))
        try:
            LocationMap(self.clusters)
        except Broken as error:
            raise ValueError(error.reason) from error
        return self

    @model_validator(mode="after")
    def _openapi_files_are_readable(self) -> Self:
        _ = self.openapi_text, self.mqs_openapi_text
        return self

    @model_validator(mode="after")
    def _proxies_are_addresses(self) -> Self:
        for address in self._list_proxies():
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise ValueError("EWMS_TRUSTED_PROXIES must be IP addresses joined by commas") from None
        return self

    def _list_proxies(self) -> list[str]:
        return [address.strip() for address in self.trusted_proxies.split(",") if address.strip()]

    @property
    def connection_limits(self) -> ConnectionLimits:
        """How many connections peers may hold."""
        return ConnectionLimits(
            max_connections=self.gateway_connections,
            max_per_address=self.gateway_connections_per_address,
            trusted_proxies=frozenset(self._list_proxies()),
        )

    @property
    def caller_limits(self) -> CallerLimits:
        """How many requests one caller may send and have under way."""
        return CallerLimits(max_at_once=self.caller_at_once, per_s=self.caller_per_s, burst=self.caller_burst)

    @cached_property
    def openapi_text(self) -> bytes | None:
        """Return the document of `openapi_file`."""
        return _read_document("EWMS_OPENAPI_FILE", self.openapi_file)

    @cached_property
    def mqs_openapi_text(self) -> bytes | None:
        """Return the document of `mqs_openapi_file`."""
        return _read_document("EWMS_MQS_OPENAPI_FILE", self.mqs_openapi_file)


_LOCATIONS: TypeAdapter[dict[str, Location | str]] = TypeAdapter(dict[str, Location | str])
_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def _read_document(variable: str, path: Path | None) -> bytes | None:
    """Return the JSON object in the file that `variable` names.

    Raises:
        ValueError: the file holds no JSON object.
    """
    return None if path is None else to_json(_read_file(variable, path, _OBJECT))


def _read_file(variable: str, path: Path, kind: TypeAdapter[Value]) -> Value:
    """Return the content of the file that `variable` names.

    Raises:
        ValueError: the file cannot be read, or holds nothing of that `kind`.
    """
    try:
        return kind.validate_json(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{variable}: {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise ValueError(f"{variable}: {path}: {place}{': ' if place else ''}{problem['msg']}") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
