"""How far a workflow is, from one reading."""

from dataclasses import replace

from schemas.api.workflows.worker_numbers import WorkerNumbers
from schemas.fleet.phases import Deactivated, Phase
from tests.unit.wms.fleets import NOW
from tests.unit.wms.insight.test_workflow_graph import make_world
from wms.insight.workflow_facts import collect_facts, describe_standing


def test_a_deferred_workflow_tells_why_and_an_active_one_does_not() -> None:
    seen = make_world()
    waiting = seen.workflow.model_copy(update={"queues_deferred": "no room"})
    assert collect_facts(replace(seen, workflow=waiting)).deferred == "no room"
    active = waiting.model_copy(update={"queues_active_at": NOW})
    assert collect_facts(replace(seen, workflow=active)).deferred == ""


def test_the_standing_counts_workers_queues_and_events() -> None:
    seen = make_world()
    statuses = {"RUNNING": {"Tasking": 3, "null": 1}, "HELD: The pool's policy held it": {"null": 2}}
    taskforces = [
        one.model_copy(update={"phase": Phase.CONDOR_SUBMIT, "compound_statuses": statuses}) for one in seen.taskforces
    ]
    standing = describe_standing(replace(seen, taskforces=taskforces))
    assert standing.standing == "running"
    assert standing.phases == {"condor-submit": 2}
    assert standing.workers == WorkerNumbers(n_wanted=20, n_idle=0, n_running=8, n_taking=6, n_held=4, n_gone=0)
    assert standing.events is None, "the broker has counted no arrivals"
    assert [each.cause for each in standing.problems] == ["held-policy", "dead-letters"]
    assert (standing.problems[0].n, standing.n_dead, len(standing.queues)) == (4, 3, 4)


def test_an_ended_workflow_says_how() -> None:
    seen = make_world()
    over = seen.workflow.model_copy(update={"deactivated": Deactivated.ABORTED, "n_dead": 2})
    taskforces = [one.model_copy(update={"phase": Phase.CONDOR_COMPLETE}) for one in seen.taskforces]
    standing = describe_standing(replace(seen, workflow=over, taskforces=taskforces, depths=None))
    assert (standing.standing, standing.n_dead, standing.queues) == ("aborted", 2, [])
