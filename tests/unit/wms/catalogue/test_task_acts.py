"""What the audit log says about the changes of catalogue tasks."""

from typing import Any

import pytest

from schemas.automation.catalogue import CatalogueTask, TaskVisibility
from tests.unit.wms.catalogue.making import COMMIT, NOW, RECIPE, approve, create, look, new_run, reject
from wms.audit.audit_facts import NOT_SHOWN
from wms.catalogue.life.task_acts import describe_task_change
from wms.catalogue.life.task_decisions import change_recipe
from wms.catalogue.life.task_looks import begin_look


def _with(**fields: Any) -> CatalogueTask:
    return look(create()).model_copy(update=fields)


LOOKED = look(create())
CHANGES: list[tuple[CatalogueTask, dict[str, Any]]] = [
    (_with(name="task2"), {"name": ["task1", "task2"]}),
    (
        _with(visibility=TaskVisibility.ROLES, roles=("org-member",)),
        {"visibility": ["private", "roles"], "roles": ["", "org-member"]},
    ),
    (_with(is_disabled=True, change_reason="it leaks"), {"is_disabled": [False, True], "reason": "it leaks"}),
    (_with(n_webhook_keys=2), {"webhook_key": [NOT_SHOWN, NOT_SHOWN]}),
    (approve(LOOKED), {"version_1": f"approved, commit {COMMIT}"}),
    (reject(LOOKED), {"version_1": "rejected"}),
    (begin_look(LOOKED, who="ada", run=new_run(), now=NOW), {"rebuild": True}),
    (
        change_recipe(LOOKED, RECIPE.model_copy(update={"command": ("other",)}), who="ada", run=new_run(), now=NOW),
        {"version": [1, 2]},
    ),
]


@pytest.mark.parametrize(("after", "changes"), CHANGES)
def test_a_change_is_told_in_words_and_never_with_a_key(after: CatalogueTask, changes: dict[str, Any]) -> None:
    facts = describe_task_change(LOOKED, after)
    assert (facts.operation, facts.kind, facts.object_id, facts.organization) == (
        "update",
        "catalogue_task",
        7,
        "north",
    )
    assert facts.changes == changes


def test_a_new_task_is_told_with_its_visibility() -> None:
    facts = describe_task_change(None, create())
    assert (facts.operation, facts.name, facts.changes) == ("create", "task1", {"visibility": "private"})
