"""What the audit log says about the acts of people on processes and flows."""

from typing import Any

import pytest

from schemas.engine.graph import DefinitionKind, Graph, Node
from schemas.engine.runs import WantKind
from schemas.ids import NodeKey
from tests.unit.wms.engine.walking import Walk
from wms.engine.life.open_run import OpenRun, RunDecision
from wms.engine.life.run_acts import describe_decision
from wms.engine.life.stimuli import Begin, PutState, Resume, RunStimulus, TimePassed, Wish, WriteNote


def _open_run(kind: DefinitionKind) -> OpenRun:
    run = Walk(Graph(nodes=(Node(key=NodeKey("one"), name="One", function="f"),)), organization="north").run
    run.facts = run.facts.model_copy(update={"kind": kind})
    return run


ACTS: list[tuple[RunStimulus, dict[str, Any] | None]] = [
    (Begin("ada"), {"act": "start"}),
    (PutState({"token": "s3cret", "a": 1}, "ada"), {"act": "set", "keys": "a, token"}),
    (Wish(WantKind.CANCEL, "ada", "wrong port"), {"act": "abort", "why": "wrong port"}),
    (Wish(WantKind.STOP, "ada"), {"act": "stop"}),
    (Wish(WantKind.CANCEL, "ada", is_from_above=True), None),
    (Resume("ada", node=NodeKey("one")), {"act": "resume", "step": "one"}),
    (Resume("ada", given={"password": "s3cret"}), {"act": "fill in a form"}),
    (WriteNote("hush", "ada"), {"act": "write a note"}),
    (TimePassed(), None),
]


@pytest.mark.parametrize(("stimulus", "changes"), ACTS)
def test_an_act_of_a_person_is_told_without_values(stimulus: RunStimulus, changes: dict[str, Any] | None) -> None:
    told = describe_decision(_open_run(DefinitionKind.STEPS), stimulus, RunDecision())
    if changes is None:
        assert told is None
        return
    assert told is not None
    who, facts = told
    assert (who, facts.kind, facts.object_id, facts.organization, facts.changes) == (
        "ada",
        "process",
        "u-1",
        "north",
        changes,
    )


def test_only_processes_and_flows_are_told_here() -> None:
    kinds = {kind: describe_decision(_open_run(kind), Begin("ada"), RunDecision()) for kind in DefinitionKind}
    assert {kind: told and told[1].kind for kind, told in kinds.items()} == {
        DefinitionKind.STEPS: "process",
        DefinitionKind.FLOW: "flow",
        DefinitionKind.TEMPLATE: None,
        DefinitionKind.CATALOGUE: None,
    }
