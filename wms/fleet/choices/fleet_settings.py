"""What operators set while WMS runs: they drain locations, and give users and organizations other quotas. (core)

    {"drains": [{"schedd": "ap1.example.org", "location": "osg", "who": "olga", "reason": "new disks", ...}],
     "quotas": [{"user": "alice", "workflows": 20000, "workflows_waiting": null}],
     "organization_quotas": [{"organization": "north", "workflows": 50000, "workflows_waiting": 200}]}

All of it is one document. Locations and usual quotas are settings of the process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from schemas.errors import Rejected
from schemas.ids import OrganizationId
from schemas.registry import register_collection
from wms.audit.audit_facts import AuditFacts, compare_fields

#: The kinds of the rows in the audit log. Operators see them.
CLUSTER_KIND, QUOTA_KIND = "cluster", "quota"

#: The user of the quota that all users have who have none of their own.
EVERY_USER = ""

#: More users than this cannot have quotas of their own, nor more organizations: all of them are one document.
MAX_QUOTAS = 1000


@dataclass(frozen=True, slots=True)
class Quota:
    """How many workflows a user or an organization may have. 0 means no limit."""

    #: The most workflows that are not over.
    max_workflows: int = 0
    #: The most workflows that wait for their queues. MQS creates queues in the order of the requests, so
    #: many workflows of one user delay those of others.
    max_waiting: int = 0


class StoredSetting(BaseModel):
    """A part of the document."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Drain(StoredSetting):
    """A schedd where no taskforces start, and who wants that since when."""

    schedd: str
    #: The location by whose name the operator drained the schedd.
    location: str
    who: str
    at: datetime
    reason: str = ""
    #: When WMS ends the workers that still run there; None: they end in their own time.
    workers_end_at: datetime | None = None
    #: Whether the access point is gone for good. Then WMS ends every taskforce there, and waits for no answer.
    is_lost: bool = False

    @property
    def sentence(self) -> str:
        """Return who drained the location, since when and why, and whether it is lost."""
        lost = ", and it is lost: taskforces there end" if self.is_lost else ""
        return f"an operator drained {self.location} at {self.at:%F %T} UTC{self._shown_reason}{lost}"

    @property
    def loss(self) -> str:
        """Return why the taskforces of a lost location end."""
        return f"the location {self.location} is lost, says an operator{self._shown_reason}"

    @property
    def _shown_reason(self) -> str:
        return f" ({self.reason})" if self.reason else ""


class StoredQuota(StoredSetting):
    """How many workflows somebody may have. None: the operators have set nothing."""

    workflows: int | None = None
    workflows_waiting: int | None = None


class UserQuota(StoredQuota):
    """How many workflows a user may have. None: as many as all users."""

    user: str


class OrganizationQuota(StoredQuota):
    """How many workflows may count for an organization. None: any number."""

    organization: str


class FleetSettings(StoredSetting):
    """Everything that operators have set."""

    drains: tuple[Drain, ...] = ()
    quotas: tuple[UserQuota, ...] = ()
    organization_quotas: tuple[OrganizationQuota, ...] = ()

    def find_drain(self, schedd: str) -> Drain | None:
        """Return the drain of `schedd`. Return None if taskforces may start there."""
        return next((drain for drain in self.drains if drain.schedd == schedd), None)

    def find_user_quota(self, user: str) -> UserQuota:
        """Return what operators have set for `user`. Without a setting, both numbers are None."""
        return next((quota for quota in self.quotas if quota.user == user), UserQuota(user=user))

    def find_quota(self, user: str, usual: Quota) -> Quota:
        """Return the quota of `user`: the user's own, else that of every user, else `usual`."""
        own, all_users = self.find_user_quota(user), self.find_user_quota(EVERY_USER)
        return Quota(
            max_workflows=_choose(own.workflows, all_users.workflows, usual.max_workflows),
            max_waiting=_choose(own.workflows_waiting, all_users.workflows_waiting, usual.max_waiting),
        )

    def find_organization_setting(self, organization: str) -> OrganizationQuota:
        """Return what operators have set for `organization`. Without a setting, both numbers are None."""
        found = (quota for quota in self.organization_quotas if quota.organization == organization)
        return next(found, OrganizationQuota(organization=organization))

    def find_organization_quota(self, organization: str) -> Quota:
        """Return the quota of `organization`. Without a setting it has no limit."""
        own = self.find_organization_setting(organization)
        return Quota(max_workflows=own.workflows or 0, max_waiting=own.workflows_waiting or 0)


