"""What the audit log says about the acts of users on workflows."""

from typing import Any

import pytest

from schemas.attempts.dead_letters import LetterAction, LetterFilter, LettersOrder
from schemas.fleet.phases import Deactivated
from tests.unit.wms.fleets import CLUSTERS, NOW, aggregate, decide, made, task_request
from wms.fleet.id_source import IdSource
from wms.fleet.life.stimuli import AddWorkers, CloseInputs, Deactivate, ExpectResults
from wms.fleet.life.workflow_acts import UserAct, describe_act, describe_letters_order, describe_request


def test_a_request_is_told_with_its_size_and_places_and_is_its_owners() -> None:
    new = made(task_request(cluster_locations=["osg", "chicago"]))
    facts = describe_request(new)
    assert (facts.operation, facts.kind, facts.object_id) == ("create", "workflow", new.workflow.workflow_id)
    assert (facts.owner, facts.projects) == (new.workflow.owner, tuple(new.workflow.projects))
    assert facts.owner
    assert facts.changes["tasks"] == 1
    assert len(facts.changes["schedds"].split(", ")) == 2


@pytest.mark.parametrize(
    ("act", "changes"),
    [
        (Deactivate(Deactivated.ABORTED), {"deactivated": [None, "ABORTED"]}),
        (Deactivate(Deactivated.FINISHED), {"deactivated": [None, "FINISHED"]}),
        (CloseInputs(), {"inputs": ["open", "closed"]}),
        (ExpectResults(30, counts_dead=True), {"expected_results": 30, "count_failures": True}),
    ],
)
def test_an_act_is_told_in_words(act: UserAct, changes: dict[str, Any]) -> None:
    facts = describe_act(aggregate().workflow, act, answer=None)
    assert (facts.operation, facts.kind, facts.changes) == ("update", "workflow", changes)


def test_added_workers_are_told_with_their_taskforce_and_place() -> None:
    state = aggregate()
    [task] = state.tasks.values()
    location = CLUSTERS.find_location("osg")
    act = AddWorkers(task=task, location=location, n_workers=5, by="USER", mint=IdSource(bytes(32), NOW))
    added = decide(state, act, NOW).answer
    assert describe_act(state.workflow, act, added).changes == {
        "taskforce": added.taskforce_uuid,
        "task": task.task_id,
        "schedd": location.schedd,
        "n_workers": 5,
    }


@pytest.mark.parametrize(
    ("letters", "which", "told"),
    [
        (["a", "b"], LetterFilter(), 2),
        (None, LetterFilter(signature="KeyError"), {"signature": "KeyError"}),
        (None, LetterFilter(), "all"),
    ],
)
def test_an_order_about_dead_letters_says_which(letters: list[str] | None, which: LetterFilter, told: Any) -> None:
    workflow = aggregate().workflow
    order = LettersOrder(
        workflow_id=workflow.workflow_id, action=LetterAction.DISCARD, letters=letters, which=which, subject="ann"
    )
    assert describe_letters_order(workflow, order).changes == {"discard_dead_letters": told}
