"""Refuse a new workflow if its owner, or an organization for which it counts, has as many as the quota allows.

The counts are outside the transaction of the new workflow: of two requests at once, both may pass as the last one
allowed.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from runtime.kernel.store import Store
from schemas.errors import OverQuota
from schemas.fleet.documents import WORKFLOWS
from wms.fleet import repository
from wms.fleet.choices.fleet_settings import Quota, ReadSettings
from wms.fleet.ownership import Owner


class QuotaLimit(StrEnum):
    """The two numbers of a quota."""

    WORKFLOWS = "workflows"
    WAITING = "waiting"


class QuotaCheck:
    """Counts the workflows of one store. `usual` is the quota of users for whom operators have set nothing."""

    def __init__(self, store: Store, usual: Quota, read_settings: ReadSettings) -> None:
        self._store = store
        self._usual = usual
        self._read_settings = read_settings

    async def check_new(self, owner: Owner) -> None:
        """Check that `owner`, and each organization for which the owner's new workflow counts, may have one more.

        Raises:
            OverQuota: the owner or an organization may not.
        """
        settings = self._read_settings()
        quota = settings.find_quota(owner.subject, self._usual)
        if (limit := await self._find_reached({"owner": owner.subject}, quota)) is not None:
            raise make_user_refusal(limit, quota)
        for organization in owner.organizations:
            quota = settings.find_organization_quota(organization)
            if (limit := await self._find_reached({"organizations": organization}, quota)) is not None:
                raise make_organization_refusal(organization, limit, quota)

    async def _find_reached(self, whose: Mapping[str, Any], quota: Quota) -> QuotaLimit | None:
        """Return the limit of `quota` that the workflows with the fields `whose` have reached; None: they have not."""
        n_waiting, n_all = quota.max_waiting, quota.max_workflows
        if not n_waiting and not n_all:
            return None
        n_unfinished = await self._store.count(WORKFLOWS, {**whose, **repository.UNFINISHED})
        # Workflows that wait are not over. So a user with few workflows costs one count.
        if 0 < n_waiting <= n_unfinished and n_waiting <= await self._store.count(
            WORKFLOWS, {**whose, **repository.WAITING}
        ):
            return QuotaLimit.WAITING
        return QuotaLimit.WORKFLOWS if 0 < n_all <= n_unfinished else None


def make_user_refusal(limit: QuotaLimit, quota: Quota) -> OverQuota:
    """Return the error that tells a user of their own limit."""
    if limit is QuotaLimit.WAITING:
        return OverQuota(
            f"as many of your workflows wait for their queues as may wait at a time: {quota.max_waiting}",
            hint="come again when some of them are active",
            retry_after_s=2,
        )
    return OverQuota(
        f"you have as many workflows that are not over as one user may have: {quota.max_workflows}",
        hint="end workflows that you no longer need, and come again once their workers are gone",
        retry_after_s=60,
    )


def make_organization_refusal(organization: str, limit: QuotaLimit, quota: Quota) -> OverQuota:
    """Return the error that tells a user of the limit of `organization`."""
    counted = "those of its members, of its jobs and of its runs count together"
    if limit is QuotaLimit.WAITING:
        return OverQuota(
            f"as many workflows of the organization {organization!r} wait for their queues as may wait at a time: "
            f"{quota.max_waiting}; {counted}",
            hint="come again when some of them are active",
            retry_after_s=2,
        )
    return OverQuota(
        f"the organization {organization!r} has as many workflows that are not over as it may have: "
        f"{quota.max_workflows}; {counted}",
        hint="end workflows of the organization that nobody needs, and come again once their workers are gone; "
        "an operator can raise its quota",
        retry_after_s=60,
    )
