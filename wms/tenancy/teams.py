"""Make, change and delete the teams of organizations, and say who is in them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runtime.clock import stored_now
from runtime.kernel.decision import Decision, Delete, Document, Insert, Update
from runtime.kernel.store import Index, Store, Transaction
from runtime.once import Once
from schemas.engine.run_documents import COUNTERS
from schemas.errors import NotFound, Rejected
from schemas.ids import OrganizationId, TeamId
from wms.audit.audit_facts import AuditFacts, compare_fields
from wms.audit.audit_log import AuditLog
from wms.tenancy.documents import TEAMS, TeamDocument

INDEXES: Mapping[str, tuple[Index, ...]] = {
    TEAMS: (Index(("organization", "name"), unique=True), Index(("members",), partial={"members.0": {"$exists": True}}))
}
_MAX_NAME = 512
_MAX_MEMBERS = 1000


class TeamNameTaken(Rejected):
    """Another team of the organization has this name."""


class Teams:
    """The teams of one database. Callers check the rights in the organization first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._audit = AuditLog(store)

    async def find_team(self, team_id: int) -> TeamDocument | None:
        """Return the team. Return None if there is no such team."""
        found = await self._store.find_one(TEAMS, {"_id": team_id})
        return None if found is None else _parse_team(found)

    async def load_team(self, team_id: int) -> TeamDocument:
        """Return the team.

        Raises:
            NotFound: there is no such team.
        """
        found = await self.find_team(team_id)
        if found is None:
            raise NotFound("Not found.")
        return found

    async def list_teams(self, query: Mapping[str, Any]) -> list[TeamDocument]:
        """Return the teams that match `query`, by id."""
        return [_parse_team(each) for each in await self._store.find(TEAMS, query, sort=[("_id", 1)])]

    async def list_teams_of(self, names: Iterable[str]) -> list[TeamId]:
        """Return the ids of the teams with a member that has one of `names`. A name has a prefix, as in `sub:ada`."""
        query = {"members": {"$in": sorted(names)}, "members.0": {"$exists": True}}
        return [TeamId(each["_id"]) for each in await self._store.find(TEAMS, query, projection={"_id": 1})]

    async def create_team(
        self, organization: OrganizationId, *, name: str, description: str, by: str, once: Once | None = None
    ) -> TeamDocument:
        """Create a team without members, and return it. A repeated request returns the same team. `by` makes the team.

        Raises:
            Rejected: the name is blank or too long.
            TeamNameTaken: another team has it.
        """
        _check_name(name)
        now = stored_now()
        team = TeamDocument(
            id=TeamId(await self._store.count_up(COUNTERS, "teams")),
            organization=organization,
            name=name,
            description=description,
            created_at=now,
            changed_at=now,
            changed_by=by,
        )
        document = team.model_dump()
        document["_id"] = document.pop("id")

        async def step(tx: Transaction) -> Decision:
            await _check_free(tx, team)
            rows = await self._audit.make_inserts(by, describe_team_change(None, team))
            return Decision(changes=(Insert(TEAMS, document), *rows), answer=team.id)

        decided = await self._store.transact(step, once=once)
        return team if isinstance(decided, Decision) else await self.load_team(decided.answer)

    async def change_team(
        self, team_id: TeamId, change: Callable[[TeamDocument], TeamDocument], *, by: str
    ) -> TeamDocument:
        """Store what `change` makes of a team, and return the team. `by` is the user who makes the change.

        Raises:
            NotFound: there is no such team.
            Rejected: the name is blank, or there are too many members.
            TeamNameTaken: another team has the name.
        """

        async def step(tx: Transaction) -> Decision:
            found = await tx.find_one(TEAMS, {"_id": team_id})
            if found is None:
                raise NotFound("Not found.")
            before = _parse_team(found)
            after = change(before)
            if after == before:
                return Decision()
            _check_name(after.name)
            if len(after.members) > _MAX_MEMBERS:
                raise Rejected(f"a team has at most {_MAX_MEMBERS} users")
            if after.name != before.name:
                await _check_free(tx, after)
            fields = after.model_dump(include={"name", "description", "members"})
            set_fields = {**fields, "changed_at": stored_now(), "changed_by": by}
            rows = await self._audit.make_inserts(by, describe_team_change(before, after))
            return Decision(changes=(Update(TEAMS, team_id, set=set_fields, rev=before.rev), *rows))

        await self._store.transact(step)
        return await self.load_team(team_id)

    async def delete_team(self, team_id: TeamId, *, by: str) -> None:
        """Delete a team. If it does not exist, this changes nothing. `by` is the user who deletes it."""

        async def step(tx: Transaction) -> Decision:
            found = await tx.find_one(TEAMS, {"_id": team_id})
            before = None if found is None else _parse_team(found)
            rows = await self._audit.make_inserts(by, describe_team_change(before, None))
            return Decision(changes=(Delete(TEAMS, team_id), *rows))

        await self._store.transact(step)


def describe_team_change(before: TeamDocument | None, after: TeamDocument | None) -> list[AuditFacts]:
    """Return the rows of the audit log about a team: its fields, and each user who came or went.

    The team was made if `before` is None, and deleted if `after` is None.
    """
    team = after or before
    if team is None:
        return []

    def tell(operation: str, **changes: Any) -> AuditFacts:
        return AuditFacts(
            operation=operation,
            kind="team",
            object_id=team.id,
            name=team.name,
            organization=team.organization,
            changes=changes,
        )

    if before is None or after is None:
        return [tell("create" if before is None else "delete")]
    fields = compare_fields(before, after, shown=("name", "description"))
    old, new = set(before.members), set(after.members)
    return [
        *([tell("update", **fields)] if fields else []),
        *(tell("associate", member=each) for each in sorted(new - old)),
        *(tell("disassociate", member=each) for each in sorted(old - new)),
    ]


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > _MAX_NAME:
        raise Rejected(f"name: a team needs a name of at most {_MAX_NAME} characters")


async def _check_free(tx: Transaction, team: TeamDocument) -> None:
    query = {"organization": team.organization, "name": team.name, "_id": {"$ne": team.id}}
    if await tx.find_one(TEAMS, query, {"_id": 1}) is not None:
        raise TeamNameTaken(f"a team with this name and organization already exists: {team.name!r}")


def _parse_team(document: Document) -> TeamDocument:
    return TeamDocument.model_validate({**document, "id": document["_id"]})
