"""The settings that every process reads from its environment: once, in `__main__`, then passed down by argument.

A service's own settings derive from `ServiceSettings`, or from `StoreSettings` where it keeps state. Our names begin
with `EWMS_`; the names of the existing services are accepted beside them. Lists and mappings are JSON.
"""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import Rejected

PREFIX = "EWMS_"

Port = Annotated[int, Field(ge=0, le=65_535)]


class LogSettings(BaseSettings):
    """How a process logs."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", populate_by_name=True)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias=AliasChoices("EWMS_LOG_LEVEL", "LOG_LEVEL")
    )
    log_format: Literal["json", "console"] = "json"

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

    #: The control vhost, as this service's own user: amqp://user:password@host:port/ewms-control
    control_amqp_url: SecretStr

    #: Where health and metrics are served (WMS serves them on its gateway).
    http_host: str = "127.0.0.1"
    http_port: Port = 0


class StoreSettings(ServiceSettings):
    """Settings of a service that keeps state in MongoDB."""

    #: mongodb://host:port/?replicaSet=…; or the existing services' MONGODB_HOST, _PORT, _AUTH_USER and _AUTH_PASS.
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
        # The model is frozen for everybody else; here it is still being made.
        object.__setattr__(self, "mongo_url", SecretStr(f"mongodb://{login}{self.mongodb_host}:{self.mongodb_port}/"))
        return self


def explain_error(error: ValidationError) -> Rejected:
    """Return what is wrong with the environment: each variable with its rule, and never a value."""
    problems = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        variable = name if name.isupper() or not name else f"{PREFIX}{name.upper()}"
        inside = ".".join(map(str, problem["loc"][1:]))
        where = f"{variable}{f' ({inside})' if inside else ''}: " if variable else ""
        missing = problem["type"] == "missing"
        problems.append(where + ("is needed" if missing else problem["msg"].removeprefix("Value error, ")))
    return Rejected("; ".join(problems), hint="set the variables named and start again")
