"""The body of the route of services."""

from pydantic import Field

from schemas.fleet.objects import Object


class ServiceSeen(Object):
    """A service of this system, and its version."""

    service: str = Field(description="`wms`, `mqs`, or `tms` with a schedd.")
    schedd: str | None = Field(description="The schedd of a TMS; null for other services.")
    version: str | None = Field(description="The version of EWMS that it runs; null: it has not told.")
    problem: str = Field(description="Why it has not told its version; empty if it has.")


class ServicesAnswer(Object):
    """The gateway, MQS and the TMS of each schedd, in this order."""

    services: list[ServiceSeen]