FLEET_SETTINGS = register_collection("fleet_settings", FleetSettings)

#: Returns the settings as they are now. `FleetSettings` itself returns those of a new WMS.
ReadSettings = Callable[[], FleetSettings]

#: The settings after a change, and the rows of the audit log.
Changed = tuple[FleetSettings, Sequence[AuditFacts]]


def drain_location(settings: FleetSettings, drain: Drain) -> Changed:
    """Return `settings` with `drain`. If the schedd is drained already, the new reason, deadline and loss count,
    and the first operator and time stay.
    """
    known = settings.find_drain(drain.schedd)
    if known is not None:
        drain = drain.model_copy(update={"who": known.who, "at": known.at})
    others = [one for one in settings.drains if one.schedd != drain.schedd]
    after = settings.model_copy(update={"drains": (*others, drain)})
    if known == drain:
        return settings, []
    changes = {} if known is not None else {"drained": [False, True]}
    before = known or drain.model_copy(update={"reason": "", "workers_end_at": None, "is_lost": False})
    changes |= compare_fields(before, drain, shown=("reason", "workers_end_at", "is_lost"))
    return after, [_describe_drain(drain, changes)]


def undrain_location(settings: FleetSettings, schedd: str) -> Changed:
    """Return `settings` without the drain of `schedd`."""
    known = settings.find_drain(schedd)
    if known is None:
        return settings, []
    others = tuple(one for one in settings.drains if one.schedd != schedd)
    changes = {"drained": [True, False]}
    return settings.model_copy(update={"drains": others}), [_describe_drain(known, changes)]


def set_quota(settings: FleetSettings, quota: UserQuota) -> Changed:
    """Return `settings` with `quota`. A quota without numbers goes.

    Raises:
        Rejected: too many users have quotas of their own.
    """
    before = settings.find_user_quota(quota.user)
    if before == quota:
        return settings, []
    others = [one for one in settings.quotas if one.user != quota.user]
    _check_room(quota, len(others), "users", remedy="set one for every user, or take some away")
    quotas = sorted([*others, quota] if _has_number(quota) else others, key=lambda one: one.user)
    facts = AuditFacts(
        operation="update",
        kind=QUOTA_KIND,
        object_id=quota.user,
        name=quota.user or "every user",
        changes=_compare_quotas(before, quota),
    )
    return settings.model_copy(update={"quotas": tuple(quotas)}), [facts]


def set_organization_quota(settings: FleetSettings, quota: OrganizationQuota) -> Changed:
    """Return `settings` with `quota`. A quota without numbers goes.

    Raises:
        Rejected: too many organizations have quotas.
    """
    before = settings.find_organization_setting(quota.organization)
    if before == quota:
        return settings, []
    others = [one for one in settings.organization_quotas if one.organization != quota.organization]
    _check_room(quota, len(others), "organizations", remedy="take some away")
    quotas = sorted([*others, quota] if _has_number(quota) else others, key=lambda one: one.organization)
    facts = AuditFacts(
        operation="update",
        kind=QUOTA_KIND,
        object_id=quota.organization,
        name=f"organization {quota.organization}",
        organization=OrganizationId(quota.organization),
        changes=_compare_quotas(before, quota),
    )
    return settings.model_copy(update={"organization_quotas": tuple(quotas)}), [facts]


def _check_room(quota: StoredQuota, n_others: int, whose: str, *, remedy: str) -> None:
    if _has_number(quota) and n_others >= MAX_QUOTAS:
        raise Rejected(f"at most {MAX_QUOTAS} {whose} can have quotas of their own", hint=remedy)


def _has_number(quota: StoredQuota) -> bool:
    return quota.workflows is not None or quota.workflows_waiting is not None


def _compare_quotas(before: StoredQuota, after: StoredQuota) -> dict[str, Any]:
    return compare_fields(before, after, shown=("workflows", "workflows_waiting"))


def _describe_drain(drain: Drain, changes: dict[str, Any]) -> AuditFacts:
    told = {**changes, "schedd": drain.schedd}
    return AuditFacts(
        operation="update", kind=CLUSTER_KIND, object_id=drain.location, name=drain.location, changes=told
    )


def _choose(own: int | None, all_users: int | None, usual: int) -> int:
    return next(number for number in (own, all_users, usual) if number is not None)
