"""Flows and their nodes are counted with every status that they take, once it is stored."""

from typing import Any

from prometheus_client import REGISTRY

from schemas.engine.graph import DefinitionKind
from schemas.engine.runs import Outcome
from tests.unit.wms.engine.walking import Walk
from tests.unit.wms.flows.flow_runs import walk_flow
from wms.engine.life.advance import advance
from wms.engine.life.stimuli import RunStimulus
from wms.flows.flow_metrics import count_statuses


class Listened:
    """The part of an engine that a listener needs."""

    def __init__(self) -> None:
        self.on_launch: list[Any] = []
        self.on_change: list[Any] = []


def count(flow: str) -> dict[str, float]:
    """Return the samples of a flow: status -> number, nodes as `name status`."""
    found = {}
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if sample.labels.get("flow_name") == flow and sample.name.endswith("_total"):
                names = (sample.labels.get("flow_node"), sample.labels.get("flow_node_status"))
                status = sample.labels.get("flow_status") or " ".join(map(str, names))
                assert (sample.labels["service"], sample.labels["biz_type"]) == ("wms", "cluster")
                found[status] = sample.value
    return found


def test_2_2_every_status_is_counted_once_and_polls_are_none() -> None:
    engine: Any = Listened()
    count_statuses(engine)
    walk = walk_flow()
    walk.run.facts = walk.run.facts.model_copy(update={"definition": "counted"})
    plain = walk.do

    def listened(stimulus: RunStimulus) -> Any:
        engine.on_change[0](walk.run, advance(walk.run, stimulus, walk.now))
        return plain(stimulus)

    walk.do = listened  # type: ignore[method-assign]  # the engine tells what it commits
    engine.on_launch[0](walk.run)
    walk.begin()
    walk.end("start")
    for _ in range(3):
        walk.end("create", Outcome.PENDING)
        walk.pass_time(3)
    walk.fail("create")
    walk.end("fail")
    assert count("counted") == {
        "Initializing": 1,
        "Processing": 1,
        "Error": 1,
        "check Processing": 1,
        "check Finished": 1,
        "create Processing": 1,
        "create Error": 1,
        "end Processing": 1,
        "end Finished": 1,
    }


def test_other_runs_are_not_counted() -> None:
    engine: Any = Listened()
    count_statuses(engine)
    walk: Walk = walk_flow()
    facts = {"definition": "steps only", "kind": DefinitionKind.STEPS}
    walk.run.facts = walk.run.facts.model_copy(update=facts)
    engine.on_launch[0](walk.run)
    engine.on_change[0](walk.run, walk.begin().decisions[-1])
    assert count("steps only") == {}


def test_a_biz_type_of_ones_own_counts_as_other() -> None:
    engine: Any = Listened()
    count_statuses(engine)
    walk = walk_flow(biz_type="disk 4711")
    walk.run.facts = walk.run.facts.model_copy(update={"definition": "own type"})
    engine.on_launch[0](walk.run)
    labels = {"service": "wms", "biz_type": "other", "flow_name": "own type", "flow_status": "Initializing"}
    assert REGISTRY.get_sample_value("ewms_work_flow_total", labels) == 1
