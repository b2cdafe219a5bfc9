"""Decide who owns an object, and who may see it. (core)"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of an object: a subject, and the projects whose members share the object."""

    subject: str
    projects: tuple[str, ...] = ()
    #: The organizations in whose quotas the owner's new workflow counts.
    organizations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """The objects that a caller may see and change, by their owners, projects and schedds."""

    subject: str
    projects: frozenset[str] = frozenset()
    #: Whether the caller sees the objects of all users.
    everything: bool = False
    #: The schedds whose taskforces the caller may see and change; None means all.
    schedds: frozenset[str] | None = None
    #: The name of the caller's role in a taskforce's log: "USER" or "TMS".
    role_name: str = "USER"

    def may_see(self, owner: str, projects: list[str]) -> bool:
        """Return whether the caller may see an object that belongs to `owner` and is shared with `projects`."""
        return self.everything or owner == self.subject or not self.projects.isdisjoint(projects)

    def may_see_at(self, schedd: str | None) -> bool:
        """Return whether the caller may see a taskforce at `schedd`. If `schedd` is None (no taskforce), return
        True.
        """
        return self.schedds is None or schedd is None or schedd in self.schedds

    @property
    def schedd_filter(self) -> dict[str, Any]:
        """Return the MongoDB filter for the taskforces at schedds that the caller may see."""
        return {} if self.schedds is None else {"schedd": {"$in": sorted(self.schedds)}}

    @property
    def owner_filter(self) -> dict[str, Any]:
        """Return the MongoDB filter for the objects of owners and projects that the caller may see."""
        if self.everything:
            return {}
        mine: list[dict[str, Any]] = [{"owner": self.subject}]
        if self.projects:
            mine.append({"projects": {"$in": sorted(self.projects)}})
        return {"$or": mine} if len(mine) > 1 else mine[0]
