"""The table of leaves: how the end of a workflow ends its node."""

import pytest

from schemas.documents import WorkflowDocument
from schemas.endings import Completion
from schemas.ids import WorkflowId
from schemas.phases import Deactivated
from schemas.runs import Outcome
from wms.engine.child_workflows import judge_workflow


@pytest.mark.parametrize(
    ("completion", "deactivated", "is_canceling", "outcome"),
    [
        (Completion.DONE, Deactivated.FINISHED, False, Outcome.SUCCESSFUL),
        (Completion.DONE, None, False, Outcome.SUCCESSFUL),
        (Completion.DONE_WITH_FAILURES, Deactivated.FINISHED, False, Outcome.FAILED),
        (None, Deactivated.FINISHED, False, Outcome.SUCCESSFUL),
        (None, Deactivated.ABORTED, False, Outcome.ERROR),
        (None, Deactivated.ABORTED, True, Outcome.CANCELED),
        (Completion.DONE, Deactivated.FINISHED, True, Outcome.SUCCESSFUL),
    ],
)
def test_leaf_how_the_end_of_a_workflow_ends_its_node(
    completion: Completion | None, deactivated: Deactivated | None, is_canceling: bool, outcome: Outcome
) -> None:
    workflow = WorkflowDocument(
        workflow_id=WorkflowId("WF-1-00000001"),
        timestamp=1.0,
        priority=50,
        deactivated=deactivated,
        deactivated_ts=None,
        completion=completion,
        n_dead=3,
    )
    ended, explanation = judge_workflow(workflow, is_canceling=is_canceling)
    assert ended is outcome
    assert bool(explanation) == (outcome is not Outcome.SUCCESSFUL)
