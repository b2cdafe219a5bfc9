"""The graph of a job, the ends of its nodes, and its status."""

import pytest

from schemas.automation.jobs import MAX_JOB_NODES, HostJobStatus, HostState, JobStrategy
from schemas.engine.graph import EdgeKind, NodeKind
from schemas.engine.runs import Outcome, RunStatus
from schemas.errors import Rejected
from wms.jobs.plans.job_graph import NodeTasks, check_node_count, make_job_definition, read_node_tasks
from wms.jobs.plans.judging import judge_job, judge_node, show_host_state

OK, FAILED, ERROR = HostState.OK, HostState.FAILED, HostState.ERROR


def test_c1_c4_a_job_of_one_task_has_one_node() -> None:
    _, definition = make_job_definition(1, 1, JobStrategy.LINEAR, "patch")
    (node,) = definition.graph.nodes
    assert (node.kind, node.edges, read_node_tasks(node)) == (NodeKind.HOSTS, (), NodeTasks(0, 0, 0))


def test_c1_c11_a_linear_job_runs_each_task_in_each_batch_in_order() -> None:
    _, definition = make_job_definition(9, 2, JobStrategy.LINEAR, "maintain")
    nodes = definition.graph.nodes
    assert [node.key for node in nodes[:3]] == ["b1-t1", "b1-t2", "b1-t3"]
    assert [read_node_tasks(node).batch for node in nodes] == [0] * 9 + [1] * 9
    assert [[(edge.kind, edge.to) for edge in node.edges] for node in nodes[:2]] == [
        [(EdgeKind.ALWAYS, 1)],
        [(EdgeKind.ALWAYS, 2)],
    ]
    assert nodes[-1].edges == ()


def test_a_free_job_has_one_node_for_each_batch() -> None:
    _, definition = make_job_definition(9, 2, JobStrategy.FREE, "maintain")
    tasks = [read_node_tasks(node) for node in definition.graph.nodes]
    assert tasks == [NodeTasks(0, 0, 8), NodeTasks(1, 0, 8)]
    assert [tasks[0].has_task(number) for number in (0, 8, 9)] == [True, True, False]


def test_a_job_with_too_many_steps_is_refused_with_its_field_and_a_remedy() -> None:
    check_node_count(5, MAX_JOB_NODES // 5, JobStrategy.LINEAR)
    check_node_count(9, MAX_JOB_NODES, JobStrategy.FREE)
    for n_tasks, n_batches, strategy in (
        (5, MAX_JOB_NODES // 5 + 1, JobStrategy.LINEAR),
        (9, MAX_JOB_NODES + 1, JobStrategy.FREE),
    ):
        with pytest.raises(Rejected, match=f"'serial'.*a job may have {MAX_JOB_NODES}") as refused:
            check_node_count(n_tasks, n_batches, strategy)
        assert "batches larger" in refused.value.hint


@pytest.mark.parametrize(
    ("states", "is_canceling", "outcome"),
    [
        ([OK, OK], False, Outcome.SUCCESSFUL),
        ([OK, FAILED], False, Outcome.FAILED),
        ([OK, FAILED, ERROR], False, Outcome.ERROR),
        ([OK, HostState.CANCELED], True, Outcome.CANCELED),
        ([OK], True, Outcome.CANCELED),
        ([FAILED], True, Outcome.FAILED),
    ],
)
def test_c2_a_node_ends_as_its_worst_host(states: list[HostState], outcome: Outcome, *, is_canceling: bool) -> None:
    found, reason = judge_node(states, is_canceling=is_canceling)
    assert found is outcome
    assert bool(reason) is (outcome is not Outcome.SUCCESSFUL)


@pytest.mark.parametrize(
    ("run", "has_queues", "has_workers", "status"),
    [
        (RunStatus.CREATED, False, False, HostJobStatus.NEW),
        (RunStatus.RUNNING, False, False, HostJobStatus.PENDING),
        (RunStatus.RUNNING, True, False, HostJobStatus.WAITING),
        (RunStatus.RUNNING, True, True, HostJobStatus.RUNNING),
        (RunStatus.SUCCESSFUL, True, True, HostJobStatus.SUCCESSFUL),
        (RunStatus.FAILED, True, True, HostJobStatus.FAILED),
        (RunStatus.ERROR, True, True, HostJobStatus.ERROR),
        (RunStatus.CANCELED, False, False, HostJobStatus.CANCELED),
    ],
)
def test_c2_the_status_of_a_job_is_the_table_of_its_lifecycle(
    run: RunStatus, status: HostJobStatus, *, has_queues: bool, has_workers: bool
) -> None:
    assert judge_job(run, has_queues=has_queues, has_workers=has_workers) is status


@pytest.mark.parametrize(
    ("run", "state"),
    [
        (RunStatus.RUNNING, HostState.PENDING),
        (RunStatus.FAILED, HostState.SKIPPED),
        (RunStatus.CANCELED, HostState.CANCELED),
    ],
)
def test_a_job_that_is_over_has_no_pending_hosts(run: RunStatus, state: HostState) -> None:
    assert show_host_state(HostState.PENDING, run) is state
    assert show_host_state(OK, run) is OK
