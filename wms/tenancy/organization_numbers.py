"""Give organizations integers, for clients that know nothing else. A number never changes and is never given again."""

from runtime.kernel.store import Store
from schemas.automation.trees import ORGANIZATION_NUMBERS
from schemas.engine.run_documents import COUNTERS
from schemas.ids import OrganizationId


class OrganizationNumbers:
    """The integers of organizations, made when somebody first asks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._numbers: dict[OrganizationId, int] = {}

    async def number(self, name: OrganizationId) -> int:
        """Return the integer of an organization."""
        if name not in self._numbers:
            self._numbers[name] = await self._look_up(name)
        return self._numbers[name]

    async def _look_up(self, name: OrganizationId) -> int:
        found = await self._store.find_one(ORGANIZATION_NUMBERS, {"_id": name})
        if found is None:
            fresh = await self._store.count_up(COUNTERS, "organizations")
            await self._store.insert_new(ORGANIZATION_NUMBERS, [{"_id": name, "number": fresh}])
            found = await self._store.find_one(ORGANIZATION_NUMBERS, {"_id": name})
            assert found is not None  # it was just stored, here or by another process
        return int(found["number"])

    async def find_name(self, number: int) -> OrganizationId | None:
        """Return the organization with this integer; None: there is none."""
        found = await self._store.find_one(ORGANIZATION_NUMBERS, {"number": number})
        return None if found is None else OrganizationId(found["_id"])
