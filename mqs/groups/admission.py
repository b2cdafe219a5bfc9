"""Decide which groups of queues may be activated now. (core)

MQS serves groups by priority, then by age. Waiting raises the priority, so that no group waits for ever. A smaller
group may overtake a group that does not fit, but only until the larger group has waited for `patience`. After that, MQS
keeps released room for the larger group. A group whose owner has too many queues waits until some of these are deleted.
MQS keeps no room for such a group.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from schemas.ids import WorkflowId

#: Of how many owners a load keeps the earlier numbers of queues.
_MOST_OWNERS = 1000


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of the broker's load. None means no limit. If a limit is reached, every new group waits."""

    max_queues: int | None = None
    max_bytes: int | None = None
    max_connections: int | None = None
    #: Queues of one owner, which is a user or another site.
    max_owner_queues: int | None = None
    #: Bytes of events of one owner. Above it the owner's queues are full (`mqs.broker.owner_shares`).
    max_owner_bytes: int | None = None
    #: A waiting group gains one point of priority in this time.
    aging: timedelta = timedelta(minutes=1)
    #: How long smaller groups may pass a group that does not fit.
    patience: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Usage:
    """The present load of the broker: queues as MQS has counted them, bytes and connections as the broker has counted
    them last.
    """

    n_queues: int = 0
    n_bytes: int = 0
    n_connections: int = 0
    #: Owner -> number of queues, at least for the owners of the applicants.
    n_queues_of: Mapping[str, int] = field(default_factory=dict)

    def add_queues(self, owner: str, n_queues: int, *, known: Mapping[str, int]) -> "Usage":
        """Return the load when `owner` has `n_queues` more. `known` has what other owners had earlier."""
        earlier = known if len(known) < _MOST_OWNERS else {}
        of_owner = {**earlier, **self.n_queues_of, owner: self.n_queues_of.get(owner, 0) + n_queues}
        return replace(self, n_queues=self.n_queues + n_queues, n_queues_of=of_owner)


@dataclass(frozen=True, slots=True)
class Applicant:
    """A group that waits for its queues."""

    workflow_id: WorkflowId
    n_queues: int
    priority: int
    asked_at: datetime
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """MQS may create the group's queues."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """How many queues must be deleted before a waiting group has room: queues of `owner`, or of any owner (None)."""

    n_queues: int
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """The group must wait, for `reason`. If `shortage` is None, deleting queues would not help."""

    reason: str
    shortage: Shortage | None = None


Verdict = Admitted | Deferred


@dataclass(slots=True)
class _SharedShortage:
    """Adds up the shortages of the waiting groups. No free room counts twice."""

    n_wanted: int = 0
    n_missing: int = 0

    def add_group(self, n_queues: int, n_free: int) -> int:
        """Add a group that wants `n_queues` while `n_free` are free. Return how many more queues must be deleted for
        it.
        """
        self.n_wanted += n_queues
        n_more = max(0, self.n_wanted - n_free) - self.n_missing
        self.n_missing += max(0, n_more)
        return max(0, n_more)


def rank_applicant(applicant: Applicant, *, aging: timedelta, now: datetime) -> tuple[float, datetime, WorkflowId]:
    """Return the sort key of `applicant`. The group with the smallest key is served first."""
    waited = max(now - applicant.asked_at, timedelta())
    return (-(applicant.priority + waited // aging), applicant.asked_at, applicant.workflow_id)


def judge_applicants(
    applicants: Iterable[Applicant], usage: Usage, budget: Budget, now: datetime
) -> dict[WorkflowId, Verdict]:
    """Decide about all `applicants` together. Return workflow id -> verdict, in the order in which MQS serves them."""
    decided: dict[WorkflowId, Verdict] = {}
    pressure = _describe_pressure(usage, budget)
    n_queues = usage.n_queues
    of_owner = dict(usage.n_queues_of)
    missing, missing_of = _SharedShortage(), defaultdict[str, _SharedShortage](_SharedShortage)
    kept_for: Applicant | None = None
    for applicant in sorted(applicants, key=lambda a: rank_applicant(a, aging=budget.aging, now=now)):
        verdict: Verdict
        n_free = (budget.max_queues or 0) - n_queues
        if pressure:
            verdict = Deferred(pressure)
        elif budget.max_queues is not None and applicant.n_queues > budget.max_queues:
            # It blocks no other group, because no release can ever make room for it.
            verdict = Deferred(
                f"it needs {applicant.n_queues} queues, but the broker's budget is {budget.max_queues} in all"
            )
        elif (
            budget.max_owner_queues is not None
            and applicant.n_queues + of_owner.get(applicant.owner, 0) > budget.max_owner_queues
        ):
            n_of_owner = of_owner.get(applicant.owner, 0)
            reason = (
                f"it needs {applicant.n_queues} queues; its owner has {n_of_owner} of at most {budget.max_owner_queues}"
            )
            n_more = 0
            if applicant.n_queues <= budget.max_owner_queues:
                n_more = missing_of[applicant.owner].add_group(applicant.n_queues, budget.max_owner_queues - n_of_owner)
            verdict = Deferred(reason, Shortage(n_more, applicant.owner) if n_more else None)
        elif kept_for is not None:
            n_more = missing.add_group(applicant.n_queues, n_free)
            reason = f"room on the broker is kept for {kept_for.workflow_id}, which has waited longer"
            verdict = Deferred(reason, Shortage(n_more) if n_more else None)
        elif budget.max_queues is not None and n_queues + applicant.n_queues > budget.max_queues:
            n_more = missing.add_group(applicant.n_queues, n_free)
            reason = f"it needs {applicant.n_queues} queues, more than the broker's budget has left"
            verdict = Deferred(reason, Shortage(n_more) if n_more else None)
            if now - applicant.asked_at >= budget.patience:
                kept_for = applicant
        else:
            n_queues += applicant.n_queues
            of_owner[applicant.owner] = of_owner.get(applicant.owner, 0) + applicant.n_queues
            verdict = Admitted()
        decided[applicant.workflow_id] = verdict
    return decided


def _describe_pressure(usage: Usage, budget: Budget) -> str:
    if budget.max_bytes is not None and usage.n_bytes >= budget.max_bytes:
        return f"the broker holds {usage.n_bytes} bytes of events, and its budget is {budget.max_bytes}"
    if budget.max_connections is not None and usage.n_connections >= budget.max_connections:
        return f"the broker has {usage.n_connections} connections, and its budget is {budget.max_connections}"
    return ""
