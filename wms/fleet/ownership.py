"""Whose things are whose: who makes an object, and who may know of it. (core)"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Owner:
    """On whose behalf something is made: a subject, and the projects whose members share it."""

    subject: str
    projects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """Whose objects a caller may touch."""

    subject: str
    projects: frozenset[str] = frozenset()
    #: Sees everybody's.
    everything: bool = False
    #: Of taskforces, only those at these schedds; None: anywhere.
    schedds: frozenset[str] | None = None
    #: How the log names the caller who adds workers.
    role_name: str = "USER"

    def may_see(self, owner: str, projects: list[str]) -> bool:
        """Say whether an object of `owner`, shared with `projects`, is the caller's to know of."""
        return self.everything or owner == self.subject or not self.projects.isdisjoint(projects)

    def may_see_at(self, schedd: str | None) -> bool:
        """Say whether a taskforce at `schedd` is within the caller's reach; what has no schedd is."""
        return self.schedds is None or schedd is None or schedd in self.schedds

    @property
    def schedd_clause(self) -> dict[str, Any]:
        """Return the MongoDB filter that finds just the taskforces within the caller's reach."""
        return {} if self.schedds is None else {"schedd": {"$in": sorted(self.schedds)}}

    @property
    def clause(self) -> dict[str, Any]:
        """Return the MongoDB filter that finds just the objects that the caller may see."""
        if self.everything:
            return {}
        mine: list[dict[str, Any]] = [{"owner": self.subject}]
        if self.projects:
            mine.append({"projects": {"$in": sorted(self.projects)}})
        return {"$or": mine} if len(mine) > 1 else mine[0]
