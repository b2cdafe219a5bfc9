"""The story of a workflow, from the request to retired queues, through the user's own door."""

import json
import time
from pathlib import Path

import pytest

from deploy.local.system.stack import Stack
from deploy.simulation.simulator import simulate
from ewms import AlreadyThere, CannotRun, Client, Refused, Workflow
from ewms.client import Run
from schemas.api.workflows.report import WorkflowReport
from schemas.api.workflows.simulation import SimulationOrder
from schemas.fleet.phases import Phase
from tests.system.conftest import CLUSTER, one_task, shell_task
from tests.waiting import wait_until


def _phases(run: Run) -> list[list[tuple[str, bool]]]:
    return [[(c.target_phase, c.was_successful) for c in t.phase_change_log] for t in run.show().taskforces]


def test_every_event_comes_back_once_through_two_tasks_and_the_workflow_ends_in_the_contracts_phases(
    client: Client,
) -> None:
    upper = shell_task("tr a-z A-Z < $1 > $2", inputs=["words"], outputs=["loud"])
    twice = shell_task("cat $1 $1 > $2", inputs=["loud"], outputs=["echoes"])
    run = client.submit(Workflow(public=["words", "echoes"], tasks=[upper, twice]))
    words = [f"word-{number}" for number in range(100)]

    with run.queue("words").publisher() as publisher:
        for word in words:
            publisher.send(word)
    echoes = [event.body for event in run.queue("echoes").results(n=len(words), idle_timeout=60)]

    assert sorted(echoes) == sorted(word.upper() * 2 for word in words)
    # The numbers of queues that tasks read are as old as the broker's last report.
    depths = wait_until(run.depths, lambda found: not any(queue.n_ready for queue in found.queues))
    assert [queue.alias for queue in depths.queues] == ["words", "loud", "echoes"]
    assert depths.n_dead == 0

    run.finish()
    run.wait("over", timeout="60s").raise_for_failures()
    _check_report(run, n_events=len(words))
    assert (
        _phases(run)
        == [
            [
                ("pre-mq-activation", True),
                ("pre-launch", True),
                ("pending-starter", True),
                ("condor-submit", True),
                ("pending-stopper", True),
                ("condor-rm", True),
                ("condor-complete", True),
            ]
        ]
        * 2
    )


def _check_report(run: Run, *, n_events: int) -> None:
    # WMS writes the last statuses up to a second after the end. HTCondor may kill a pilot before its last chirp, so the
    # report may miss some runs: their time is unknown then.
    report = wait_until(run.views.report, lambda found: all(task.figures.busy.value for task in found.tasks))
    figures = report.figures
    shares = [each.value for each in (figures.busy, figures.starting, figures.idle, figures.wasted, figures.unknown)]
    assert all(share is not None for share in shares)
    assert sum(share or 0.0 for share in shares) == pytest.approx(1)
    assert (report.is_over, report.events_failed.value) == (True, 0)
    for task in report.tasks:
        assert 0 < (task.figures.events_done.value or 0) <= n_events
        assert sum(each.n for each in task.service_times) == task.figures.events_done.value
    _check_simulation(run, report)


def _check_simulation(run: Run, report: WorkflowReport) -> None:
    """A simulation of the run, as `ewms simulate` makes it, has the run's events and its numbers of workers."""
    state = run.show()
    order = SimulationOrder(report=report, tasks=state.task_directives, taskforces=state.taskforces)
    found = simulate(order)
    past = next(each for each in found.runs if each.is_past)
    assert past.workers == {task.task_id: task.n_workers for task in report.tasks}
    assert found.n_events == report.tasks[0].figures.events_done.value
    assert (found.past_finish_s or 0) > 0
    assert 0 < found.runs[-1].finish_s < past.finish_s + 1 < found.runs[0].finish_s + 2
    assert simulate(order) == found


def test_statuses_of_all_workers_are_told_within_seconds(client: Client) -> None:
    run = client.submit(one_task("cp $1 $2", n_workers=3))
    wait_until(run.statuses, lambda found: found == {"RUNNING": {"AwaitingFirstMessage": 3}}, pause_s=0.2)
    run.abort()
    run.wait("over", timeout="60s")
    assert run.statuses() == {"REMOVED": {"AwaitingFirstMessage": 3}} or set(run.statuses()) == {"REMOVED"}


def test_a_poison_event_is_tried_five_times_and_stops_nobody_else(client: Client) -> None:
    run = client.submit(one_task("if grep -q poison $1; then echo no such pixel >&2; exit 3; fi; cp $1 $2"))
    with run.queue("in").publisher() as publisher:
        for number in range(20):
            publisher.send("poison" if number == 7 else f"good {number}")

    good = [event.body for event in run.queue("out").results(n=19, idle_timeout=60)]

    assert len(set(good)) == 19
    wait_until(run.depths, lambda depths: depths.n_dead == 1, pause_s=0.2)
    run.finish()
    outcome = run.wait("over", timeout="60s")
    assert outcome.n_dead == 1
    assert any("no such pixel" in error for error in outcome.state.task_errors)


def test_the_first_published_example_is_taken_word_for_word(client: Client, stack: Stack) -> None:
    example = json.loads((Path(__file__).parents[1] / "data" / "first-published-request.json").read_text())
    run = client.submit(example)
    state = run.show()
    assert state.task_directives[0].cluster_locations == ["sub-2"]
    assert state.taskforces[0].n_workers == 1000
    run.wait(Phase.CONDOR_SUBMIT, timeout="30s")
    run.abort()
    run.wait("over", timeout="60s")


def test_aborting_at_once_leaves_no_cluster_behind(client: Client) -> None:
    runs = [client.submit(one_task("cp $1 $2", n_workers=2)) for _ in range(8)]
    for number, run in enumerate(runs):
        # At every point of the way to the schedd.
        time.sleep(0.03 * number)
        run.abort()
    for run in runs:
        outcome = run.wait("over", timeout="60s")
        assert outcome.state.workflow.deactivated == "ABORTED"


def test_deactivating_twice_says_what_it_is_already(client: Client) -> None:
    run = client.submit(one_task("cp $1 $2", n_workers=1))
    run.abort()
    with pytest.raises(AlreadyThere, match="is already aborted"):
        run.finish()


def test_what_is_wrong_with_a_request_is_named_and_nothing_is_created(client: Client) -> None:
    before = len(client.workflows())
    good = one_task("cp $1 $2").request([CLUSTER])
    nowhere = {"cluster_locations": ["nowhere"]}
    for change, error, complaint in (
        ({"colour": "red"}, CannotRun, "colour"),
        ({"n_workers": "many"}, CannotRun, "n_workers"),
        # Only the server knows its clusters, and the client asks it before it tells of another fault.
        ({"n_workers": 0} | nowhere, CannotRun, "n_workers': is 0.*EWMS has no cluster 'nowhere'"),
        (nowhere, Refused, "condor cluster location not found: nowhere"),
    ):
        bad = {**good, "tasks": [{**good["tasks"][0], **change}]}
        with pytest.raises(error, match=complaint):
            client.submit(bad)
    assert len(client.workflows()) == before
