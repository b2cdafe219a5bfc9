"""The bodies of the routes by which operators drain locations and change quotas while WMS runs."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.fleet.objects import Object

#: Text for people, without control characters.
Reason = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
#: The subject of a user's token; "" means every user.
UserName = Annotated[str, StringConstraints(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
#: The name of an organization, as organizations are named; "" means none.
QuotaOrganization = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,62})?$")]
#: How many workflows. 0 means any number.
Number = Annotated[int, Field(ge=0, le=1_000_000, strict=True)]


class DrainRequest(Object):
    """Why operators drain a location, and when its workers end."""

    reason: Reason = Field("", description="What users see, for example in `ewms cluster list`.")
    workers_end_at: AwareDatetime | None = Field(
        None, description="When WMS ends the workers that still run there; null: they end in their own time."
    )
    is_lost: bool = Field(
        False,
        strict=True,
        description="The access point is gone for good: every taskforce there ends at once, and WMS waits for no "
        "answer of its TMS.",
    )


class DrainSeen(Object):
    """A location where no workers start, as users see it."""

    since: datetime
    reason: str
    workers_end_at: datetime | None
    #: An older server does not know it.
    is_lost: bool = False

    @property
    def sentence(self) -> str:
        """Since when and why the location is drained, and when its workers end or that it is lost."""
        reason = f": {self.reason}" if self.reason else ""
        end = f"; its workers end at {self.workers_end_at:%F %T} UTC" if self.workers_end_at is not None else ""
        lost = "; it is lost, so taskforces there end" if self.is_lost else ""
        return f"since {self.since:%F %T} UTC{reason}{lost or end}"


class DrainStatus(Object):
    """Whether a location is drained, and what is still there, as operators see it."""

    location: str
    schedd: str
    drain: DrainSeen | None
    who: str = Field(description="The subject of the operator who drained it; empty: it is not drained.")
    n_waiting: int = Field(description="Taskforces that wait for their start.")
    n_starting: int = Field(
        description="Taskforces that the TMS has been ordered to start, also those that are called back."
    )
    n_running: int = Field(description="Taskforces with workers, also those whose workers are being stopped.")


class QuotaRequest(Object):
    """How many workflows a user or an organization may have.

    Null: a user may have as many as every user, or as the settings of WMS say; an organization any number.
    """

    user: UserName = Field("", description="The subject of the user's token; empty: every user without an own quota.")
    organization: QuotaOrganization = Field(
        "", description="An organization instead of a user; `default`: the one of users and runs without another."
    )
    workflows: Number | None = Field(None, description="The most workflows that are not over. 0: any number.")
    workflows_waiting: Number | None = Field(
        None, description="The most workflows that wait for their queues. 0: any number."
    )


class QuotaSeen(Object):
    """A quota that operators have set."""

    user: str
    workflows: int | None
    workflows_waiting: int | None


class OrganizationQuotaSeen(Object):
    """The quota of an organization, which operators have set."""

    organization: str
    workflows: int | None
    workflows_waiting: int | None


class QuotasAnswer(Object):
    """The quotas: those of the settings of WMS, and those that operators have set for users and organizations."""

    workflows: int = Field(description="`EWMS_CALLER_WORKFLOWS`. 0: any number.")
    workflows_waiting: int = Field(description="`EWMS_CALLER_WORKFLOWS_WAITING`. 0: any number.")
    quotas: list[QuotaSeen] = Field(description="Those of users.")
    organizations: list[OrganizationQuotaSeen] = Field(
        default_factory=list, description="Those of organizations. One that is not here may have any number."
    )
