"""Who owns an object, and who may know of it. (core)"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of an object: a subject, and the projects whose members share the object."""

    subject: str
    projects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """Whose objects a caller may touch."""

    subject: str
    projects: frozenset[str] = frozenset()
    #: Whether the caller sees everybody's objects.
    everything: bool = False
    #: The schedds whose taskforces the caller may touch. None: all schedds.
    schedds: frozenset[str] | None = None
    #: How the log names the caller who adds workers.
    role_name: str = "USER"

    def may_see(self, owner: str, projects: list[str]) -> bool:
        """Return whether the caller may know of an object that belongs to `owner` and is shared with `projects`."""
        return self.everything or owner == self.subject or not self.projects.isdisjoint(projects)

    def may_see_at(self, schedd: str | None) -> bool:
        """Return whether a taskforce at `schedd` is within the caller's reach. An object without a schedd always is."""
        return self.schedds is None or schedd is None or schedd in self.schedds

    @property
    def schedd_filter(self) -> dict[str, Any]:
        """Return the MongoDB filter for the taskforces within the caller's reach."""
        return {} if self.schedds is None else {"schedd": {"$in": sorted(self.schedds)}}

    @property
    def owner_filter(self) -> dict[str, Any]:
        """Return the MongoDB filter for the objects that the caller may see."""
        if self.everything:
            return {}
        mine: list[dict[str, Any]] = [{"owner": self.subject}]
        if self.projects:
            mine.append({"projects": {"$in": sorted(self.projects)}})
        return {"$or": mine} if len(mine) > 1 else mine[0]
