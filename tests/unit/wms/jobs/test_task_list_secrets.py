"""C33: who may save a list of tasks with secrets, and change what gets them. An admin may run the list later."""

from collections.abc import Collection, Mapping
from typing import Any, cast

import pytest

from runtime.kernel.decision import Insert
from schemas.automation.stored_secrets import SecretFile, SecretUsers
from schemas.errors import Forbidden, NotFound, Rejected
from schemas.ids import CatalogueTaskId, OrganizationId, TaskListId
from wms.jobs.task_list_service import TaskListService
from wms.secrets.secret_use import SecretUse
from wms.tenancy.rights import Principal, TenancyRole

NORTH = OrganizationId("north")
BOSS = Principal("boss", roles={NORTH: frozenset({TenancyRole.ORG_ADMIN})})
ADA = Principal("ada", roles={NORTH: frozenset({TenancyRole.ORG_MEMBER})})
FOR_ADMINS, FOR_ALL = SecretFile(name="root-key", file="key"), SecretFile(name="lab-key", file="lab")


class World:
    """The store, the organizations, the catalogue and the secrets around the service. Each list is in one place."""

    def __init__(self) -> None:
        self.saved: dict[str, Any] = {}
        around = cast("Any", self)
        self.lists = TaskListService(around, around, around, SecretUse(around))

    async def count_up(self, *_: Any) -> int:
        return 1

    async def find_one(self, _collection: str, query: Mapping[str, Any], *_: Any) -> Any:
        return self.saved if "name" not in query and self.saved else None

    async def transact(self, step: Any, **_: Any) -> Any:
        decided = await step(self)
        # The row of the audit log follows.
        change, _ = decided.changes
        self.saved = {**self.saved, **(change.document if isinstance(change, Insert) else change.set)}
        return decided

    async def check_named(self, *_: Any) -> None: ...

    async def get_task(self, *_: Any) -> None: ...

    async def find_open(self, _organization: OrganizationId, names: Collection[str]) -> Mapping[str, SecretUsers]:
        known = {"root-key": SecretUsers.ADMINS, "lab-key": SecretUsers.MEMBERS}
        return {name: users for name, users in known.items() if name in names}

    async def create(self, principal: Principal, *secrets: SecretFile) -> None:
        await self.lists.create_list(principal, {"name": "night", "tasks": (1,), "secrets": secrets})

    async def change(self, principal: Principal, **fields: Any) -> None:
        await self.lists.change_list(principal, TaskListId(1), fields)


async def test_c33_only_a_person_who_may_use_a_secret_saves_a_list_with_it() -> None:
    for principal, secret, error in (
        (ADA, FOR_ADMINS, Forbidden),
        (ADA, SecretFile(name="unknown", file="key"), NotFound),
        (BOSS, SecretFile(name="../up", file="key"), Rejected),
    ):
        world = World()
        with pytest.raises(error):
            await world.create(principal, secret)
        assert world.saved == {}
    await World().create(ADA, FOR_ALL)
    await World().create(BOSS, FOR_ADMINS, FOR_ALL)


async def test_c33_only_a_person_who_may_use_a_secret_adds_it_to_a_list() -> None:
    world = World()
    await world.create(ADA, FOR_ALL)
    with pytest.raises(Forbidden):
        await world.change(ADA, secrets=(FOR_ADMINS,))
    assert [each["name"] for each in world.saved["secrets"]] == ["lab-key"]
    await world.change(BOSS, secrets=(FOR_ADMINS,))
    assert [each["name"] for each in world.saved["secrets"]] == ["root-key"]


@pytest.mark.parametrize("fields", [{"tasks": (2,)}, {"payload": '{"x": 1}'}], ids=["tasks", "payload"])
async def test_c33_the_owner_does_not_change_what_gets_a_secret_that_an_admin_has_added(fields: dict[str, Any]) -> None:
    world = World()
    await world.create(ADA)
    await world.change(BOSS, secrets=(FOR_ADMINS,))
    with pytest.raises(Forbidden):
        await world.change(ADA, **fields)
    await world.change(ADA, description="at night")
    await world.change(ADA, secrets=(), **fields)


async def test_a_list_keeps_each_task_for_which_alone_it_has_a_secret() -> None:
    for_seven = SecretFile(name="lab-key", file="lab", tasks=(CatalogueTaskId(7),))
    world = World()
    with pytest.raises(Rejected, match="'lab-key' names task 7"):
        await world.create(ADA, for_seven)
    assert world.saved == {}
    await world.create(ADA)
    await world.change(ADA, tasks=(1, 7), secrets=(for_seven,))
    with pytest.raises(Rejected, match="'lab-key' names task 7"):
        await world.change(ADA, tasks=(1,))
    await world.change(ADA, tasks=(1,), secrets=())
