"""Remember the users whose tokens we have seen. Our issuer makes and deletes users; this list only names them.

A user's number never changes, and no other user gets it.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from runtime.clock import stored_now
from runtime.kernel.decision import Document
from runtime.kernel.store import Index, Store
from schemas.engine.run_documents import COUNTERS
from schemas.ids import OrganizationId, UserId
from wms.tenancy.documents import USERS, UserDocument
from wms.tenancy.rights import Principal, TenancyRole, name_token_role

INDEXES: Mapping[str, tuple[Index, ...]] = {USERS: (Index(("number",), unique=True), Index(("token_roles",)))}

#: A user who calls again within this time is not written again.
_WRITTEN_EVERY = timedelta(minutes=10)
_MAX_REMEMBERED = 10_000
_SUBJECT = "sub:"


def name_user(subject: str) -> str:
    """Return the name under which a user holds roles."""
    return f"{_SUBJECT}{subject}"


def find_subject(holder: str) -> str | None:
    """Return the subject of the user that `holder` names. Return None if `holder` is not the name of a user, but of a
    team.
    """
    return holder.removeprefix(_SUBJECT) if holder.startswith(_SUBJECT) else None


class Users:
    """The users of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._remembered: dict[str, UserDocument] = {}

    async def note_user(self, principal: Principal) -> UserDocument:
        """Return the user who calls as `principal`. Also store when WMS saw the user last, and the roles that the user
        has by its token.
        """
        now = stored_now()
        roles, token_roles = tuple(sorted(principal.system_roles)), tuple(sorted(principal.by_token))
        known = self._remembered.get(principal.subject)
        if known is None:
            known = await self.find_user(principal.subject) or await self._add_user(principal.subject)
        has_changed = (known.system_roles, known.token_roles) != (roles, token_roles)
        if has_changed or known.seen_at + _WRITTEN_EVERY < now:
            fields = {"seen_at": now, "system_roles": [role.value for role in roles], "token_roles": list(token_roles)}
            await self._store.compare_and_set(USERS, {"_id": principal.subject}, {"$set": fields})
            known = known.model_copy(update={"seen_at": now, "system_roles": roles, "token_roles": token_roles})
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[principal.subject] = known
        return known

    async def _add_user(self, subject: str) -> UserDocument:
        now = stored_now()
        number = await self._store.count_up(COUNTERS, "users")
        fresh = {"_id": subject, "number": number, "system_roles": [], "created_at": now, "seen_at": now}
        await self._store.insert_new(USERS, [fresh])
        # Another process may have been faster.
        return await self.find_user(subject) or _parse_user(fresh)

    async def list_by_token(self, organization: OrganizationId, role: TenancyRole) -> list[str]:
        """Return the subjects of the users who had a role in an organization by their latest tokens."""
        found = await self._store.find(
            USERS, {"token_roles": name_token_role(organization, role)}, sort=[("number", 1)], projection={"_id": 1}
        )
        return [str(each["_id"]) for each in found]

    async def find_user(self, subject: str) -> UserDocument | None:
        """Return the user with this subject. Return None if WMS has never seen the user."""
        found = await self._store.find_one(USERS, {"_id": subject})
        return None if found is None else _parse_user(found)

    async def find_numbered(self, number: int) -> UserDocument | None:
        """Return the user with this number. Return None if there is no such user."""
        found = await self._store.find_one(USERS, {"number": UserId(number)})
        return None if found is None else _parse_user(found)

    async def list_users(self, subjects: Iterable[str] | None = None) -> list[UserDocument]:
        """Return the users that WMS has seen, in the order of their numbers. With `subjects`, return only these
        users.
        """
        query = {} if subjects is None else {"_id": {"$in": sorted(set(subjects))}}
        return [_parse_user(each) for each in await self._store.find(USERS, query, sort=[("number", 1)])]


def _parse_user(document: Document) -> UserDocument:
    return UserDocument.model_validate({**document, "id": document["_id"]})
