"""What the service of the catalogue asks of its store."""

from typing import cast

import pytest

from schemas.automation.catalogue import CatalogueTask
from schemas.errors import NotFound
from schemas.ids import CatalogueTaskId
from tests.unit.wms.catalogue.making import create, look
from wms.catalogue.builds.build_keys import TaskKeys
from wms.catalogue.catalogue_service import CatalogueService
from wms.catalogue.task_recipes import SourceRules
from wms.catalogue.task_store import Decide, TaskStore
from wms.encryption import SecretKeys
from wms.fleet.choices.locations import LocationMap
from wms.tenancy.organizations import Organizations


class OneTask:
    """A store of one task, which counts its transactions."""

    def __init__(self, task: CatalogueTask) -> None:
        self.task = task
        self.n_transactions = 0

    async def load_task(self, _: CatalogueTaskId) -> CatalogueTask:
        return self.task

    async def change_task(self, _: CatalogueTaskId, decide: Decide, *, by: str) -> CatalogueTask:
        assert by == "webhook"
        self.n_transactions += 1
        self.task = decide(self.task)
        return self.task


def serve(store: OneTask) -> CatalogueService:
    """Return the service of this store. Webhooks need no organizations and no locations."""
    return CatalogueService(
        cast("TaskStore", store),
        cast("Organizations", None),
        rules=SourceRules(git_protocols=(), git_hosts=(), task_roots=()),
        locations=cast("LocationMap", None),
        keys=TaskKeys(SecretKeys(())),
    )


def refuse(_: CatalogueTask) -> None:
    """Refuse as for a wrong signature."""
    raise NotFound("not signed")


def accept(_: CatalogueTask) -> None:
    """Accept as for a good signature."""


async def test_a_webhook_that_is_not_signed_costs_no_transaction() -> None:
    store = OneTask(look(create()))
    with pytest.raises(NotFound, match="not signed"):
        await serve(store).look_for(store.task.id, "webhook", refuse)
    assert store.n_transactions == 0


@pytest.mark.parametrize(("is_disabled", "n_transactions"), [(True, 0), (False, 1)])
async def test_a_signed_webhook_looks_unless_the_task_is_disabled(is_disabled: bool, n_transactions: int) -> None:
    store = OneTask(look(create()).model_copy(update={"is_disabled": is_disabled}))
    await serve(store).look_for(store.task.id, "webhook", accept)
    assert store.n_transactions == n_transactions
    assert (store.task.look is None) == is_disabled
