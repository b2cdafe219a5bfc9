"""The settings that every process reads from its environment. `__main__` reads them once and passes them down.

A service's own settings derive from `ServiceSettings`, or from `StoreSettings` if the service keeps state. Names begin
with `EWMS_`; the names of the existing services work, too. Lists and mappings are JSON.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.hosts.certificates import ServerCertificate, make_tls_context
from schemas.errors import Rejected

PREFIX = "EWMS_"

Port = Annotated[int, Field(ge=0, le=65_535)]


class LogSettings(BaseSettings):
    """The settings of a process's log."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", populate_by_name=True)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias=AliasChoices("EWMS_LOG_LEVEL", "LOG_LEVEL")
    )
    log_format: Literal["json", "console"] = "json"
    #: The address of an OpenTelemetry collector: http://host:4318. Without it no span is recorded.
    otel_endpoint: str = Field(
        "",
        validation_alias=AliasChoices("EWMS_OTEL_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        pattern="^(https?://.+)?$",
    )

    @model_validator(mode="before")
    @classmethod
    def _level_in_capitals(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return {
                k: v.upper() if k.upper().endswith("LOG_LEVEL") and isinstance(v, str) else v for k, v in given.items()
            }
        return given


class ServiceSettings(LogSettings):
    """Settings of every service."""

    #: The address of the control vhost for this service's user: amqp://user:password@host:port/ewms-control
    control_amqp_url: SecretStr

    #: The address of the process's own health and metrics (WMS serves these on its gateway).
    http_host: str = "127.0.0.1"
    http_port: Port = 0

    #: The certificate and the key with which this process serves https. Without them it serves http.
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    #: The authorities that this process trusts besides the system's. `runtime.hosts.certificates` reads the variable at
    #: each connection; here it is only for `ewms-admin config check`.
    ca_file: Path | None = None

    @property
    def certificate(self) -> ServerCertificate | None:
        """The certificate of this process's own server; None: it serves http."""
        if self.tls_cert_file is None or self.tls_key_file is None:
            return None
        return ServerCertificate(self.tls_cert_file, self.tls_key_file)

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("EWMS_TLS_CERT_FILE and EWMS_TLS_KEY_FILE need each other: set both, or none")
        return self

    def check_certificates(self) -> None:
        """Check that the files hold what they must. A process finds that out when it first uses them.

        Raises:
            BadCertificate, BadAuthorities: a file cannot be used.
        """
        if self.certificate is not None:
            self.certificate.make_context()
        if self.ca_file is not None:
            make_tls_context(self.ca_file)


class StoreSettings(ServiceSettings):
    """Settings of a service that keeps state in MongoDB."""

    #: mongodb://host:port/?replicaSet=…; or set MONGODB_HOST, _PORT, _AUTH_USER, _AUTH_PASS, as existing services do.
    mongo_url: SecretStr = SecretStr("")

    mongodb_host: str = Field("", validation_alias="MONGODB_HOST", repr=False)
    mongodb_port: Port = Field(27_017, validation_alias="MONGODB_PORT", repr=False)
    mongodb_auth_user: str = Field("", validation_alias="MONGODB_AUTH_USER", repr=False)
    mongodb_auth_pass: SecretStr = Field(SecretStr(""), validation_alias="MONGODB_AUTH_PASS", repr=False)

    @model_validator(mode="after")
    def _mongodb_is_known(self) -> "StoreSettings":
        if self.mongo_url.get_secret_value():
            return self
        if not self.mongodb_host:
            raise ValueError("EWMS_MONGO_URL is needed: mongodb://host:port/?replicaSet=NAME")
        login = ""
        if self.mongodb_auth_user:
            password = quote(self.mongodb_auth_pass.get_secret_value(), safe="")
            login = f"{quote(self.mongodb_auth_user, safe='')}:{password}@"
        # The model is frozen after this; the validator is still making it.
        object.__setattr__(self, "mongo_url", SecretStr(f"mongodb://{login}{self.mongodb_host}:{self.mongodb_port}/"))
        return self


def explain_error(error: ValidationError) -> Rejected:
    """Return an error that names each wrong variable and its rule. The error never contains a value."""
    problems = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        variable = name if name.isupper() or not name else f"{PREFIX}{name.upper()}"
        inside = ".".join(map(str, problem["loc"][1:]))
        where = f"{variable}{f' ({inside})' if inside else ''}: " if variable else ""
        missing = problem["type"] == "missing"
        problems.append(where + ("is needed" if missing else problem["msg"].removeprefix("Value error, ")))
    return Rejected("; ".join(problems), hint="set these variables and start again")
